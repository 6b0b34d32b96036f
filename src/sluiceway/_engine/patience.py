"""DrainPatience: waits between retries that a drain can end."""

from __future__ import annotations

import asyncio

from ..clock import Clock


class DrainPatience:
    """Waits on the pipeline's clock until ``lose`` is called.

    Args:
        clock: measures the waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost = False
        self._waiters: set[asyncio.Future[bool]] = set()

    async def wait(self, seconds: float) -> bool:
        """Wait; False, at once, when patience is lost."""
        if self._lost:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def enough() -> None:
            if not waiter.done():
                waiter.set_result(True)

        timer = self._clock.call_at(self._clock.now() + seconds, enough)
        self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)

    def lose(self) -> None:
        """End every wait, and those to come."""
        self._lost = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(False)
