"""IntervalSource: what the sources that look at something at an interval share.

Law: what there was before a flush or a stop is in a look that was handed over before it
returns. What is cut off before its last look is handed over too, to be accounted for.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TypeVar

from ..clock import SYSTEM_CLOCK, Clock
from ..stages import Patience, Send, Source, StageContext

T = TypeVar("T")


class IntervalSource(Source[T]):
    """Sends what ``gather`` brings: at the interval, on a flush, and a last time.

    Args:
        name: the stage's name.
        interval: seconds between two looks.
        clock: tells the interval; a pipeline that opens the source brings its own.
    """

    def __init__(
        self, name: str | None, interval: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.name = name
        self.interval = interval
        self._clock = clock
        self._patience: Patience | None = None
        self._reset()

    def _reset(self) -> None:
        self._running = False
        self._stopping = False
        self._gathering = False
        self._begun = 0  # looks
        self._alarm: asyncio.Future[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @abstractmethod
    async def gather(self) -> list[T]:
        """What there is now."""

    def gather_at_once(self) -> list[T]:
        """What of it can be had without waiting, now that nothing waits any more.

        Called in place of ``gather``, or where that was cancelled.
        """
        return []

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock and patience."""
        self._clock = context.clock
        self._patience = context.patience

    async def run(self, send: Send[T]) -> None:
        """Look at the interval; once more when asked to stop, and return."""
        self._running = True
        last = False
        try:
            while not last:
                await self._wait()
                last = self._stopping
                await self._hand_over(send)
        except asyncio.CancelledError:
            if self._gathering or (self._stopping and not last):
                await self._give_up(send)
            raise
        finally:
            self._running = self._stopping = self._gathering = False
            self._wake(None)

    async def _hand_over(self, send: Send[T]) -> None:
        self._begun += 1
        number = self._begun
        self._gathering = True
        events = await self.gather()
        self._gathering = False
        if events:
            await send(events)
        self._wake(number)

    async def _give_up(self, send: Send[T]) -> None:
        events = self.gather_at_once()
        if events:
            await send(events)

    async def _wait(self) -> None:
        """Wait for the interval to pass, a flush or a stop."""
        if self._stopping or self._waiting:
            return
        self._alarm = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now() + self.interval, self._ring)
        try:
            await self._alarm
        finally:
            timer.cancel()
            self._alarm = None

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def _wake(self, number: int | None) -> None:
        """Let those go on who waited for this look; None is all of them."""
        still_waiting = []
        for goal, waiter in self._waiting:
            if number is not None and goal > number:
                still_waiting.append((goal, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._waiting = still_waiting

    def stop(self) -> bool:
        """Look a last time; ``run`` then returns by itself."""
        self._stopping = True
        self._ring()
        return True

    async def flush(self) -> None:
        """Look now; returns once that has been handed over."""
        if not self._running:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((self._begun + 1, waiter))
        self._ring()
        await waiter

    def after_fork(self) -> None:
        """Start afresh: whoever waits is in the parent."""
        self._reset()
