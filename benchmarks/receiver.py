"""An OTLP/HTTP receiver in a process of its own, which keeps bodies and counts later.

Counting with the generated classes is dear: it happens only when it is asked for, when
nothing is measured.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

LARGEST = 256 * 1024 * 1024


def spans_in(body: bytes) -> int:
    return sum(
        len(scope.spans)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
    )


def records_in(body: bytes) -> int:
    return sum(
        len(scope.log_records)
        for group in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in group.scope_logs
    )


def points_in(body: bytes) -> int:
    return sum(
        len(getattr(metric, metric.WhichOneof("data")).data_points)
        for group in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    )


COUNTS = {"traces": spans_in, "logs": records_in, "metrics": points_in}


def unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def make_app() -> web.Application:
    bodies: dict[str, list[bytes]] = {signal: [] for signal in COUNTS}

    async def keep(request: web.Request) -> web.Response:
        bodies[request.match_info["signal"]].append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    async def count(request: web.Request) -> web.Response:
        signal = request.match_info["signal"]
        found = sum(COUNTS[signal](unpacked(body)) for body in bodies[signal])
        for kept in bodies.values():
            kept.clear()
        return web.Response(text=str(found))

    # aiohttp would unpack the bodies, which is not to be paid for here
    app = web.Application(
        client_max_size=LARGEST, handler_args={"auto_decompress": False}
    )
    app.router.add_post("/v1/{signal}", keep)
    app.router.add_get("/count/{signal}", count)
    return app


async def serve() -> None:
    """Tell the port on one line, then serve until the input ends."""
    import asyncio

    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


class Receiver:
    """The running process as its benchmark sees it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def count(self, signal: str = "traces") -> int:
        """How many events of a signal have arrived since it was asked last."""
        with urllib.request.urlopen(f"{self.url}/count/{signal}") as answer:
            return int(answer.read())


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback, ended with the block."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield Receiver(int(process.stdout.readline()))
        process.communicate()


if __name__ == "__main__":
    import asyncio

    asyncio.run(serve())
