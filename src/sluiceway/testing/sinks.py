"""Sinks for tests: one that collects, and ones that fail, are slow or hang.

All take a sink's settings by keyword: ``name``, ``queue``, ``batch``, ``timeout``,
``retry``, ``max_in_flight``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..clock import SYSTEM_CLOCK
from ..decorators import apply_settings
from ..errors import PartialError, TransientError
from ..stages import Sink, StageContext
from .watch import Watch

Fault = Exception | type[Exception] | Callable[[], Exception]


class CollectingSink(Sink[Any]):
    """Keeps what it is given.

    Attributes:
        events: every event that was written, in order.
        batches: the same events, a list for each write.

    Args:
        settings: a sink's settings, by keyword.
    """

    def __init__(self, **settings: Any) -> None:
        self.takes_encoded = True
        self.events: list[Any] = []
        self.batches: list[list[Any]] = []
        self._watch = Watch()
        apply_settings(self, settings)

    async def write(self, events: list[Any]) -> None:
        """Keep the events."""
        self.collect(events)

    def collect(self, events: list[Any]) -> None:
        """Keep the events, and tell those who wait for them."""
        self.batches.append([*events])
        self.events += events
        self._watch.tell()

    async def wait_for(self, count: int, timeout: float = 5.0) -> list[Any]:
        """The events, once there are at least ``count``; from any event loop.

        Raises:
            TimeoutError: there were fewer after ``timeout`` seconds of real time.
        """
        await self._watch.until_or(
            lambda: len(self.events) >= count,
            timeout,
            lambda: f"{len(self.events)} of {count} events were written",
        )
        return self.events

    def clear(self) -> None:
        """Forget what was written so far."""
        self.events.clear()
        self.batches.clear()

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {len(self.events)} events in {len(self.batches)} batches>"


class FailingSink(CollectingSink):
    """Fails as it is told; what does not fail is collected.

    Args:
        error: what to raise: an exception, an exception class or a function that
            makes one; default a ``TransientError``.
        times: only so many writes fail; None (default) for no end.
        every: only each n-th write fails; None (default) for every one.
        indices: only the events at these indices fail, through a ``PartialError``
            that gives each of them ``error``; None (default) for the whole batch.
        settings: a sink's settings, by keyword.

    Attributes:
        attempts: writes so far.
        failures: writes that failed so far.
    """

    def __init__(
        self,
        error: Fault | None = None,
        *,
        times: int | None = None,
        every: int | None = None,
        indices: Iterable[int] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.attempts = 0
        self.failures = 0
        self._error = error or TransientError("told to fail")
        self._times = times
        self._every = every
        self._indices = None if indices is None else frozenset(indices)

    async def write(self, events: list[Any]) -> None:
        """Fail, or collect the events."""
        self.attempts += 1
        failed = self._choose(len(events))
        if failed:
            self.failures += 1
        standing = [event for i, event in enumerate(events) if i not in failed]
        if standing or not events:
            self.collect(standing)
        if failed and self._indices is None:
            raise self._make_error()
        if failed:
            raise PartialError({index: self._make_error() for index in sorted(failed)})

    def _choose(self, count: int) -> set[int]:
        """The indices that fail in this write."""
        spent = self._times is not None and self.failures >= self._times
        if spent or self.attempts % (self._every or 1):
            return set()
        everyone = range(count)
        return set(everyone if self._indices is None else self._indices & {*everyone})

    def _make_error(self) -> Exception:
        if isinstance(self._error, Exception):
            return self._error.with_traceback(None)
        return self._error()


class SlowSink(CollectingSink):
    """Takes its time: some seconds of the clock, or until the test calls ``release``.

    Args:
        seconds: how long each write takes on the pipeline's clock; None (default)
            makes every write wait for ``release``.
        settings: a sink's settings, by keyword.

    Attributes:
        writing: writes under way now.
        peak: the most writes that were under way at the same time.
    """

    def __init__(self, seconds: float | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.writing = 0
        self.peak = 0
        self._seconds = seconds
        self._released = False
        self._sleep = SYSTEM_CLOCK.sleep

    async def open(self, context: StageContext) -> None:
        """Learn the clock."""
        self._sleep = context.clock.sleep

    async def write(self, events: list[Any]) -> None:
        """Wait, then collect the events."""
        self.writing += 1
        self.peak = max(self.peak, self.writing)
        self._watch.tell()
        try:
            await self._wait()
        finally:
            self.writing -= 1
            self._watch.tell()
        self.collect(events)

    async def _wait(self) -> None:
        if self._seconds is None:
            await self._watch.until(lambda: self._released)
        else:
            await self._sleep(self._seconds)

    def release(self) -> None:
        """Let the waiting writes, and all to come, go on; from any thread."""
        self._released = True
        self._watch.tell()

    def hold(self) -> None:
        """Make the writes to come wait for ``release`` again."""
        self._released = False

    async def wait_writing(self, count: int = 1, timeout: float = 5.0) -> None:
        """Return once at least ``count`` writes are under way.

        Raises:
            TimeoutError: there were fewer after ``timeout`` seconds of real time.
        """
        await self._watch.until_or(
            lambda: self.writing >= count,
            timeout,
            lambda: f"{self.writing} of {count} writes were under way",
        )


class HangingSink(SlowSink):
    """Never returns from a write, until ``release``, so that the test can end.

    Args:
        swallow_cancellation: True hangs on even when it is cancelled.
        settings: a sink's settings, by keyword.

    Attributes:
        cancellations: how often a write was cancelled.
    """

    def __init__(self, *, swallow_cancellation: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.cancellations = 0
        self._swallow = swallow_cancellation

    async def _wait(self) -> None:
        while not self._released:
            try:
                await self._watch.until(lambda: self._released)
            except asyncio.CancelledError:
                self.cancellations += 1
                if not self._swallow:
                    raise
