"""TimeoutLayer: one attempt to write takes at most so long."""

from __future__ import annotations

import asyncio
from typing import Any

from ..clock import Clock
from ..errors import TimeoutExceededError
from . import Write


class TimeoutLayer:
    """Cancels a write that takes longer than its bound, and calls that transient.

    Args:
        inner: the write.
        seconds: the bound of one attempt, on the clock's time.
        clock: measures it.
    """

    def __init__(self, inner: Write, seconds: float, clock: Clock) -> None:
        self._inner = inner
        self._seconds = seconds
        self._clock = clock

    async def __call__(self, events: list[Any]) -> None:
        """Write the events.

        Raises:
            TimeoutExceededError: the bound was reached; the events may have arrived.
        """
        loop = asyncio.get_running_loop()
        bound = asyncio.timeout(None)

        def expire() -> None:
            bound.reschedule(loop.time())

        timer = self._clock.call_at(self._clock.now() + self._seconds, expire)
        try:
            async with bound:
                await self._inner(events)
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise TimeoutExceededError(
                f"the write took longer than {self._seconds:g} s"
            ) from error
        finally:
            timer.cancel()
