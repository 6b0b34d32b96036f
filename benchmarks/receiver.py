"""An OTLP/HTTP receiver in a process of its own, which keeps bodies and counts later.

Counting with the generated classes is dear: it happens only when it is asked for, when
nothing is measured. ``--stall`` accepts connections and never answers.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

LARGEST = 256 * 1024 * 1024


def spans_in(body: bytes) -> int:
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    return sum(
        len(scope.spans)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
    )


def make_app() -> web.Application:
    bodies: list[bytes] = []

    async def keep(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    async def count(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's
        found = sum(map(spans_in, bodies))
        bodies.clear()
        return web.Response(text=str(found))

    async def ignore(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    # aiohttp would unpack the bodies, which is not to be paid for here
    app = web.Application(
        client_max_size=LARGEST, handler_args={"auto_decompress": False}
    )
    app.router.add_post("/v1/traces", keep)
    app.router.add_post("/v1/metrics", ignore)
    app.router.add_get("/count", count)
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

    def count(self) -> int:
        """How many spans have arrived since it was asked last."""
        with urllib.request.urlopen(f"{self.url}/count") as answer:
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
