"""What stages, queues between them, branches and workers cost an event.

Stages are processors that add one, fused into one worker or with a queue before each;
the peer is the same row with an ``asyncio.Queue`` per hop. Branches are sinks behind a
fan-out, the peer's a queue for each. Workers wait a millisecond for each batch, as for
an enrichment over the net; there the figure is wall time, and the peer is one worker.
All at batch 100, interleaved. Run it with ``python -m benchmarks.engine_shape``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from benchmarks.engine_runs import (
    UNIT,
    Numbers,
    Taken,
    increment,
    medians,
    row_of_processors,
    run,
    show,
)
from benchmarks.report import Figure, Spot, cost
from sluiceway import Processor

BATCH = 100
STAGES = (1, 2, 5, 10, 20)
BRANCHES = (1, 2, 4, 8)
WORKERS = (1, 2, 4, 8, 16)
EVENTS = 40_000
FEW = 10_000
WAIT = 0.001  # seconds, for each batch
ROUNDS = 7
ROOM = 1024
QUEUES = "asyncio.Queue per hop"


async def feed(queues: list[asyncio.Queue], events: int) -> None:
    """One source for all of the queues: the fan-out of the peer."""
    for event in range(events):
        for queue in queues:
            await queue.put(event)
    for queue in queues:
        await queue.put(None)


async def add_one(inbox: asyncio.Queue, out: asyncio.Queue) -> None:
    while (event := await inbox.get()) is not None:
        await out.put(increment(event))
    await out.put(None)


async def count(inbox: asyncio.Queue) -> int:
    taken = 0
    while await inbox.get() is not None:
        taken += 1
    return taken


async def row_of_queues(events: int, stages: int) -> float:
    queues: list[asyncio.Queue] = [asyncio.Queue(ROOM) for _ in range(stages + 1)]
    started = time.process_time()
    async with asyncio.TaskGroup() as group:
        group.create_task(feed(queues[:1], events))
        for inbox, out in pairwise(queues):
            group.create_task(add_one(inbox, out))
        consumer = group.create_task(count(queues[-1]))
    assert consumer.result() == events
    return time.process_time() - started


async def branches_of_queues(events: int, branches: int) -> float:
    queues: list[asyncio.Queue] = [asyncio.Queue(ROOM) for _ in range(branches)]
    started = time.process_time()
    async with asyncio.TaskGroup() as group:
        group.create_task(feed(queues, events))
        consumers = [group.create_task(count(queue)) for queue in queues]
    assert all(consumer.result() == events for consumer in consumers)
    return time.process_time() - started


def branches_of_sinks(events: int, branches: int) -> float:
    takers, numbers = [Taken() for _ in range(branches)], Numbers(events, BATCH)
    elapsed = asyncio.run(run_fan_out(numbers, takers))
    assert all(taken.events == events for taken in takers)
    return elapsed


async def run_fan_out(numbers: Numbers, takers: list[Taken]) -> float:
    sinks = [taken.sink() for taken in takers]
    graph = numbers >> (sinks if len(sinks) > 1 else sinks[0])
    return await run(graph, numbers, copies=len(sinks))


class Waiting(Processor[int, int]):
    """Waits for something once a batch, as an enrichment over the net does."""

    stateful = False

    def __init__(self, workers: int) -> None:
        self.workers = workers

    async def process(self, events: list[int]) -> list[int]:
        await asyncio.sleep(WAIT)
        return list(map(increment, events))


def waiting_workers(events: int, workers: int) -> float:
    """Wall seconds: what waits uses no CPU."""
    taken, numbers = Taken(), Numbers(events, BATCH)
    started = time.perf_counter()
    asyncio.run(run(numbers >> Waiting(workers) >> taken.sink(), numbers))
    assert taken.events == events
    return time.perf_counter() - started


def of_stages(rounds: int) -> list[Figure]:
    row = partial(row_of_processors, EVENTS, BATCH)
    contestants: dict[str, tuple[int, Callable[[], float]]] = {}
    for stages in STAGES:
        contestants[f"fused {stages}"] = (EVENTS, partial(row, stages, fused=True))
        contestants[f"queued {stages}"] = (EVENTS, partial(row, stages, fused=False))
        contestants[f"peer {stages}"] = (
            FEW,
            partial(in_a_loop, row_of_queues, FEW, stages),
        )
    found = medians(contestants, rounds)
    return [
        cost(
            f"stages: {stages}, {words}, asyncio.Queue",
            found[f"{way} {stages}"],
            found[f"peer {stages}"],
            unit=UNIT,
            spot=Spot("engine-stages", stages, line=words, peer=QUEUES),
        )
        for way, words in (("fused", "fused"), ("queued", "a queue before each"))
        for stages in STAGES
    ]


def in_a_loop(function: Callable, *arguments: int) -> float:
    elapsed: float = asyncio.run(function(*arguments))
    return elapsed


def of_branches(rounds: int) -> list[Figure]:
    contestants: dict[str, tuple[int, Callable[[], float]]] = {}
    for branches in BRANCHES:
        contestants[f"ours {branches}"] = (
            EVENTS,
            partial(branches_of_sinks, EVENTS, branches),
        )
        contestants[f"peer {branches}"] = (
            FEW,
            partial(in_a_loop, branches_of_queues, FEW, branches),
        )
    found = medians(contestants, rounds)
    return [
        cost(
            f"fan-out to {branches} sinks, asyncio.Queue",
            found[f"ours {branches}"],
            found[f"peer {branches}"],
            unit=UNIT,
            spot=Spot("engine-fan-out", branches, peer="asyncio.Queue per sink"),
        )
        for branches in BRANCHES
    ]


def of_workers(rounds: int) -> list[Figure]:
    found = medians(
        {str(n): (FEW, partial(waiting_workers, FEW, n)) for n in WORKERS}, rounds
    )
    return [
        cost(
            f"workers: {workers}, each waits 1 ms a batch, 1 worker",
            found[str(workers)],
            found["1"],
            unit="ns",
            spot=Spot("engine-workers", workers),
        )
        for workers in WORKERS
    ]


def figures(*, short: bool = False) -> list[Figure]:
    rounds = 2 if short else ROUNDS
    return [*of_stages(rounds), *of_branches(rounds), *of_workers(rounds)]


def main() -> None:
    show((figure.name, figure.ours or 0.0) for figure in figures())


if __name__ == "__main__":
    main()
