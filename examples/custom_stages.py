"""One stage of each kind, written as a class; test_custom_stages.py tests them.

Run it: python examples/custom_stages.py
"""

import asyncio
from collections import Counter

from sluiceway import (
    Accumulator,
    PermanentError,
    Pipeline,
    Processor,
    Sampler,
    Sink,
    Source,
    Send,
    TransientError,
)


Counts = dict[int, int]


class Countdown(Source[int]):
    """Sends the numbers from ``start`` down to 1 and waits until each has arrived."""

    wants_delivery = True

    def __init__(self, start: int) -> None:
        self.start = start
        self.arrived = 0

    async def run(self, send: Send[int]) -> None:
        for number in range(self.start, 0, -1):
            delivery = await send([number])
            outcome = await delivery
            self.arrived += outcome.delivered


class Divide(Processor[int, int]):
    """Divides whole batches at a time."""

    def __init__(self, by: int) -> None:
        self.by = by

    def process(self, events: list[int]) -> list[int]:
        return [event // self.by for event in events]


class FirstOfEach(Sampler[int]):
    """Keeps the first of equal events in each ``period`` seconds."""

    def __init__(self, period: float) -> None:
        self.period = period
        self.seen: dict[int, float] = {}

    def sample(self, events: list[int], now: float) -> list[int]:
        kept = []
        for event in events:
            if now >= self.seen.get(event, now):
                self.seen[event] = now + self.period
                kept.append(event)
        return kept


class CountPerMinute(Accumulator[int, Counts]):
    """Holds no event: takes them up into one count a minute."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.due: float | None = None

    def add(self, events: list[int], now: float) -> list[Counts]:
        self.counts.update(events)
        if self.due is None:
            self.due = now + 60.0
        return []

    def tick(self, now: float) -> list[Counts]:
        return self.flush(now)

    def flush(self, now: float) -> list[Counts]:
        counts, self.counts, self.due = self.counts, Counter(), None
        return [dict(counts)] if counts else []

    def next_deadline(self) -> float | None:
        return self.due


class Mailbox(Sink[Counts]):
    """Delivers into a list; says what a retry could help and what it could not."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.letters: list[Counts] = []

    async def write(self, events: list[Counts]) -> None:
        if len(events) > self.room:
            raise PermanentError(f"{len(events)} letters never fit", reason="too_big")
        if len(self.letters) + len(events) > self.room:
            raise TransientError("the box is full at the moment", reason="full")
        self.letters += events


async def main() -> None:
    countdown, mailbox = Countdown(10), Mailbox(room=3)
    pipeline = Pipeline(
        countdown
        >> Divide(by=3)
        >> FirstOfEach(period=60)
        >> CountPerMinute()
        >> mailbox
    )
    await pipeline.run()
    print(mailbox.letters)
    print(pipeline.ledger())


if __name__ == "__main__":
    asyncio.run(main())
