"""ManualClock: time that passes when a test says so.

Law: time stands still but for ``advance``, ``move`` and ``set``; timers fire in the
order of their times, each at its own time, with everybody's reaction in between.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from functools import partial

from ..inlet import wake

SETTLED = 2  # idle turns of the loop in a row; the first one may have polled sockets
MOST_TURNS = 1000  # a task that spins must not hang the test


class ManualTimer:
    """A pending call of a manual clock."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Forget the call; harmless when it has already been made."""
        self.cancelled = True

    def fire(self) -> None:
        """Make the call, unless it was cancelled."""
        if not self.cancelled:
            self.callback()


class ManualClock:
    """A clock for tests: give it to a ``Pipeline``, to ``run``, or ask it for ``now``.

    ``await clock.advance(5)`` lets five seconds pass and everybody react;
    ``clock.move(5)`` only moves the hands, for state machines that are told the time.

    Args:
        now: what ``now()`` says first, in seconds; default 0.
        time_ns: what ``time_ns()`` says first; default 2023-11-14T22:13:20Z.
    """

    def __init__(
        self, now: float = 0.0, *, time_ns: int = 1_700_000_000_000_000_000
    ) -> None:
        self._now = now
        self._start = now
        self._start_ns = time_ns
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._count = 0

    def now(self) -> float:
        """Seconds, as far as the test has let them pass."""
        return self._now

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch, in step with ``now``."""
        return self._start_ns + round((self._now - self._start) * 1e9)

    def call_at(self, when: float, callback: Callable[[], object]) -> ManualTimer:
        """Call ``callback`` on the running loop once ``now()`` has reached ``when``."""
        timer = ManualTimer(callback)
        if when <= self._now:
            asyncio.get_running_loop().call_soon(timer.fire)
        else:
            self._count += 1
            heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait until ``seconds`` have been let pass."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + seconds, partial(wake, done))
        try:
            await done
        finally:
            timer.cancel()

    def next_timer(self) -> float | None:
        """When the next timer is due, or None without one."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def advance(self, seconds: float = 0.0) -> None:
        """Let time pass: due timers fire in order, and the loop settles after each.

        The loop has settled when no task can go on without more time, another thread
        or a socket; for those two, wait for what they bring.

        Raises:
            ValueError: ``seconds`` is negative, or infinite.
        """
        goal = self._now + seconds
        self._check(goal)
        await settle()
        when = self.next_timer()
        while when is not None and when <= goal:
            self._now = max(self._now, when)
            heapq.heappop(self._timers)[2].fire()
            if self.next_timer() != when:
                await settle()
            when = self.next_timer()
        self._now = max(self._now, goal)
        await settle()

    def move(self, seconds: float) -> None:
        """Move the hands by ``seconds``; due timers wait for the next ``advance``.

        Raises:
            ValueError: ``seconds`` is negative, or infinite.
        """
        self.set(self._now + seconds)

    def set(self, now: float) -> None:
        """Set what ``now()`` says; due timers wait for the next ``advance``.

        Raises:
            ValueError: ``now`` is in the past, or infinite.
        """
        self._check(now)
        self._now = now

    def _check(self, goal: float) -> None:
        if not self._now <= goal < math.inf:
            raise ValueError(f"the clock is at {self._now:g} and cannot go to {goal:g}")

    def __repr__(self) -> str:
        waiting = sum(not timer.cancelled for _, _, timer in self._timers)
        return f"<ManualClock now={self._now:g} timers={waiting}>"


async def settle() -> None:
    """Let every task run until it waits for something that is not there yet.

    The standard loop shows what is ready; another loop gets a fixed number of turns.
    """
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    idle = 0
    for _ in range(MOST_TURNS if ready is not None else MOST_TURNS // 10):
        await asyncio.sleep(0)
        idle = idle + 1 if ready is not None and not ready else 0
        if idle == SETTLED:
            return
