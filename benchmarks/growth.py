"""What grows with what: queue length, metric series, attributes, pipelines.

Time is CPU time per event, point or pipeline; memory is what Python has allocated
(``tracemalloc``, in a pass of its own that no time is taken of), less the events
themselves. Peers are measured in the same rounds where there are any. What should stay
flat has an aim: the largest may cost at most so many times the smallest. Run it with
``python -m benchmarks.growth``.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, Counter

from benchmarks.report import Figure, Spot, bounded, table
from benchmarks.span_cost import Discard, discard
from sluiceway import Inlet, Pipeline, Queue, sink
from sluiceway.instrument import Telemetry

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
SERIES = (1_000, 10_000, 100_000)
ATTRIBUTES = (0, 2, 8, 32, 128)
PIPELINES = (1, 10, 100, 1000)
SPANS = 500
MEASUREMENTS = 20_000
TIMES = 2  # what should be flat may cost at the largest
IDLE_SHARE = 1  # per cent of a core


class Cost:
    """Medians of what was measured several times, by name."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self._values[name])


@contextmanager
def allocated(found: list[float]) -> Iterator[None]:
    """The bytes that the block has allocated and kept."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        gc.collect()
        found.append(float(tracemalloc.get_traced_memory()[0]))
    finally:
        tracemalloc.stop()


def cpu_of(work: Callable[[], object]) -> float:
    gc.collect()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def flat(name: str, smallest: float, largest: float) -> Figure:
    """How many times as dear the largest is, which should not be many."""
    return bounded(name, largest / smallest, unit="times", limit=TIMES)


def row(
    name: str, ours: float, unit: str, spot: Spot | None, peer: float | None
) -> Figure:
    ratio = peer / ours if peer is not None and ours > 0 else None
    return Figure(name=name, ours=ours, unit=unit, peer=peer, ratio=ratio, spot=spot)


async def fill_and_drain(length: int, held: list[float] | None = None) -> float:
    """CPU seconds to fill a queue before anybody takes from it, and to empty it."""
    opened, taken = asyncio.Event(), 0

    @sink(queue=Queue(capacity=length))
    async def gate(events):
        nonlocal taken
        await opened.wait()
        taken += len(events)

    inlet: Inlet[int] = Inlet("numbers", capacity=length)
    numbers = list(range(length))
    async with Pipeline(inlet >> gate) as pipeline:
        begin = time.process_time()
        for start in range(0, length, 100):
            await inlet.emit_many(numbers[start : start + 100])
            await asyncio.sleep(0)
        if held is not None:
            held.append(float(tracemalloc.get_traced_memory()[0]))
        opened.set()
        await pipeline.flush()
        elapsed = time.process_time() - begin
    assert taken == length
    return elapsed


def of_queues(rounds: int) -> list[Figure]:
    cost, figures = Cost(), []
    for _ in range(rounds):
        for length in LENGTHS:
            cost.add(str(length), asyncio.run(fill_and_drain(length)) / length * 1e9)
    for length in LENGTHS:
        spot = Spot("growth-queue", length)
        name = f"queue of {length:,} filled and emptied, an event"
        figures.append(row(name, cost[str(length)], "ns CPU", spot, None))
    smallest, largest = cost[str(LENGTHS[1])], cost[str(LENGTHS[-1])]
    held: list[float] = []
    length = LENGTHS[-2]
    with allocated([]):
        asyncio.run(fill_and_drain(length, held))
    per_event = (held[0] - 40 * length) / length  # the numbers and the list of them
    return [
        *figures,
        flat("queue of 1,000,000 against 10,000, an event", smallest, largest),
        Figure(name="memory of a queued event, beside it", ours=per_event, unit="B"),
    ]


class OurSeries:
    """A counter with so many series."""

    def __init__(self, count: int) -> None:
        self.telemetry = Telemetry("bench", series_limit=count + 1)
        self.counter = self.telemetry.meter("bench").counter("shop.orders")
        self.add(range(count))

    def add(self, numbers: range) -> None:
        counter = self.counter
        for number in numbers:
            counter.add(1, {"shelf": number})

    def collect(self) -> int:
        return len(self.telemetry.collect())


class TheirSeries:
    """The same of prometheus_client."""

    def __init__(self, count: int) -> None:
        self.registry = CollectorRegistry()
        self.counter = Counter("orders", "Orders", ["shelf"], registry=self.registry)
        self.add(range(count))

    def add(self, numbers: range) -> None:
        counter = self.counter
        for number in numbers:
            counter.labels(number).inc()

    def collect(self) -> int:
        return sum(len(metric.samples) for metric in self.registry.collect())


def of_series(rounds: int) -> list[Figure]:
    figures, adding = [], Cost()
    for count in SERIES:
        cost = Cost()
        some = range(0, count, max(1, count // MEASUREMENTS))
        sides = {"ours": OurSeries(count), "peer": TheirSeries(count)}
        for _ in range(rounds):
            for name, series in sides.items():
                spent = cpu_of(lambda series=series, some=some: series.add(some))
                cost.add(f"{name} add", spent / len(some) * 1e9)
                cost.add(f"{name} collect", cpu_of(series.collect) / count * 1e6)
        adding.add(str(count), cost["ours add"])
        for what, unit in (("add", "ns CPU"), ("collect", "us CPU")):
            spot = Spot(f"growth-series-{what}", count, peer="prometheus_client")
            title = f"{what} at {count:,} series, each"
            ours, peer = cost[f"ours {what}"], cost[f"peer {what}"]
            figures.append(row(title, ours, unit, spot, peer))
    ours, peer = memory_of_series()
    return [
        *figures,
        flat(
            "add at 100,000 series against 1,000",
            adding[str(SERIES[0])],
            adding[str(SERIES[-1])],
        ),
        row(f"memory of a series, of {SERIES[1]:,}", ours, "B", None, peer),
    ]


def memory_of_series() -> tuple[float, float]:
    """Bytes for each series, ours and the peer's."""
    count, found = SERIES[1], []
    kept = []
    for make in (OurSeries, TheirSeries):
        with allocated(found):
            kept.append(make(count))
    ours, peer = found
    return ours / count, peer / count


def make_spans(span: Callable, attributes: dict[str, str]) -> None:
    for _ in range(SPANS):
        with span("checkout", attributes=attributes):
            pass


async def of_attributes(rounds: int) -> list[Figure]:
    cost, figures = Cost(), []
    telemetry = Telemetry("bench")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), max_queue_size=2 * SPANS))
    theirs = provider.get_tracer("bench").start_as_current_span
    async with Pipeline(telemetry.spans >> discard) as pipeline:
        mine = telemetry.tracer("bench").span
        for _ in range(rounds):
            for count in ATTRIBUTES:
                attributes = {f"key {at}": f"value {at}" for at in range(count)}
                begin = time.process_time()
                make_spans(mine, attributes)
                await pipeline.flush()
                middle = time.process_time()
                make_spans(theirs, attributes)
                provider.force_flush()
                end = time.process_time()
                cost.add(f"ours {count}", (middle - begin) / SPANS * 1e9)
                cost.add(f"peer {count}", (end - middle) / SPANS * 1e9)
    provider.shutdown()
    for count in ATTRIBUTES:
        spot = Spot("growth-attributes", count, peer="SDK")
        title = f"span with {count} attributes, CPU, flushed"
        ours, peer = cost[f"ours {count}"], cost[f"peer {count}"]
        figures.append(row(title, ours, "ns CPU", spot, peer))
    return [*figures, memory_of_spans()]


def memory_of_spans() -> Figure:
    """Bytes for a finished span of 8 attributes that waits for a pipeline."""
    telemetry, found = Telemetry("bench"), []
    span = telemetry.tracer("bench").span
    with allocated(found):
        for number in range(SPANS):
            attributes = {f"key {at}": number for at in range(8)}
            with span("checkout", attributes=attributes):
                pass
    telemetry.spans.discard()
    return Figure(
        name="memory of a waiting span, 8 attributes", ours=found[0] / SPANS, unit="B"
    )


async def run_pipelines(count: int) -> None:
    """Start so many, send an event through each, and stop them."""
    inlets: list[Inlet[int]] = [Inlet(f"numbers {at}") for at in range(count)]
    pipelines = [Pipeline(inlet >> sink(len)) for inlet in inlets]
    for pipeline in pipelines:
        await pipeline.start()
    for inlet in inlets:
        assert await inlet.emit(1)
    for pipeline in pipelines:
        await pipeline.stop()
        assert pipeline.ledger().delivered == 1, pipeline.ledger()


async def idle_pipelines(count: int, found: list[float]) -> float:
    """CPU seconds of an idle second; what they hold goes to ``found``."""
    pipelines = []
    with allocated(found):
        for at in range(count):
            pipelines.append(Pipeline(Inlet[int](f"numbers {at}") >> sink(len)))
            await pipelines[-1].start()
    begin = time.process_time()
    await asyncio.sleep(1)
    elapsed = time.process_time() - begin
    for pipeline in pipelines:
        await pipeline.stop()
    return elapsed


def of_pipelines(rounds: int) -> list[Figure]:
    cost, figures = Cost(), []
    for _ in range(rounds):
        for count in PIPELINES:
            spent = cpu_of(lambda count=count: asyncio.run(run_pipelines(count)))
            cost.add(str(count), spent / count * 1e6)
    for count in PIPELINES:
        title = f"{count} pipelines started, used, stopped, each"
        spot = Spot("growth-pipelines", count)
        figures.append(row(title, cost[str(count)], "us CPU", spot, None))
    held: list[float] = []
    count = PIPELINES[-1]
    idle = asyncio.run(idle_pipelines(count, held))
    smallest, largest = cost[str(PIPELINES[1])], cost[str(count)]
    return [
        *figures,
        flat("1,000 pipelines against 10, each", smallest, largest),
        Figure(name="memory of a pipeline", ours=held[0] / count / 1024, unit="KiB"),
        bounded(
            "1,000 idle pipelines, of a core", idle * 100, unit="%", limit=IDLE_SHARE
        ),
    ]


def figures(*, short: bool = False) -> list[Figure]:
    rounds = 3 if short else 9
    return [
        *of_queues(rounds),
        *of_series(rounds),
        *asyncio.run(of_attributes(3 * rounds)),
        *of_pipelines(rounds),
    ]


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
