"""What the benchmarks of exports share: rounds against the SDK, each event counted.

Both sides make their events in the same event loop, as an application would, and send
them to the same receiver in another process; what counts is the CPU time of this one,
threads included, until the last event has been answered for. What arrives is counted on
both sides, and must be all. Rounds are interleaved.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from opentelemetry.exporter.otlp.proto.http import Compression

from benchmarks.receiver import Receiver
from benchmarks.report import Figure, cost

TURN = 100  # events that are made between two awaits of the application
UNIT = "us CPU"

Attributes = Callable[[int], dict[str, Any]]
Flush = Callable[[], Awaitable[Any]]
Make = Callable[[int, Attributes], None]
Medians = dict[str, float]


class Side(NamedTuple):
    """One contestant: makes one event with its attributes, and sees all of them off."""

    make: Make
    flush: Flush


def repeating(number: int) -> dict[str, Any]:  # noqa: ARG001 - as distinct
    return {"cart.items": 3, "shop.region": "eu"}


class Distinct:
    """Attributes that were never seen before, in any round."""

    def __init__(self) -> None:
        self.first = random.randrange(2**40)

    def __call__(self, number: int) -> dict[str, Any]:
        self.first += 1
        return {"cart.id": self.first, "customer": f"customer {self.first} {number}"}


def workloads() -> Iterator[tuple[str, Attributes, bool]]:
    """Words, attributes and whether to pack, for each way to measure an export."""
    for words, attributes in (("repeating", repeating), ("distinct", Distinct())):
        for packed in (False, True):
            title = f"2 {words} attributes{', gzip' if packed else ''}"
            yield title, attributes, packed


def compression(*, packed: bool) -> Compression:
    """The SDK's word for it."""
    return Compression.Gzip if packed else Compression.NoCompression


async def spend(side: Side, attributes: Attributes, events: int) -> float:
    """CPU microseconds per event of this process, until the last one is answered."""
    begin = time.process_time()
    for start in range(0, events, TURN):
        for number in range(start, start + TURN):
            side.make(number, attributes)
        await asyncio.sleep(0)
    await side.flush()
    return (time.process_time() - begin) / events * 1e6


async def compare(
    sides: dict[str, Side],
    attributes: Attributes,
    rounds: int,
    *,
    events: int,
    arrived: Callable[[], int],
) -> Medians:
    """Median CPU microseconds per event of each side, a warm round left out."""
    used: dict[str, list[float]] = {name: [] for name in sides}
    await asyncio.to_thread(arrived)  # forget what others have sent at their end
    for counts in (False, *[True] * rounds):
        for name, side in sides.items():
            spent = await spend(side, attributes, events)
            found = await asyncio.to_thread(arrived)
            assert found == events, (name, found)
            if counts:
                used[name].append(spent)
    return {name: statistics.median(times) for name, times in used.items()}


def flush_of(provider: Any) -> Flush:
    """Let the SDK's own thread work while the loop waits, as in an application."""

    async def flush() -> None:
        assert await asyncio.to_thread(provider.force_flush, 60_000)

    return flush


def beside(title: str, medians: Medians, *, times: float | None = None) -> Figure:
    """Ours beside the cheapest of the SDK's."""
    ours = medians.pop("sluiceway")
    return cost(title, ours, min(medians.values()), unit=UNIT, times=times)


def counter_of(to: Receiver, signal: str) -> Callable[[], int]:
    return lambda: to.count(signal)
