"""The largest gap of a heartbeat in the loop that the pipeline shares.

A task wakes every millisecond and notes how late it is: while a sink stalls and its
queue sheds, and while large bodies are encoded, packed with gzip and sent. Garbage
collection is on. The peer is the same loop with nothing else in it: on a machine that
others use too, the heartbeat is late by itself. The figure is the median of the largest
gaps of several runs. Run it with ``python -m benchmarks.heartbeat``.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from logging import CRITICAL, getLogger

from benchmarks.receiver import receiver
from benchmarks.report import Figure, bounded, table
from sluiceway import BatchBy, Pipeline, Queue, source
from sluiceway.events import Resource, Scope, Span
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink

BEAT = 0.001  # seconds
LIMIT = 50  # milliseconds
LARGE = 20_000  # spans of one request, about 7 MB
BODIES = 4
RESOURCE = Resource({"service.name": "bench"})
SCOPE = Scope("bench")

Work = Callable[[], Awaitable[None]]


async def beat(gaps: list[float]) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(BEAT)
        now = time.perf_counter()
        gaps.append((now - last - BEAT) * 1e3)
        last = now


async def largest_gap(work: Work) -> float:
    """Milliseconds that the heartbeat was late at most while the work was done."""
    gaps: list[float] = []
    gc.collect()
    heart = asyncio.create_task(beat(gaps))
    await work()
    await asyncio.sleep(2 * BEAT)  # so that a gap at the end is seen too
    heart.cancel()
    return max(gaps)


async def nothing() -> None:
    await asyncio.sleep(1.0)


@asynccontextmanager
async def stalled_server() -> AsyncIterator[str]:
    """The address of a server that takes connections and never answers."""
    released = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await released.wait()
        writer.close()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        released.set()


async def stalled_sink() -> float:
    """A second of an application that goes on although nothing is taken from it."""
    async with stalled_server() as url:
        telemetry = Telemetry("bench")
        sink = OtlpSink(url, queue=Queue(capacity=8192, when_full="drop_oldest"))
        pipeline = Pipeline(telemetry.spans >> sink, drain_timeout=0.1)
        span = telemetry.tracer("bench").span

        async def work() -> None:
            end = time.perf_counter() + 1.0
            while time.perf_counter() < end:
                for number in range(100):
                    with span("checkout", attributes={"cart.items": number}):
                        pass
                await asyncio.sleep(BEAT)

        async with pipeline:
            found = await largest_gap(work)
    assert pipeline.ledger().lost > 0, "the sink did not stall"
    return found


def large_body(first: int) -> list[Span]:
    return [
        Span(
            name="GET /cart",
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            attributes={f"key {at}": f"value {number} {at}" for at in range(10)},
            resource=RESOURCE,
            scope=SCOPE,
        )
        for number in range(first, first + LARGE)
    ]


async def large_bodies(url: str) -> float:
    """Large requests with gzip, one after the other."""
    bodies = [large_body(1 + at * LARGE) for at in range(BODIES)]

    @source
    async def spans():
        for body in bodies:
            for start in range(0, LARGE, 1000):
                yield body[start : start + 1000]

    sink = OtlpSink(
        url,
        compression="gzip",
        queue=Queue(capacity=2 * LARGE),
        batch=BatchBy(max_events=LARGE, flush_interval=10),
    )
    pipeline = Pipeline(spans >> sink)
    found = await largest_gap(pipeline.run)
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return found


def figures(*, short: bool = False) -> list[Figure]:
    getLogger("sluiceway").setLevel(CRITICAL)  # a stalled sink is told of
    runs = 3 if short else 7
    idle, stalled, large = [], [], []
    with receiver() as to:
        for _ in range(runs):
            idle.append(asyncio.run(largest_gap(nothing)))
            stalled.append(asyncio.run(stalled_sink()))
            large.append(asyncio.run(large_bodies(to.url)))
            assert to.count() == LARGE * BODIES
    alone = statistics.median(idle)
    return [
        bounded(
            f"heartbeat's largest gap, {words}",
            statistics.median(gaps),
            unit="ms",
            limit=LIMIT,
            peer=alone,
        )
        for words, gaps in (("sink stalls", stalled), ("large bodies", large))
    ]


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
