"""Watch: wait until something is true, and be told when to look again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ..inlet import wake, wake_from_any_thread


class Watch:
    """Those who wait for a change; ``tell`` may be called from any thread."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Let everybody who waits look again."""
        for waiter in list(self._waiters):
            wake_from_any_thread(waiter.get_loop(), partial(wake, waiter))

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once ``true()`` is."""
        while True:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                if true():
                    return
                await waiter
            finally:
                self._waiters.discard(waiter)

    async def until_or(
        self, true: Callable[[], bool], timeout: float, complaint: Callable[[], str]
    ) -> None:
        """Return once ``true()`` is.

        Raises:
            TimeoutError: ``timeout`` seconds of real time were not enough; the text
                is what ``complaint()`` says then.
        """
        try:
            async with asyncio.timeout(timeout):
                await self.until(true)
        except TimeoutError:
            raise TimeoutError(f"{complaint()} within {timeout:g} s") from None
