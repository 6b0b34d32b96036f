"""SinkWorker: gathers batches, writes them through the layers, books how it ended.

Law: each write answers for its own batch; what waits for its batch to fill is counted
by asking the batcher.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from ..batch import Batch, is_own
from ..batching import Batcher
from ..calls import unasked
from ..delivery import DELIVERED, Delivery, DeliveryStatus
from ..errors import PartialError, SupersededError, reason_of
from .books import Books, failures_of
from .claims import ClaimLine
from .graph import Node
from .hands import EMPTY, NONE_ENDED, Hand
from .marks import END, End, Mark
from .queue import BoundedQueue, Item
from .threads import BlockingCall
from .workers import Shared, TimeSlice, Worker
from .writing import attempt_of, batcher_for, layered, portions_of

Done = Callable[[int, int], None]
Manner = tuple[Books, Callable[..., Awaitable[None]], Done]


class SinkWorker(Worker):
    """Gathers, writes through the layers, and books how it ended.

    Args:
        node: the sink.
        queue: where its batches come from.
        shared: what all workers share.
    """

    def __init__(
        self,
        node: Node,
        queue: BoundedQueue,
        shared: Shared,
    ) -> None:
        super().__init__(node, queue, shared)
        sink = node.stage
        self._inbox = queue
        self._clock = shared.clock
        self._attempt = attempt_of(sink)
        # Where a batch is booked, how it is written and whom to tell that it is done.
        self._plain = self._manner(node.books, queue.done)
        self._own = self._manner(node.own, queue.done_own)
        self._batcher = batcher_for(sink, queue.settings.capacity)
        self._line = ClaimLine()
        self._oldest = 0.0  # when the first of what waits for its batch came
        self._slots = asyncio.Semaphore(sink.max_in_flight)
        self._alone = sink.max_in_flight == 1
        self._tries = sink.retry is not None
        self._now = shared.clock.now
        self.hand = Hand(node)
        self.hands.add(self.hand)
        self._writes: dict[asyncio.Task[None], Hand] = {}
        self._fatal: BaseException | None = None  # what a write beside us has raised

    def _manner(self, books: Books, done: Done) -> Manner:
        tell = partial(self._retrying, books)
        shared = self._shared
        write = layered(
            self._attempt, self.node.stage, shared.clock, shared.patience, tell
        )
        return books, write, done

    def _retrying(self, books: Books, error: Exception, seconds: float) -> None:
        books.retries += 1
        self._shared.complaints.retrying(self.node.name, error, seconds)

    async def work(self) -> None:
        """Write until the input ends and the last write has."""
        turn = TimeSlice(self._clock, [self.node.books])
        direct = self._alone and self._batcher is None
        get_nowait, write, hand = self._inbox.get_nowait, self._write, self.hand
        while True:
            item: Item | End | None = get_nowait()
            if item is None:
                item = await self._inbox.get(self._next_deadline(), self.held_inside())
            if direct and type(item) is Batch:
                hand.batches = (item,)
                now = await write(hand, item)
            elif isinstance(item, Batch):
                await self._take(item)
                now = self._now()
            else:
                await self._let_go(item)
                if item is END:
                    return
                now = self._now()
            if now >= turn.until:
                await turn.rest()

    def _next_deadline(self) -> float | None:
        return None if self._batcher is None else self._batcher.next_deadline()

    async def _let_go(self, item: Mark | End | None) -> None:
        """Write what waits for its batch: it is time, or others need the room."""
        try:
            if self._batcher is not None:
                released = [self._batcher.flush(self._clock.now())]
                await self._launch(self._gathered(released, self._oldest))
            if item is not None:
                await self._all_written()
        finally:
            if isinstance(item, Mark):
                item.arrive()

    async def _take(self, batch: Batch) -> None:
        batcher = self._batcher
        try:
            if batcher is None or is_own(batch):
                ready = portions_of(batch, batcher)
            else:
                ready = self._gather(batch, batcher)
        except Exception as error:  # noqa: BLE001 - a user's size() costs one batch
            self._fail(batch, error)
            *_, done = self._own if is_own(batch) else self._plain
            done(len(batch.events), batch.size)
        else:
            await self._launch(ready)

    def _gather(self, batch: Batch, batcher: Batcher) -> deque[Batch]:
        """Let a batch wait until there is a full one; those that are full by it."""
        held = batcher.held()
        released = batcher.add(batch.events, self._clock.now())
        self._line.add(batch, held)
        if not held:
            self._oldest = batch.since
        return self._gathered(released, batch.since)

    def _gathered(self, released: list[list[Any]], newest: float) -> deque[Batch]:
        """What the batcher lets go, with who waits for it and since when it has waited.

        Args:
            released: what the batcher lets go.
            newest: since when those wait that the batcher was given last.
        """
        gathered: deque[Batch] = deque()
        for events in filter(None, released):
            claims = self._line.take(len(events))
            gathered.append(Batch(events, claims, since=self._oldest))
            self._oldest = newest
        return gathered

    async def _launch(self, ready: deque[Batch]) -> None:
        """Write batch after batch; those that wait for their turn are in a hand."""
        waiting = Hand(self.node)
        waiting.batches = ready
        self.hands.add(waiting)
        while waiting.batches:
            if self._shared.ending is not None:  # the last write has swallowed the end
                waiting.drop(self._shared.ending)
                break
            batch = waiting.batches.popleft()
            if self._batcher is not None:
                self._inbox.measure(batch)
            await self._start(batch)
        self.hands.discard(waiting)

    async def _start(self, batch: Batch) -> None:
        """Write now, or beside other writes when there is a slot."""
        if self._alone:
            self.hand.batches = (batch,)
            await self._write(self.hand, batch)
            return
        hand = Hand(self.node)
        hand.batches = (batch,)
        self.hands.add(hand)
        await self._slots.acquire()
        self._check()
        task = asyncio.get_running_loop().create_task(self._write_beside(hand, batch))
        self._writes[task] = hand
        task.add_done_callback(self._ended)

    async def _write_beside(self, hand: Hand, batch: Batch) -> None:
        try:
            await self._write(hand, batch)
        except asyncio.CancelledError as error:
            hand.drop(self._shared.ending or "cancelled", error)
        except BaseException as error:
            hand.drop("stage_failed", error)
            if isinstance(error, KeyboardInterrupt):
                raise  # it is the program's; one of them is enough
            self._fatal = error
        finally:
            self.hands.discard(hand)
            self._slots.release()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Answer for a write that was cancelled before it had begun."""
        hand = self._writes.pop(task)
        if hand in self.hands:
            hand.drop(self._shared.ending or "cancelled")
            self.hands.discard(hand)
            self._slots.release()

    def _check(self) -> None:
        """Fail as a write has failed beside us, as if it had been our own."""
        if self._fatal is not None:
            raise self._fatal

    async def _write(self, hand: Hand, batch: Batch) -> float:
        """Write and book how it ended; when it did."""
        books, write, done = self._plain if type(batch) is Batch else self._own
        count = len(batch.events)
        started = self._now()
        books.wait(started - batch.since)
        failure: str | None = None
        try:
            if self._tries:
                await write(list(batch.events), partial(self._note, hand, batch))
            else:
                await write(list(batch.events))
        except (asyncio.CancelledError, SystemExit) as error:
            hand.check()
            failure = self._fail(batch, unasked(error), hand)
        except Exception as error:  # noqa: BLE001 - a sink's failure is booked
            hand.check()
            failure = self._fail(batch, error, hand)
        else:
            if hand.abandoned:
                raise asyncio.CancelledError
            arrived = hand.batches[0] if hand.ended else batch
            hand.batches, hand.ended = EMPTY, NONE_ENDED
            books.delivered += len(arrived.events)
            claims = arrived.claims
            if type(claims) is Delivery:  # mostly, and one call less
                claims.settle(DELIVERED, len(arrived.events))
            elif claims is not None:
                arrived.settle(DELIVERED)
        ended = self._now()
        if failure is None:
            books.time(ended - started)
        else:
            books.time_failure(failure, ended - started)
        done(count, batch.size)
        return ended

    def _note(
        self, hand: Hand, batch: Batch, ended: Mapping[int, Exception | None]
    ) -> None:
        """Book what no further try of a write will change."""
        hand.check()
        new = {i: error for i, error in ended.items() if i not in hand.ended}
        left = [i for i in range(len(batch.events)) if i not in ended]
        hand.batches, hand.ended = (batch.pick(left),), ended
        self.node.books_of(batch).end_each(batch, new)

    def _fail(
        self, batch: Batch, error: Exception, hand: Hand | None = None
    ) -> str | None:
        """Book a write that failed; the reason, None if nothing was lost by it."""
        count, books = len(batch.events), self.node.books_of(batch)
        ended = NONE_ENDED
        if hand is not None:
            ended = hand.ended
            hand.batches, hand.ended = EMPTY, NONE_ENDED
        if isinstance(error, PartialError):
            failed = failures_of(error.failed, count)
        else:
            failed = dict.fromkeys(range(count), error)
        left = {i: failed.get(i) for i in range(count) if i not in ended}
        if isinstance(error, PartialError) or ended:
            books.end_each(batch, left)
        else:
            books.fail(batch, error)
        lost = [e for e in failed.values() if not isinstance(e, SupersededError)]
        if lost or not failed:
            self._shared.complaints.about(
                self.node.name, lost[0] if lost else error, len(lost)
            )
            return reason_of(lost[0] if lost else error)
        return None

    def in_flight(self) -> int:
        """Writes under way, the waits between their retries included."""
        hands = [self.hand] if self._alone else self._writes.values()
        books, at = self.node.books, self.node.books_of
        return sum(at(batch) is books for hand in hands for batch in hand.batches)

    async def _all_written(self) -> None:
        await self.settle_down()
        self._check()

    def give_up(self, reason: str, error: BaseException | None = None) -> None:
        """Drop what waits for its batch; cancelled writes drop their own."""
        for write in self._writes:
            write.cancel()
        if self._batcher is not None:
            self.node.books.dropped[reason] += self._batcher.held()
            self._batcher = None
        self._line.settle_all(DeliveryStatus.DROPPED, error)
        super().give_up(reason, error)

    def droppable(self) -> list[Hand]:
        """The hands that no write of its own task answers for."""
        return [hand for hand in self.hands if hand not in self._writes.values()]

    async def settle_down(self) -> None:
        """Wait for the cancelled writes."""
        while self._writes:
            await asyncio.wait(self._writes)

    def held_inside(self) -> int:
        """Events that wait for their batch to fill."""
        return 0 if self._batcher is None else self._batcher.held()

    def leave(self) -> None:
        """Nothing stands after a sink; its threads may end."""
        self._inbox.forward_marks(Mark.arrive)
        if isinstance(self._attempt, BlockingCall):
            self._attempt.close()
