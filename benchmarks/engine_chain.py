"""Source, processor, sampler, sink: sluiceway against a queue or stream per hop.

Settles DESIGN's first finding (batches move, not events). Both sides call the same two
functions per event in the same run, interleaved; the figure is the ratio of medians.
The peers move one event at a time, as programs with queues do: over ``asyncio.Queue``
and over anyio's memory object streams. Our source learns what became of each event;
so it does with acknowledged queues, which count their tasks and are joined, and with
the other peers it does not. Run it with
``python -m benchmarks.engine_chain``.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import anyio

from benchmarks.engine_runs import (
    UNIT,
    increment,
    is_odd,
    map_and_filter,
    medians,
    show,
)
from benchmarks.report import Figure, Spot, cost

BATCHES = (1, 4, 10, 16, 64, 100, 256, 1000, 1024, 4096)
EVENTS = 200_000
FEW = 20_000  # where an event costs microseconds
ROUNDS = 7
ROOM = 1024  # events that a queue of the peers holds
QUEUES, STREAMS = "asyncio.Queue per hop", "anyio stream per hop"
ACKNOWLEDGED = "asyncio.Queue per hop, acknowledged"
BARE = "no engine, lists of 1000"
AIM = 10  # times, at batch 100


def bare_lists(events: int, batch: int) -> float:
    """What no engine can go below: the two functions in list comprehensions."""
    started = time.process_time()
    taken = 0
    for start in range(0, events, batch):
        changed = [increment(event) for event in range(start, start + batch)]
        taken += len([event for event in changed if is_odd(event)])
    assert taken == events // 2
    return time.process_time() - started


async def produce(out: asyncio.Queue, events: int) -> None:
    for event in range(events):
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


async def queue_per_hop(events: int) -> float:
    first, second, third = (asyncio.Queue(ROOM) for _ in range(3))
    started = time.process_time()
    async with asyncio.TaskGroup() as group:
        group.create_task(produce(first, events))
        group.create_task(process(first, second))
        group.create_task(sample(second, third))
        consumer = group.create_task(consume(third))
    assert consumer.result() == events // 2
    return time.process_time() - started


async def process_and_tell(inbox: asyncio.Queue, out: asyncio.Queue) -> None:
    while True:
        await out.put(increment(await inbox.get()))
        inbox.task_done()


async def sample_and_tell(inbox: asyncio.Queue, out: asyncio.Queue) -> None:
    while True:
        event = await inbox.get()
        if is_odd(event):
            await out.put(event)
        inbox.task_done()


async def acknowledged_queue_per_hop(events: int) -> float:
    queues = first, second, third = [asyncio.Queue(ROOM) for _ in range(3)]
    taken = 0

    async def consume_and_tell() -> None:
        nonlocal taken
        while True:
            await third.get()
            taken += 1
            third.task_done()

    started = time.process_time()
    works = process_and_tell(first, second), sample_and_tell(second, third)
    tasks = [asyncio.create_task(work) for work in (*works, consume_and_tell())]
    for event in range(events):
        await first.put(event)
    for queue in queues:
        await queue.join()
    for task in tasks:
        task.cancel()
    assert taken == events // 2
    return time.process_time() - started


async def stream_per_hop(events: int) -> float:
    streams = [anyio.create_memory_object_stream[int](ROOM) for _ in range(3)]
    (to_first, first), (to_second, second), (to_third, third) = streams
    taken = 0

    async def make() -> None:
        async with to_first:
            for event in range(events):
                await to_first.send(event)

    async def change() -> None:
        async with first, to_second:
            async for event in first:
                await to_second.send(increment(event))

    async def keep() -> None:
        async with second, to_third:
            async for event in second:
                if is_odd(event):
                    await to_third.send(event)

    started = time.process_time()
    async with anyio.create_task_group() as group:
        for task in (make, change, keep):
            group.start_soon(task)
        async with third:
            async for _ in third:
                taken += 1
    assert taken == events // 2
    return time.process_time() - started


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Median nanoseconds per event of each side."""
    contestants = {
        QUEUES: (EVENTS, lambda: asyncio.run(queue_per_hop(EVENTS))),
        ACKNOWLEDGED: (EVENTS, lambda: asyncio.run(acknowledged_queue_per_hop(EVENTS))),
        BARE: (EVENTS, partial(bare_lists, EVENTS, 1000)),
        STREAMS: (FEW, lambda: asyncio.run(stream_per_hop(FEW))),
    }
    for batch in BATCHES:
        events = FEW if batch < 10 else EVENTS
        contestants[name_of(batch)] = (events, partial(map_and_filter, events, batch))
    return medians(contestants, rounds)


def name_of(batch: int) -> str:
    return f"sluiceway, batch {batch}"


def figures(*, short: bool = False) -> list[Figure]:
    found = measure(3 if short else ROUNDS)
    per_batch = [
        cost(
            f"engine chain, batch {batch}, asyncio.Queue",
            found[name_of(batch)],
            found[QUEUES],
            unit=UNIT,
            times=AIM if batch == 100 else None,
            spot=Spot("engine-batch", batch, peer=QUEUES),
        )
        for batch in BATCHES
    ]
    return [
        *per_batch,
        cost(
            "engine chain, batch 100, asyncio.Queue acknowledged",
            found[name_of(100)],
            found[ACKNOWLEDGED],
            unit=UNIT,
            times=AIM,
            spot=Spot("engine-batch", 100, peer=ACKNOWLEDGED),
        ),
        cost(
            "engine chain, batch 1000, no engine",
            found[name_of(1000)],
            found[BARE],
            unit=UNIT,
            spot=Spot("engine-batch", 1000, peer=BARE),
        ),
        cost(
            "engine chain, batch 100, anyio streams",
            found[name_of(100)],
            found[STREAMS],
            unit=UNIT,
            spot=Spot("engine-batch", 100, peer=STREAMS),
        ),
    ]


def main() -> None:
    show(measure().items())


if __name__ == "__main__":
    main()
