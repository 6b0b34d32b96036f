"""hyperwire: two processors in performance mode, with async functions.

It has no form for batches. A plain function goes to a thread for each message, which
takes six times as long.
"""

from __future__ import annotations

import asyncio
import time

from hyperwire import Pipeline, processor
from hyperwire.models.message import Message
from hyperwire.transport import Sink, Source

from benchmarks.engine_runs import Form, increment, is_odd


class Numbers(Source):
    def __init__(self, events: int) -> None:
        super().__init__(name="numbers")
        self.numbers = range(events)

    async def events(self):
        for number in self.numbers:
            yield Message(number)


class Count(Sink):
    taken = 0

    async def deliver(self, message: Message) -> None:  # noqa: ARG002 - hyperwire's
        self.taken += 1


async def chain(events: int) -> float:
    @processor
    async def change(message):
        message.content = increment(message.content)
        return message

    @processor
    async def keep(message):
        return message if is_odd(message.content) else None

    numbers, count = Numbers(events), Count(name="count")
    _ = numbers >> change >> keep >> count
    pipeline = Pipeline(name="chain").performance()
    started = time.process_time()
    await pipeline.run(numbers)
    assert count.taken == events // 2
    return time.process_time() - started


def run(events: int, batch: int) -> float:  # noqa: ARG001 - moves no batches
    return asyncio.run(chain(events))


FORMS = (Form("events by processors", 10_000, run),)
