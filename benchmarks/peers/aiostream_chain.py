"""aiostream: ``map`` and ``filter`` over single events, and ``map`` over lists."""

from __future__ import annotations

import asyncio
import time

from aiostream import pipe, stream

from benchmarks.engine_runs import Form, increment, is_odd


def change_all(events: range) -> list[int]:
    return [increment(event) for event in events]


def keep_odd(events: list[int]) -> list[int]:
    return [event for event in events if is_odd(event)]


async def by_event(events: int) -> int:
    chain = stream.iterate(range(events)) | pipe.map(increment) | pipe.filter(is_odd)
    taken = 0
    async with chain.stream() as running:
        async for _ in running:
            taken += 1
    return taken


async def by_list(events: int, batch: int) -> int:
    lists = (range(start, start + batch) for start in range(0, events, batch))
    chain = stream.iterate(lists) | pipe.map(change_all) | pipe.map(keep_odd)
    taken = 0
    async with chain.stream() as running:
        async for kept in running:
            taken += len(kept)
    return taken


def run_events(events: int, batch: int) -> float:  # noqa: ARG001 - moves no batches
    started = time.process_time()
    assert asyncio.run(by_event(events)) == events // 2
    return time.process_time() - started


def run_lists(events: int, batch: int) -> float:
    started = time.process_time()
    assert asyncio.run(by_list(events, batch)) == events // 2
    return time.process_time() - started


FORMS = (
    Form("events by map", 20_000, run_events),
    Form("lists by map", 100_000, run_lists),
)
