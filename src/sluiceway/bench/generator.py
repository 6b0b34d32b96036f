"""LoadSource: sends events when they are due, and notes what it could not.

Law: latency counts from when an event should have been sent. A pipeline that makes the
generator wait is late for all that became due meanwhile, sent or not; without a rate
an event is due when its maker is ready to send it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from attrs import define, field, frozen

from ..clock import SYSTEM_CLOCK, thread_seconds
from ..delivery import Delivery
from ..settings import number
from ..stages import Send, Source, StageContext
from .schedules import Schedule

Make = Callable[[int], list[Any]]

LONGEST_SLEEP = 0.05  # seconds, so that a stop is heard
SHORTEST_SLEEP = 0.001  # so that a high rate comes in small batches, not one by one
CATCH_UP = 0.1  # seconds after the end in which what was due may still be sent
BEFORE = 1 - 1e-9  # the end: what is due then is not due any more


class Watcher(Protocol):
    """What follows the events that a generator sends."""

    def sent(self, delivery: Delivery, first: float, last: float, count: int) -> None:
        """So many events were handed over, due from ``first`` to ``last``."""
        ...

    def unsent(self, first: float, last: float, count: int) -> None:
        """So many events were due and were never handed over."""
        ...


@frozen
class Extent:
    """How long a load lasts: whatever comes first.

    Attributes:
        seconds: after which nothing is due any more; None for no bound.
        events: how many are sent; None for no bound.
        batch: events that are handed over at once at most; default 100.
    """

    seconds: float | None = field(default=10.0, validator=number(0, optional=True))
    events: int | None = field(
        default=None, validator=number(1, whole=True, optional=True)
    )
    batch: int = field(default=100, validator=number(1, whole=True))


@define
class Spent:
    """What making events has cost.

    Attributes:
        seconds: on the clock.
        cpu: of these on the CPU.
    """

    seconds: float = 0.0
    cpu: float = 0.0

    def add(self, seconds: float, cpu: float) -> None:
        """Some more."""
        self.seconds += seconds
        self.cpu += cpu

    @property
    def contention(self) -> float:
        """How much longer it took than its CPU; 1 if nothing was in the way."""
        return max(1.0, self.seconds / self.cpu) if self.cpu > 0 else 1.0


class LoadSource(Source[Any]):
    """Sends made events, by a schedule or as fast as the pipeline takes them.

    Args:
        make: gives so many events.
        extent: how long.
        schedule: when events are due; None for as fast as possible.
        watcher: follows them.
        name: the stage's name.
    """

    wants_delivery = True

    def __init__(
        self,
        make: Make,
        extent: Extent,
        schedule: Schedule | None,
        watcher: Watcher,
        name: str | None = None,
    ) -> None:
        self.name = name
        self.made = Spent()
        self.count = 0
        self.done = False
        self._make = make
        self._extent = extent
        self._schedule = schedule
        self._watcher = watcher
        self._clock = SYSTEM_CLOCK
        self._stopping = False

    async def open(self, context: StageContext) -> None:
        """Learn the clock, and begin anew."""
        self._clock = context.clock
        self._stopping = self.done = False
        self.count = 0
        self.made = Spent()

    def stop(self) -> bool:
        """End after what is being handed over."""
        self._stopping = True
        return True

    async def run(self, send: Send[Any]) -> None:
        """Send what is due until it ends."""
        start = self._clock.now()
        if self._schedule is None:
            await self._run_fast(send, start)
        else:
            await self._run_by(self._schedule, send, start)
        self.done = True

    def _over(self, elapsed: float) -> bool:
        seconds = self._extent.seconds
        return self._stopping or (seconds is not None and elapsed >= seconds)

    def _wanted(self, count: int) -> int:
        """How many of so many may still be sent."""
        if self._extent.events is None:
            return count
        return min(count, self._extent.events - self.count)

    def _made(self, count: int) -> list[Any]:
        started, cpu = self._clock.now(), thread_seconds()
        events = self._make(count)
        self.made.add(self._clock.now() - started, thread_seconds() - cpu)
        return events

    async def _run_fast(self, send: Send[Any], start: float) -> None:
        while not self._over(self._clock.now() - start):
            count = self._wanted(self._extent.batch)
            if count <= 0:
                return
            events = self._made(count)
            due = self._clock.now()
            delivery = await send(events)
            self.count += count
            self._watcher.sent(delivery, due, due, count)

    async def _run_by(self, schedule: Schedule, send: Send[Any], start: float) -> None:
        end = inf if self._extent.seconds is None else self._extent.seconds
        elapsed = 0.0
        while self._wanted(1) > 0:
            late = self._wanted(self._due(schedule, elapsed) - self.count)
            if (
                self._stopping
                or elapsed >= end + CATCH_UP
                or (late <= 0 and elapsed >= end)
            ):
                break
            if late > 0:
                await self._hand_over(schedule, send, start, late)
            elif elapsed < end:
                wait = schedule.time_of(self.count) - elapsed
                wait = min(max(wait, SHORTEST_SLEEP), LONGEST_SLEEP)
                await self._clock.sleep(wait)
            elapsed = self._clock.now() - start
        late = self._wanted(self._due(schedule, elapsed) - self.count)
        if late > 0:
            first = start + schedule.time_of(self.count)
            last = start + schedule.time_of(self.count + late - 1)
            self._watcher.unsent(first, last, late)

    def _due(self, schedule: Schedule, elapsed: float) -> int:
        """How many events should have been sent by then; nothing is due at the end."""
        end = self._extent.seconds
        return schedule.count_by(elapsed if end is None else min(elapsed, end * BEFORE))

    async def _hand_over(
        self, schedule: Schedule, send: Send[Any], start: float, due: int
    ) -> None:
        count = min(due, self._extent.batch)
        first = start + schedule.time_of(self.count)
        last = start + schedule.time_of(self.count + count - 1)
        delivery = await send(self._made(count))
        self.count += count
        self._watcher.sent(delivery, first, last, count)
