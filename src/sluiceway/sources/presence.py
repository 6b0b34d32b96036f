"""Presence: requests under way, which a server that stops waits for."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Presence:
    """How many are inside, and the moment when nobody is."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def __enter__(self) -> None:
        self._count += 1
        self._empty.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._count -= 1
        if self._count == 0:
            self._empty.set()

    async def end(self, seconds: float | None = None) -> None:
        """Wait until nobody is inside, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return
