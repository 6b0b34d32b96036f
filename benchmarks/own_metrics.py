"""What it costs a pipeline to tell of itself: the engine's chain with and without it.

Both sides run the chain of ``engine_chain`` at 100 events a batch, measured as always;
one of them also has a ``PipelineMetricsSource`` that sends its points through the
chain's own sink twice a second, 120 times as often as it does by default. "One
look" is what one such look costs, from the statistics to the points. Rounds are
interleaved and the figure is the ratio of the medians: the aim is at most 2 %. What the
measuring itself costs can only be seen beside the engine without it, see
``RESULTS.md``. Run it with ``python -m benchmarks.own_metrics [rounds]``.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from benchmarks.engine_chain import increment, is_odd
from benchmarks.report import Figure, bounded
from sluiceway import Pipeline, Source, processor, sampler, sink
from sluiceway.events import NO_RESOURCE
from sluiceway.formats.pipeline_metrics import Teller
from sluiceway.sources import PipelineMetricsSource

BATCH = 100
SECONDS = 1.2  # of each run, so that it tells of itself three times
INTERVAL = 0.5
ROUNDS = 20
LIMIT = 2.0  # per cent
LOOKS = 200


class Numbers(Source[int]):
    """Sends batch after batch for a while."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()

    async def run(self, send):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for _ in range(100):
                await send(range(self.sent, self.sent + BATCH))
                self.sent += BATCH
        self.ended.set()


def chain(*, tells: bool) -> tuple[Pipeline, Numbers]:
    numbers = Numbers()

    @sink
    async def discard(events):
        pass

    row = processor(increment) >> sampler(is_odd)
    chains = [numbers >> row >> discard]
    if tells:
        chains.append(PipelineMetricsSource(INTERVAL) >> discard)
    return Pipeline(*chains), numbers


async def per_event(*, tells: bool) -> float:
    """Nanoseconds of CPU time for each event."""
    pipeline, numbers = chain(tells=tells)
    started = time.process_time()
    async with pipeline:
        await numbers.ended.wait()
    elapsed = time.process_time() - started
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return elapsed / numbers.sent * 1e9


def one_look() -> float:
    """Microseconds of one look at the four stages of a chain that has been at work."""
    pipeline, _ = chain(tells=False)
    asyncio.run(pipeline.run())
    teller = Teller(NO_RESOURCE)
    began = time.perf_counter()
    for now in range(LOOKS):
        teller.points("pipeline", 0, now, pipeline.statistics())
    return (time.perf_counter() - began) / LOOKS * 1e6


def measure(rounds: int) -> tuple[float, float, float]:
    """Medians: nanoseconds per event without and with it, and by how many per cent."""
    without, with_it = [], []
    for number in range(rounds):
        for tells in (False, True) if number % 2 else (True, False):
            figure = asyncio.run(per_event(tells=tells))
            (with_it if tells else without).append(figure)
    less, more = statistics.median(without), statistics.median(with_it)
    return less, more, (more / less - 1) * 100


def figures(*, short: bool = False) -> list[Figure]:
    *_, more = measure(6 if short else ROUNDS)
    name = "own metrics twice a second, of the CPU"
    return [
        bounded(name, more, unit="%", limit=LIMIT),
        Figure(name="own metrics, one look at 4 stages", ours=one_look(), unit="us"),
    ]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    without, with_it, more = measure(rounds)
    print(f"without {without:6.1f} ns/event, with {with_it:6.1f}: {more:+.2f} %")
    print(f"one look at 4 stages: {one_look():.0f} us")


if __name__ == "__main__":
    main()
