"""Producers at twice what the sink takes, and a burst into a slow one.

For ten minutes (20 s in the short form) two pipelines are given twice as many events as
their sinks take: one queue sheds the oldest, the other makes the producer wait. Memory
has to be flat, no event may wait longer than the sink takes for what stands before it,
and the ledger has to know of every event. Latency is that of the oldest event of each
write.

The burst is 100,000 spans, made as fast as they can be, into a sink that takes 50 ms
per call, ours and the SDK's with their default queues and batches; what counts is how
many do not arrive. Run it with ``python -m benchmarks.overload [seconds]``.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from benchmarks.backlog_memory import resident
from benchmarks.report import Figure, bounded, table
from sluiceway import BatchBy, Inlet, Pipeline, Queue, Sink, sink
from sluiceway.instrument import Telemetry
from sluiceway.ledger import Ledger

LONG, SHORT = 600.0, 20.0  # seconds
POINTS = 10
TICK = 0.01  # seconds between two bursts of the producer
TAKEN = 20_000  # events a second that the sink takes
GIVEN = 2 * TAKEN
AT_ONCE = GIVEN // 10  # events that the producer makes in one go at most
CAPACITY = 8192
GROWTH = 4  # MiB
SLACK = 1.25  # of the latency's bound, for a machine that others use too
BURST = 100_000
CALL = 0.05  # seconds
OUR_BATCH = 2000  # OtlpSink's default
TURN = 1000


class Slow(Sink[tuple[float, int]]):
    """Takes so many events a second, and notes how old the oldest of each write is."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.ages: list[float] = []
        self.taken = 0

    async def write(self, events: list[tuple[float, int]]) -> None:
        await asyncio.sleep(len(events) / TAKEN)
        self.ages.append(time.perf_counter() - events[0][0])
        self.taken += len(events)


class Overloaded:
    """A pipeline that gets more than it can deliver.

    Args:
        when_full: what its sink's queue does.
        before: events that can stand before the one that comes in last.
    """

    def __init__(self, when_full: Any, before: int) -> None:
        self.when_full = when_full
        self.before = before
        self.inlet: Inlet[tuple[float, int]] = Inlet("events", capacity=CAPACITY)
        self.sink = Slow(Queue(capacity=CAPACITY, when_full=when_full))
        self.pipeline = Pipeline(self.inlet >> self.sink)
        self.emitted = 0
        self.ledger: Ledger | None = None
        self.rate = 0.0

    async def run(self, seconds: float) -> None:
        async with self.pipeline:
            begin = now = time.perf_counter()
            while now < begin + seconds:
                due = int((now - begin) * GIVEN)
                count = min(due - self.emitted, AT_ONCE)
                events = [(now, number) for number in range(count)]
                self.emitted += await self.inlet.emit_many(events)
                await asyncio.sleep(TICK)
                now = time.perf_counter()
            self.rate = self.sink.taken / (now - begin)
        self.ledger = self.pipeline.ledger()

    def figures(self) -> list[Figure]:
        assert self.ledger is not None
        astray = self.emitted - self.sink.taken - self.ledger.lost
        bound = self.before / self.rate
        p99 = statistics.quantiles(self.sink.ages, n=100)[98]
        title = f"overload, {self.when_full}"
        lost = self.ledger.lost / self.emitted * 100
        return [
            bounded(f"{title}, events that nobody knows of", astray, unit="", limit=0),
            bounded(
                f"{title}, p99 latency, of a full queue's",
                p99 / bound,
                unit="times",
                limit=SLACK,
            ),
            Figure(name=f"{title}, p99 latency", ours=p99 * 1e3, unit="ms"),
            Figure(name=f"{title}, delivered", ours=self.rate, unit="/s"),
            Figure(name=f"{title}, shed and booked", ours=lost, unit="%"),
        ]


async def watch_memory(seconds: float) -> float:
    """MiB by which memory grew after the first tenth."""
    points = []
    for _ in range(POINTS):
        await asyncio.sleep(seconds / (POINTS + 1))
        points.append(resident())
    return max(points) - points[0]


async def overload(seconds: float) -> list[Figure]:
    # what stands before an event: the queue, and where the producer waits the inlet
    # too and what it is about to hand over
    sheds = Overloaded("drop_oldest", CAPACITY)
    waits = Overloaded("block", 2 * CAPACITY + AT_ONCE)
    grown, *_ = await asyncio.gather(
        watch_memory(seconds), sheds.run(seconds), waits.run(seconds)
    )
    assert sheds.ledger is not None
    assert waits.ledger is not None
    assert sheds.ledger.balanced, sheds.ledger
    assert waits.ledger.balanced, waits.ledger
    assert waits.ledger.lost == 0, waits.ledger
    name = f"overload, memory's growth in {seconds:g} s"
    return [
        bounded(name, grown, unit="MiB", limit=GROWTH),
        *sheds.figures(),
        *waits.figures(),
    ]


async def make_burst(span: Callable[..., Any]) -> None:
    for start in range(0, BURST, TURN):
        for number in range(start, start + TURN):
            with span("checkout", attributes={"cart.items": number}):
                pass
        await asyncio.sleep(0)


async def our_burst() -> int:
    """How many spans did not arrive."""
    arrived = 0

    @sink(batch=BatchBy(max_events=OUR_BATCH, flush_interval=0.2))
    async def slow(spans):
        nonlocal arrived
        await asyncio.sleep(CALL)
        arrived += len(spans)

    telemetry = Telemetry("bench")
    async with Pipeline(telemetry.spans >> slow) as pipeline:
        await make_burst(telemetry.tracer("bench").span)
        await pipeline.flush()
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert arrived + ledger.lost == BURST, ledger
    return BURST - arrived


class SlowExporter(SpanExporter):
    arrived = 0

    def export(self, spans) -> SpanExportResult:
        time.sleep(CALL)
        self.arrived += len(spans)
        return SpanExportResult.SUCCESS


async def burst_of_sdk() -> int:
    """How many spans did not arrive."""
    provider, exporter = TracerProvider(shutdown_on_exit=False), SlowExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    await make_burst(provider.get_tracer("bench").start_as_current_span)
    assert await asyncio.to_thread(provider.force_flush, 120_000)
    provider.shutdown()
    return BURST - exporter.arrived


async def bursts() -> Figure:
    ours, peer = await our_burst(), await burst_of_sdk()
    name = f"burst of {BURST:,} spans, lost"
    return bounded(name, ours, unit="spans", limit=0, peer=peer)


def measure(seconds: float) -> list[Figure]:
    return [*asyncio.run(overload(seconds)), asyncio.run(bursts())]


def figures(*, short: bool = False) -> list[Figure]:
    return measure(SHORT if short else LONG)


def main() -> None:
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else LONG)))


if __name__ == "__main__":
    main()
