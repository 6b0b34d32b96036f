"""The only module that reads time, so that everything else can be told the time.

Law: the engine and the batteries ask a ``Clock``; none of them imports ``time``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from .errors import ConfigurationError


class Timer(Protocol):
    """A pending call of a clock."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has already been made."""


class Clock(Protocol):
    """What the engine asks of time; ``sluiceway.testing`` has a manual one."""

    def now(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` on the running loop once ``now()`` has reached ``when``."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of this clock's time."""


class SystemClock:
    """Real time: the monotonic clock, the wall clock and the running event loop."""

    now = staticmethod(time.monotonic)
    time_ns = staticmethod(time.time_ns)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` on the running loop once ``now()`` has reached ``when``."""
        delay = max(0.0, when - time.monotonic())
        return asyncio.get_running_loop().call_later(delay, callback)

    def __repr__(self) -> str:
        return "SystemClock()"


SYSTEM_CLOCK: Clock = SystemClock()
cpu_seconds: Final = time.process_time  # of all threads, for benchmarks
thread_seconds: Final = time.thread_time  # of the calling one
METHODS: Final = ("now", "time_ns", "call_at", "sleep")


def checked_clock(clock: Any) -> Clock:
    """``clock``, if it can be asked for the time.

    Raises:
        ConfigurationError: a method is missing, or it is a class.
    """
    able = all(callable(getattr(clock, name, None)) for name in METHODS)
    if not able or isinstance(clock, type):
        raise ConfigurationError(
            f"Pipeline.clock is {clock!r}; expected a clock with now(), time_ns(), "
            "call_at() and sleep()"
        )
    known: Clock = clock
    return known
