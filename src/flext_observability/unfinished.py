"""Unfinished: the source of operations that nobody ended.

Law: what takes too long is handed over when its time is up, and all that still runs
when the pipeline stops: a program that ends loses none.
"""

from __future__ import annotations

import asyncio

from sluiceway import Clock, Send, Source, Span, StageContext

from .operations import Operations


class Unfinished(Source[Span]):
    """Hands over what has expired, and at the stop whatever runs.

    Args:
        operations: those that are looked at.
    """

    def __init__(self, operations: Operations) -> None:
        self.name = "unfinished"
        self._operations = operations

    async def open(self, context: StageContext) -> None:
        """Begin to look."""
        self._clock: Clock = context.clock
        self._alarm = asyncio.Event()
        self._stopping = False
        self._operations.reopen()

    async def run(self, send: Send[Span]) -> None:
        """Look whenever an operation may have expired, until the pipeline stops."""
        while not self._stopping:
            await self._sleep()
            spans = self._operations.expired()
            if spans:
                await send(spans)
        left = self._operations.close()
        if left:
            await send(left)

    async def _sleep(self) -> None:
        timer = self._clock.call_at(self._operations.next_look(), self._alarm.set)
        try:
            await self._alarm.wait()
        finally:
            timer.cancel()
        self._alarm.clear()

    def stop(self) -> bool:
        """Hand over what runs, and then nothing more."""
        self._stopping = True
        self._alarm.set()
        return True
