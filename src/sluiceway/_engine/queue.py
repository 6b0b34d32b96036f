"""BoundedQueue: the only place where batches wait between stages.

Law: a put or get that is cancelled loses nothing and takes nothing: a batch is appended
or handed out in the same step that returns. Events being worked on count against the
capacity until ``done``. What is shed is booked here, to the stage behind the queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from attrs import define

from ..batch import Batch, OwnBatch, is_own
from ..batching import ask_size
from ..clock import Clock
from ..delivery import DeliveryStatus
from ..inlet import wake
from ..settings import Queue
from .books import Books
from .marks import END, End, Mark
from .shedding import Room
from .untold import Untold

Item = Batch | Mark


@define(eq=False)
class Ticket:
    """A place in the line of those who wait for room."""

    future: asyncio.Future[None] | None = None


class BoundedQueue:
    """Batches waiting for one stage, bounded in events and, if asked, in bytes.

    Args:
        settings: capacity, policy and byte bound.
        books: of the stage behind the queue: received and dropped are booked there.
        clock: for deadlines of ``get``.
        own: where batches are booked by which the pipeline tells of itself; without it
            they are mixed with the others.

    Attributes:
        used_own: of the ``used`` room, what these take up.
    """

    def __init__(
        self, settings: Queue, books: Books, clock: Clock, own: Books | None = None
    ) -> None:
        self.settings = settings
        self.producers = 0
        self.untold = Untold()  # to be told when the sender has booked what it sent
        self._books = books
        self._own = own
        self._clock = clock
        self._items: deque[Item] = deque()
        self._putters: deque[Ticket] = deque()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._used = self._used_bytes = self.used_own = 0
        self._sized = settings.max_bytes is not None
        self._limit = 0 if self._sized else settings.capacity  # of put_nowait
        self._size = settings.size or ask_size
        self._room = Room(settings.capacity, settings.max_bytes, self._size_of)
        self._paused = self._pressed = False
        self._broken: str | None = None
        self._forward: Callable[[Mark], None] | None = None
        self._late: list[Mark] = []  # that came when it had broken off
        self._idle: asyncio.Future[None] | None = None

    # What the stages before it do.

    def put_nowait(self, batch: Batch) -> bool:
        """Hand ``batch`` over if there is room; False if ``put`` must decide.

        The caller, who has just read the clock, has set ``batch.since``.
        """
        count = len(batch.events)
        used = self._used + count
        if used > self._limit:
            return False
        self._used = used
        self._books.received += count
        self._items.append(batch)
        if self._getters:
            self._wake_getter()
        return True

    async def put(self, batch: Batch, *, shed: bool = False) -> None:
        """Hand ``batch`` over as soon as there is room, or as the policy says.

        Args:
            batch: at least one event; rejected if telling its size fails.
            shed: never wait: what has no room is dropped.
        """
        if isinstance(batch, OwnBatch) and self._own is None:
            batch = batch.mixed()
        count = len(batch.events)
        try:
            size = sum(map(self._size, batch.events)) if self._sized else 0
        except Exception as error:  # noqa: BLE001 - a user's size() costs one batch
            books = self._books_of(batch)
            books.received += count
            self.untold.add(batch.settle, *books.count(error, count))
            return
        if self._broken is not None:
            self._drop(batch, self._broken)
        elif self._has_room(count, size) and not self._putters:
            self._append(batch, size)
        elif self.settings.when_full == "drop_oldest":
            self._append_newest(batch, size)
        elif shed or self.settings.when_full == "drop_newest":
            self._append_oldest(batch)
        else:
            await self._wait_for_room(count, size)
            if self._broken is not None:
                self._drop(batch, self._broken)
            else:
                self._append(batch, size)

    def put_mark(self, mark: Mark) -> None:
        """A mark needs no room and is never shed."""
        if self._forward is not None:
            self._forward(mark)
        elif self._broken is not None:
            self._late.append(mark)
        else:
            self._items.append(mark)
            self._wake_getter()

    def forward_marks(self, forward: Callable[[Mark], None]) -> None:
        """The stage behind has ended: it holds nothing, so marks pass it by."""
        self._forward = forward
        marks = [item for item in self._items if isinstance(item, Mark)] + self._late
        self._items = deque(i for i in self._items if not isinstance(i, Mark))
        for mark in marks:
            forward(mark)

    def producer_finished(self) -> None:
        """One of the stages before has sent its last batch."""
        self.producers -= 1
        if self.producers == 0:
            for waiter in self._getters:
                wake(waiter)

    def _append(self, batch: Batch, size: int) -> None:
        batch.size, batch.since = size, self._clock.now()
        self._books_of(batch).received += len(batch.events)
        self._take_up(batch, 1)
        self._items.append(batch)
        self._wake_getter()

    def _has_room(self, count: int, size: int) -> bool:
        return self._room.has(self._used, self._used_bytes, count, size)

    async def _wait_for_room(self, count: int, size: int) -> None:
        ticket = Ticket()
        self._putters.append(ticket)
        self._set_limit()
        try:
            while self._broken is None and not (
                self._putters[0] is ticket and self._has_room(count, size)
            ):
                ticket.future = asyncio.get_running_loop().create_future()
                self._wake_getter()
                await ticket.future
        finally:
            self._putters.remove(ticket)
            self._set_limit()
            self._wake_putter()

    def _set_limit(self) -> None:
        """``put_nowait`` overtakes nobody who waits, and asks no sizes."""
        asks = self._sized or self._putters or self._broken is not None
        self._limit = 0 if asks else self.settings.capacity

    def _wake_putter(self) -> None:
        first = self._putters[0] if self._putters else None
        if first is not None and first.future is not None:
            wake(first.future)
            first.future = None

    # Shedding.

    def _append_newest(self, batch: Batch, size: int) -> None:
        """Drop the oldest, but nothing for what would find no room all the same."""
        count = len(batch.events)
        used, used_bytes = self._used, self._used_bytes
        for item in self._items:
            if isinstance(item, Batch):
                used -= len(item.events)
                used_bytes -= item.size
                if self._room.has(used, used_bytes, count, size):
                    break
        else:
            fits = self._room.fitting(used, used_bytes, batch.events[::-1])
            rest, batch = batch.split(count - fits)
            self._shed(rest)
            size = self._bytes_of(batch)
        if batch.events:
            self._evict(len(batch.events), size)
            self._append(batch, size)

    def _append_oldest(self, batch: Batch) -> None:
        """Drop what has no room."""
        fits = self._room.fitting(self._used, self._used_bytes, batch.events)
        kept, rest = batch.split(fits)
        self._shed(rest)
        if fits:
            self._append(kept, self._bytes_of(kept))

    def _shed(self, batch: Batch) -> None:
        if batch.events:
            self._pressed = True
            self._wake_getter()
            self._drop(batch, "queue_full")

    def _evict(self, count: int, size: int) -> None:
        """Drop from the head until the new events have room, or nothing waits."""
        marks: list[Item] = []
        while self._items and not self._has_room(count, size):
            item = self._items.popleft()
            if isinstance(item, Mark):
                marks.append(item)
                continue
            gone = self._room.surplus(
                self._used + count, self._used_bytes + size, item.events
            )
            self._take_up(item, -1)
            if gone < len(item.events):
                waiting_since = item.since
                item, rest = item.split(gone)
                rest.since = waiting_since
                self._requeue(rest)
            self._give_up(item, "queue_full")
        self._items.extendleft(reversed(marks))

    def _requeue(self, batch: Batch) -> None:
        batch.size = self._bytes_of(batch)
        self._take_up(batch, 1)
        self._items.appendleft(batch)

    def _take_up(self, batch: Batch, sign: int) -> None:
        """Let a batch take up room, or with -1 no more."""
        count = sign * len(batch.events)
        self._used += count
        self._used_bytes += sign * batch.size
        if is_own(batch):
            self.used_own += count

    def _drop(self, batch: Batch, reason: str) -> None:
        self._books_of(batch).received += len(batch.events)
        self._give_up(batch, reason)

    def _give_up(self, batch: Batch, reason: str) -> None:
        self._books_of(batch).dropped[reason] += len(batch.events)
        self.untold.add(batch.settle, DeliveryStatus.DROPPED)

    def _books_of(self, batch: Batch) -> Books:
        return self._own if self._own is not None and is_own(batch) else self._books

    def _bytes_of(self, batch: Batch) -> int:
        return sum(map(self._size_of, batch.events)) if self._sized else 0

    def _size_of(self, event: object) -> int:
        """An event's size; 0 from a ``size()`` that has worked before and now fails."""
        try:
            return self._size(event)
        except Exception:  # noqa: BLE001 - it must not undo what is half done
            return 0

    # What the stage behind it does.

    def get_nowait(self) -> Item | None:
        """The next batch or mark if one is there."""
        if self._items and not self._paused:
            return self._items.popleft()
        return None

    async def get(
        self, deadline: float | None = None, kept: int = 0
    ) -> Item | End | None:
        """The next batch or mark; END after the last; None once ``deadline`` comes.

        Args:
            deadline: on the clock's ``now()``; None waits as long as it takes.
            kept: events that the caller gathers. If others find no room for these
                alone, None comes at once: nothing else would give them any.
        """
        while True:
            item = self.get_nowait()
            if item is not None:
                return item
            if not self._items and (not self.producers or self._broken is not None):
                return END
            if deadline is not None and self._clock.now() >= deadline:
                return None
            if kept and kept == self._used and self._is_pressed():
                return None
            await self._wait_for_item(deadline)

    def _is_pressed(self) -> bool:
        """Whether somebody waits for room, or has shed events for want of it."""
        shed, self._pressed = self._pressed, False
        first = self._putters[0] if self._putters else None
        return shed or (first is not None and first.future is not None)

    async def _wait_for_item(self, deadline: float | None) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(waiter)
        timer = (
            None
            if deadline is None
            else self._clock.call_at(deadline, lambda: wake(waiter))
        )
        try:
            await waiter
        except asyncio.CancelledError:
            self._wake_getter()  # the item that woke us is for another worker
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._getters:
                self._getters.remove(waiter)

    def _wake_getter(self) -> None:
        while self._getters:
            waiter = self._getters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def done(self, count: int, size: int = 0) -> None:
        """The events of a batch that was handed out are no longer worked on."""
        self._used -= count
        self._used_bytes -= size
        if self._putters:
            self._wake_putter()
        if self._idle is not None and self._used == self.held():
            wake(self._idle)

    def done_own(self, count: int, size: int = 0) -> None:
        """The same for a batch by which the pipeline tells of itself."""
        self.used_own -= count
        self.done(count, size)

    def measure(self, batch: Batch) -> None:
        """Note how many bytes of this queue a batch takes up that was put together."""
        batch.size = self._bytes_of(batch)

    async def barrier(self) -> None:
        """Hand out nothing until all that was handed out is done; then ``resume``."""
        self._paused = True
        while self._used > self.held() and self._broken is None:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._idle = None

    def resume(self) -> None:
        """Hand out again after a barrier."""
        self._paused = False
        for waiter in self._getters:
            wake(waiter)

    # What the supervisor does.

    def break_off(self, reason: str) -> None:
        """Drop what waits and whatever comes: the stage behind is gone."""
        self._broken = reason
        self._set_limit()
        while self._items:
            item = self._items.popleft()
            if isinstance(item, Mark):
                self._late.append(item)  # what is behind us may still be at work
            else:
                self._books_of(item).drop(item, reason)
        for waiter in (*self._getters, *filter(None, [self._idle])):
            wake(waiter)
        for ticket in self._putters:
            if ticket.future is not None:
                wake(ticket.future)

    def held(self, kind: type[Batch] = Batch) -> int:
        """Events that wait here, in batches of this kind, counted by looking."""
        return sum(len(i.events) for i in self._items if isinstance(i, kind))

    @property
    def used(self) -> int:
        """Events that take up room: waiting or being worked on."""
        return self._used

    def __repr__(self) -> str:
        return (
            f"<BoundedQueue {self._used}/{self.settings.capacity} "
            f"{self.settings.when_full}>"
        )
