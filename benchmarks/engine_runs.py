"""What the benchmarks of the engine share: a source of numbers, a chain, medians.

Time is CPU time of the whole process, threads included, so that another process on the
machine does not count.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sluiceway import Pipeline, Queue, Source, processor, sampler, sink

UNIT = "ns CPU"


def increment(event: int) -> int:
    return event + 1


def is_odd(event: int) -> bool:
    return event % 2 == 1


class Numbers(Source[int]):
    """The first so many numbers, in batches, each with a delivery that is counted."""

    wants_delivery = True

    def __init__(self, events: int, batch: int) -> None:
        self.events = events
        self.batch = batch
        self.outcomes = 0

    async def run(self, send) -> None:
        batch = self.batch
        for start in range(0, self.events, batch):
            numbers = range(start, min(start + batch, self.events))
            delivery = await send(numbers)
            delivery.add_callback(self.count)

    def count(self, outcome) -> None:
        self.outcomes += outcome.delivered


class Taken:
    """How many events have come out at the end."""

    def __init__(self) -> None:
        self.events = 0

    def sink(self) -> Any:
        @sink
        async def count(events):
            self.events += len(events)

        return count


async def run(graph: Any, numbers: Numbers, *, copies: int = 1) -> float:
    """CPU seconds of a pipeline that must deliver every event so many times."""
    pipeline = Pipeline(graph)
    started = time.process_time()
    await pipeline.run()
    elapsed = time.process_time() - started
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    assert numbers.outcomes == numbers.events * copies
    return elapsed


def map_and_filter(events: int, batch: int) -> float:
    """CPU seconds of a processor and a sampler that keeps every other event."""
    taken, numbers = Taken(), Numbers(events, batch)
    graph = numbers >> processor(increment) >> sampler(is_odd) >> taken.sink()
    elapsed = asyncio.run(run(graph, numbers))
    assert taken.events == events // 2
    return elapsed


def row_of_processors(events: int, batch: int, stages: int, *, fused: bool) -> float:
    """CPU seconds of so many processors, with a queue before each unless fused."""
    taken, numbers = Taken(), Numbers(events, batch)
    settings = {} if fused else {"queue": Queue(capacity=4 * max(batch, 1024))}
    graph: Any = numbers
    for _ in range(stages):
        graph = graph >> processor(**settings)(increment)
    elapsed = asyncio.run(run(graph >> taken.sink(), numbers))
    assert taken.events == events
    return elapsed


class Form(NamedTuple):
    """One way in which a peer can do the same work.

    Attributes:
        name: begins with "events" or "lists", which the peer moves.
        events: how many it is given; fewer where each costs microseconds.
        run: takes the number of events and the batch; gives CPU seconds.
    """

    name: str
    events: int
    run: Callable[[int, int], float]


Contestants = Mapping[str, tuple[int, Callable[[], float]]]


def medians(contestants: Contestants, rounds: int) -> dict[str, float]:
    """Median nanoseconds per event of each, from interleaved rounds after a warm one.

    Args:
        contestants: by name, the number of events and what gives the seconds for them.
        rounds: how many count.
    """
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for warm in (False, *[True] * rounds):
        for name, (events, contestant) in contestants.items():
            gc.collect()
            seconds = contestant()
            if warm:
                spent[name].append(seconds / events * 1e9)
    return {name: statistics.median(values) for name, values in spent.items()}


def show(rows: Iterable[tuple[str, float]]) -> None:
    """Print ns per event and events per second."""
    for name, cost in rows:
        print(f"{name:44} {cost:8.0f} ns/event {1e3 / cost:8.3f} M/s")
