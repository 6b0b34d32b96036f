"""Source, processor, sampler, sink: sluiceway against one asyncio.Queue per hop.

Settles DESIGN's first finding (batches move, not events). Both sides call the same two
functions per event in the same run, interleaved; the figure is the ratio of medians.
Run it with ``python -m benchmarks.engine_chain``.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from benchmarks.report import Figure, cost
from sluiceway import Pipeline, Source, processor, sampler, sink

EVENTS = 500_000
BATCH = 100
ROUNDS = 5
PEER = "asyncio.Queue per hop"
AIM = 10  # times, at batch 100


def increment(event: int) -> int:
    return event + 1


def is_odd(event: int) -> bool:
    return event % 2 == 1


class Numbers(Source[int]):
    wants_delivery = True

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.outcomes = 0

    async def run(self, send) -> None:
        batch = self.batch
        for start in range(0, EVENTS, batch):
            delivery = await send(range(start, start + batch))
            delivery.add_callback(self.count)

    def count(self, outcome) -> None:
        self.outcomes += outcome.delivered


async def ours(batch: int) -> float:
    taken = 0

    @sink
    async def count(events):
        nonlocal taken
        taken += len(events)

    numbers = Numbers(batch)
    pipeline = Pipeline(numbers >> processor(increment) >> sampler(is_odd) >> count)
    started = time.process_time()
    await pipeline.run()
    elapsed = time.process_time() - started
    assert taken == EVENTS // 2
    assert numbers.outcomes == EVENTS
    assert pipeline.ledger().balanced
    return elapsed


async def produce(out: asyncio.Queue) -> None:
    for event in range(EVENTS):
        await out.put(event)
    await out.put(None)


async def process(inbox: asyncio.Queue, out: asyncio.Queue) -> None:
    while (event := await inbox.get()) is not None:
        await out.put(increment(event))
    await out.put(None)


async def sample(inbox: asyncio.Queue, out: asyncio.Queue) -> None:
    while (event := await inbox.get()) is not None:
        if is_odd(event):
            await out.put(event)
    await out.put(None)


async def consume(inbox: asyncio.Queue) -> int:
    taken = 0
    while await inbox.get() is not None:
        taken += 1
    return taken


async def one_queue_per_hop() -> float:
    first, second, third = (asyncio.Queue(1024) for _ in range(3))
    started = time.process_time()
    async with asyncio.TaskGroup() as group:
        group.create_task(produce(first))
        group.create_task(process(first, second))
        group.create_task(sample(second, third))
        consumer = group.create_task(consume(third))
    assert consumer.result() == EVENTS // 2
    return time.process_time() - started


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each side, from interleaved rounds."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for batch in (1, 10, 100, 1000):
            name = f"sluiceway, batch {batch}"
            times.setdefault(name, []).append(asyncio.run(ours(batch)))
        times.setdefault(PEER, []).append(asyncio.run(one_queue_per_hop()))
    return {name: statistics.median(values) for name, values in times.items()}


def figures(*, short: bool = False) -> list[Figure]:
    medians = measure(2 if short else ROUNDS)
    peer = medians.pop(PEER) / EVENTS * 1e9
    return [
        cost(
            f"engine chain, {name.removeprefix('sluiceway, ')}, per event",
            seconds / EVENTS * 1e9,
            peer,
            unit="ns CPU",
            times=AIM if name == "sluiceway, batch 100" else None,
        )
        for name, seconds in medians.items()
    ]


def main() -> None:
    medians = measure()
    peer = medians[PEER]
    for name, seconds in medians.items():
        rate = EVENTS / seconds / 1e6
        print(
            f"{name:24} {seconds / EVENTS * 1e9:7.0f} ns/event {rate:6.2f} M/s "
            f"{peer / seconds:6.1f}x"
        )


if __name__ == "__main__":
    main()
