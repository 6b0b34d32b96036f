"""OTLP in, batches, OTLP out: what a gateway pays for each span, beside ``rotel``.

The same requests go, several at a time, to each gateway in turn, which sends everything
on to one receiver; what counts is the CPU time of the gateway's process, and that every
span has arrived. ``rotel`` is a collector in Rust from PyPI, with its own batching. Run
it with ``python -m benchmarks.gateway``.
"""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from benchmarks.receiver import Receiver, receiver
from benchmarks.report import Figure, cost, table
from sluiceway.events import Resource, Scope, Span, SpanKind
from sluiceway.formats.otlp_protobuf import encode_traces

SPANS = 512  # in a request, as the SDK's exporters send
REQUESTS = 300
AT_ONCE = 8
SHARE = 0.25  # that the sampler keeps
WAYS = {"as it is": 4.0, "sampled": 2.0, "decoded, changed": 1 / 3}  # and the aims
HEADERS = {"Content-Type": "application/x-protobuf"}


def bodies() -> list[bytes]:
    """Requests of fresh spans, six attributes each, some of which repeat."""
    source = random.Random(1)
    resource = Resource({"service.name": "shop", "host.name": "a"})
    scope = Scope("bench", "1")
    return [
        encode_traces(span(source, resource, scope) for _ in range(SPANS))
        for _ in range(REQUESTS)
    ]


def span(source: random.Random, resource: Resource, scope: Scope) -> Span:
    start = 1_790_000_000_000_000_000 + source.randrange(10**12)
    return Span(
        name=f"GET /{source.randrange(20)}",
        trace_id=source.randbytes(16),
        span_id=source.randbytes(8),
        parent_span_id=source.randbytes(8),
        kind=SpanKind.SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + source.randrange(10**9),
        attributes={
            "http.request.method": "GET",
            "http.route": f"/{source.randrange(20)}",
            "http.response.status_code": 200,
            "server.address": "shop.example",
            "user.id": source.randrange(10**9),
            "cloud.region": "eu-west-1",
        },
        resource=resource,
        scope=scope,
    )


async def serve(way: str, to: str) -> None:
    """Our gateway: tell the port on one line, then serve until the input ends."""
    from sluiceway import Pipeline, processor
    from sluiceway.samplers import ProbabilitySampler
    from sluiceway.sinks import OtlpSink
    from sluiceway.sources import OtlpSource

    @processor
    def change(event: Span) -> Span:
        event.attributes["gateway"] = "a"
        return event

    source = OtlpSource(port=0, decode=way == "decoded, changed")
    sink = OtlpSink(to)
    chains = {
        "as it is": source >> sink,
        "sampled": source >> ProbabilitySampler(SHARE) >> sink,
        "decoded, changed": source >> change >> sink,
    }
    async with Pipeline(chains[way]) as pipeline:
        print(source.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    assert pipeline.ledger().balanced
    assert pipeline.ledger().lost == 0


class Gateway:
    """A running gateway: where it listens, and whose CPU time counts."""

    def __init__(self, port: int, pid: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/traces"
        self.pid = pid

    def cpu(self) -> float:
        """Seconds of CPU that the process's threads have used."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        spent = [(thread / "schedstat").read_text().split()[0] for thread in threads]
        return sum(map(int, spent)) / 1e9


@contextmanager
def ours(way: str, to: str) -> Iterator[Gateway]:
    command = [sys.executable, "-m", "benchmarks.gateway", way, to]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield Gateway(int(process.stdout.readline()), process.pid)
        process.communicate()
        assert process.returncode == 0


@contextmanager
def rotel(folder: Path, to: str) -> Iterator[Gateway]:
    """The Rust collector with its own batching, sending without gzip as we do."""
    found = find_spec("rotel")
    assert found is not None, "rotel is not installed"
    assert found.origin is not None
    ports = {name: free_port() for name in ("grpc", "http")}
    command = [
        *(Path(found.origin).with_name("rotel-agent"), "start", "--exporter=otlp"),
        f"--pid-file={folder / 'pid'}",
        f"--otlp-grpc-endpoint=127.0.0.1:{ports['grpc']}",
        f"--otlp-http-endpoint=127.0.0.1:{ports['http']}",
        f"--otlp-exporter-endpoint={to}",
        *("--otlp-exporter-protocol=http", "--otlp-exporter-compression=none"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_port(ports["http"])
        yield Gateway(ports["http"], process.pid)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "rotel does not listen"
            time.sleep(0.05)


async def drive(
    gateway: Gateway, to: Receiver, requests: list[bytes]
) -> tuple[float, int]:
    """CPU microseconds that the gateway pays for a span, and how many have arrived."""
    begin = gateway.cpu()
    waiting = iter(requests)

    async def send(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(gateway.url, data=body, headers=HEADERS) as answer:
                assert answer.status == 200, answer.status

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(send(session))
    await asyncio.sleep(0.5)  # its last batch
    spent = (gateway.cpu() - begin) / (len(requests) * SPANS) * 1e6
    arrived = await asyncio.to_thread(to.count)
    return spent, arrived


def measure(rounds: int) -> dict[str, float]:
    """Median CPU microseconds per span of each gateway, from interleaved rounds."""
    requests = bodies()
    times: dict[str, list[float]] = {}
    with receiver() as to, TemporaryDirectory() as folder, ExitStack() as stack:
        gateways = {"rotel": stack.enter_context(rotel(Path(folder), to.url))}
        for way in WAYS:
            gateways[way] = stack.enter_context(ours(way, to.url))
        for measured in (False, *[True] * rounds):
            for name, gateway in gateways.items():
                spent, arrived = asyncio.run(drive(gateway, to, requests))
                check_arrived(name, arrived, len(requests) * SPANS)
                if measured:
                    times.setdefault(name, []).append(spent)
    return {name: statistics.median(found) for name, found in times.items()}


def check_arrived(name: str, arrived: int, sent: int) -> None:
    """All spans must have arrived, or the sampler's share of them."""
    if name == "sampled":
        assert abs(arrived / sent - SHARE) < 0.02, (arrived, sent)
    else:
        assert arrived == sent, (name, arrived, sent)


def figures(*, short: bool = False) -> list[Figure]:
    medians = measure(2 if short else 7)
    peer = medians.pop("rotel")
    return [
        cost(f"gateway, {way}, per span", spent, peer, unit="us CPU", times=WAYS[way])
        for way, spent in medians.items()
    ]


def main() -> None:
    if len(sys.argv) == 3:
        asyncio.run(serve(sys.argv[1], sys.argv[2]))
    else:
        print(table(figures()))


if __name__ == "__main__":
    main()
