"""Inlet: the source that an application calls, from any thread.

Law: ``emit_nowait`` takes no lock and never waits: it appends to a deque and, if the
pipeline sleeps, wakes it once for all that comes meanwhile. What was taken in is handed
over, or the ledger says why not.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from .clock import SYSTEM_CLOCK
from .errors import ConfigurationError, PipelineStateError
from .settings import is_count
from .stages import Send, Source, StageContext

T = TypeVar("T")

LARGEST_BATCH = 1024
LINGER = 0.005  # seconds that a drained inlet waits before it asks to be woken


class Inlet(Source[T]):
    """Takes events from application code and hands them over in batches.

    Before the pipeline starts it buffers; while it runs, events pass within
    milliseconds; after the stop it refuses.

    Args:
        name: its name in the graph; default ``"inlet"``.
        capacity: events that it buffers; default 8,192. Emitting threads that race
            for the last place may exceed it by one each.

    Raises:
        ConfigurationError: ``capacity`` is not a positive whole number.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        capacity: int = 8192,
    ) -> None:
        if not is_count(capacity):
            raise ConfigurationError(
                f"Inlet.capacity is {capacity!r}; expected a whole number from 1"
            )
        self.name = name
        self._capacity = capacity
        self._reset()

    def _reset(self) -> None:
        self._buffer: deque[T] = deque()
        self._room = self._capacity  # 0 when closed, so that one check covers both
        self._asleep = False
        self._wake_up: Callable[[], object] = nothing
        self._alarm: asyncio.Future[None] | None = None
        self._closed = False
        self._refusals: Counter[str] = Counter()
        self._refusal_lock = threading.RLock()  # reentrant: a __del__ may emit
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._taken = 0
        self._admitted = False
        self._lingers = True
        self._handed_over = 0
        self._flushes: list[asyncio.Future[None]] = []

    def emit_nowait(self, event: T) -> bool:
        """Take ``event`` if there is room, at once and from any thread.

        Returns:
            False if it was refused: ``dropped{queue_full}`` when the inlet is full,
            ``dropped{closed}`` after the pipeline has stopped.
        """
        if len(self._buffer) >= self._room:
            return self._refuse(1)
        self._buffer.append(event)
        if self._asleep:
            self._wake()
        return True

    async def emit(self, event: T) -> bool:
        """Take ``event``, waiting for room: awaiting this is the backpressure.

        Returns:
            False if the pipeline has stopped: ``dropped{closed}``.

        Raises:
            PipelineStateError: there is no room, and this is not asyncio.
        """
        while len(self._buffer) >= self._room:
            if self._closed:
                return await self._refuse_and_yield(1)
            await self._wait_for_room()
        self._buffer.append(event)
        if self._asleep:
            self._wake()
        return True

    async def emit_many(self, events: Iterable[T]) -> int:
        """Take the events in order, waiting for room.

        Returns:
            How many were taken: fewer than given only if the pipeline stopped, and
            then the others are ``dropped{closed}``.
        """
        pending = deque(events)
        taken = 0
        while pending:
            room = self._room - len(self._buffer)
            if room <= 0:
                if self._closed:
                    await self._refuse_and_yield(len(pending))
                    return taken
                await self._wait_for_room()
                continue
            step = min(room, len(pending))
            self._buffer.extend([pending.popleft() for _ in range(step)])
            taken += step
            if self._asleep:
                self._wake()
        return taken

    async def _refuse_and_yield(self, count: int) -> bool:
        """Refuse events, and let others run, or who goes on would keep the loop."""
        self._refuse(count)
        await asyncio.sleep(0)
        return False

    def _refuse(self, count: int) -> bool:
        reason = "closed" if self._closed else "queue_full"
        with self._refusal_lock:
            self._refusals[reason] += count
        if self._asleep:
            self._wake()
        return False

    # How the application's threads and the pipeline's loop wake each other.

    def _wake(self) -> None:
        self._asleep = False
        self._wake_up()

    def wake_by(self, wake_up: Callable[[], object]) -> None:
        """Call ``wake_up``, from whichever thread emits, at the next event."""
        self._wake_up = wake_up
        self._asleep = True

    async def _linger(self) -> None:
        """Let events gather for a moment, so that few of them wake us."""
        loop = asyncio.get_running_loop()
        self._alarm = loop.create_future()
        timer = loop.call_later(LINGER, self._ring)
        try:
            await self._alarm
        finally:
            timer.cancel()

    async def _sleep(self) -> None:
        """Wait for an event, a stop or a flush."""
        loop = asyncio.get_running_loop()
        # those who have waited for room are about to emit
        if self._lingers and not self._admitted:
            await self._linger()
        if self._buffer or self._closed:
            return
        self._alarm = loop.create_future()
        self.wake_by(lambda: wake_from_any_thread(loop, self._ring))
        if self._buffer or self._closed:  # one came before we were asleep
            self._asleep = False
            return
        try:
            await self._alarm
        finally:
            self._asleep = False

    def _ring(self) -> None:
        if self._alarm is not None:
            wake(self._alarm)

    async def _wait_for_room(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise PipelineStateError(
                f"{self!r} has no room, and only asyncio can wait for it; elsewhere, "
                "Trio included, use emit_nowait"
            ) from None
        waiter = loop.create_future()
        self._waiters.append(waiter)
        if self._asleep:
            self._wake()
        if len(self._buffer) < self._room or self._closed:
            wake(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not self._left_line(waiter):
                self._admit(1)  # pass on the turn that we did not use
            raise
        self._left_line(waiter)

    def _left_line(self, waiter: asyncio.Future[None]) -> bool:
        """Whether ``waiter`` still stood in line, where it stands no more."""
        try:
            self._waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def _admit(self, count: int) -> None:
        while count > 0:
            try:
                waiter = self._waiters.popleft()
            except IndexError:  # another thread's waiter has just left the line
                return
            # one whose loop has closed will not use its turn
            count -= wake_from_any_thread(waiter.get_loop(), partial(wake, waiter))

    # What the engine calls.

    async def open(self, context: StageContext) -> None:
        """Take events in, again if the pipeline had stopped."""
        # a test's clock would not wait for a moment of real time
        self._lingers = context.clock is SYSTEM_CLOCK
        self._closed = False
        self._room = self._capacity

    async def run(self, send: Send[T]) -> None:
        """Hand over what is emitted until the pipeline stops."""
        while True:
            events = self._take()
            if events:
                await send(events)
                self._handed_over += len(events)
                self._tell_flushes()
            elif self._closed:
                return
            else:
                await self._sleep()

    def _take(self) -> list[T]:
        pop = self._buffer.popleft
        events = [pop() for _ in range(min(len(self._buffer), LARGEST_BATCH))]
        self._taken += len(events)
        if events:
            self._admitted = bool(self._waiters)
            self._admit(len(events))
        return events

    def stop(self) -> bool:
        """Refuse from now on; ``run`` hands over what is buffered and returns."""
        self._closed = True
        self._room = 0
        self._asleep = False
        self._ring()
        self._admit(len(self._waiters))
        self._tell_flushes()
        return True

    async def flush(self) -> None:
        """Return once what was emitted before this call has been handed over."""
        goal = self._taken + len(self._buffer)
        while self._handed_over < goal and not self._closed:
            waiter = asyncio.get_running_loop().create_future()
            self._flushes.append(waiter)
            self._ring()
            await waiter

    def _tell_flushes(self) -> None:
        flushes, self._flushes = self._flushes, []
        for waiter in flushes:
            wake(waiter)

    def held(self) -> int:
        """Events that are buffered."""
        return len(self._buffer)

    def refused(self) -> Mapping[str, int]:
        """Events that were refused, by reason."""
        with self._refusal_lock:
            return dict(self._refusals)

    def discard(self) -> int:
        """Give up what is buffered; how many it was."""
        self.stop()
        count = 0
        while self._buffer:
            self._buffer.popleft()
            count += 1
        return count

    def after_fork(self) -> None:
        """Start afresh: the parent sends what was buffered."""
        self._reset()

    def __len__(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Inlet {self.name or ''} {state} {len(self._buffer)}/{self._capacity}>"


def nothing() -> None:
    """Wake nobody: the pipeline does not run yet."""


def wake(waiter: asyncio.Future[Any]) -> None:
    """Let a waiter go on, unless it has already or has given up."""
    if not waiter.done():
        waiter.set_result(None)


def wake_from_any_thread(
    loop: asyncio.AbstractEventLoop, callback: Callable[[], object]
) -> bool:
    """Call ``callback`` on ``loop``; False if it has closed: nobody is left to wake."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        return False
    return True
