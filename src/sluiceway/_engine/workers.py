"""Workers: the loops that take batches from a queue and call stages with them.

Law: a worker ends in one of two ways, and in both it answers for every event: its input
ended and it has handed everything on, or it was cancelled and drops what it holds.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from attrs import define

from ..batch import Batch
from ..clock import SYSTEM_CLOCK, Clock
from ..stages import Patience
from .books import Books
from .complaints import Complaints
from .fanout import Outlet
from .graph import Node
from .hands import EMPTY, Hand
from .marks import End, Mark
from .queue import BoundedQueue, Item
from .steps import Step

TIME_SLICE = 0.005  # seconds that a worker may keep the loop before it lets others run


@define
class Shared:
    """What all workers of one run share.

    Attributes:
        clock: the stages' time.
        complaints: where errors of stages are logged.
        patience: waits between retries.
        ending: why the workers are being cancelled, once they are.
    """

    clock: Clock
    complaints: Complaints
    patience: Patience
    ending: str | None = None


class TimeSlice:
    """How long a worker may go on until it should let others run.

    Args:
        clock: the pipeline's; if that is not real time, which may stand still, a worker
            rests after each batch.
        books: whose times are sorted in when it rests.

    Attributes:
        until: when others should run, on the clock.
    """

    __slots__ = ("_books", "_now", "_seconds", "until")

    def __init__(self, clock: Clock, books: Sequence[Books] = ()) -> None:
        self._books = books
        self._now = clock.now
        self._seconds = TIME_SLICE if clock is SYSTEM_CLOCK else 0.0
        self.until = -math.inf

    async def rest(self) -> None:
        """Let others run; then a new slice begins."""
        for books in self._books:
            books.fold()
        await asyncio.sleep(0)
        self.until = self._now() + self._seconds


class Worker(ABC):
    """One loop, its hands, and how it ends.

    Args:
        node: the stage that it is named after.
        queue: where its batches come from; None for a source.
        shared: what all workers share.
    """

    def __init__(self, node: Node, queue: BoundedQueue | None, shared: Shared) -> None:
        self.node = node
        self.queue = queue
        self.failure: BaseException | None = None
        self.hands: set[Hand] = set()
        self.ended = False
        self._shared = shared

    async def run(self) -> None:
        """Work until the input ends, and answer for every event on the way out."""
        try:
            await self.work()
        except asyncio.CancelledError as error:
            self.give_up(self._shared.ending or "cancelled", error)
            await self.settle_down()
        except BaseException as error:
            self.failure = error
            self.give_up("stage_failed", error)
            if not isinstance(error, Exception):
                raise
            await self.settle_down()
        finally:
            self._end()

    @abstractmethod
    async def work(self) -> None:
        """The loop."""

    @abstractmethod
    def leave(self) -> None:
        """Tell the stages after this one that there will be no more."""

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.leave()

    def give_up(self, reason: str, error: BaseException | None = None) -> None:
        """Drop what is in hand, and whatever still comes."""
        for hand in self.droppable():
            hand.drop(reason, error)
        if self.queue is not None:
            self.queue.break_off(reason)

    def droppable(self) -> list[Hand]:
        """The hands that nothing else will empty."""
        return list(self.hands)

    async def settle_down(self) -> None:  # noqa: B027 - most start nothing
        """Wait for what the worker started beside itself."""

    def busy_at(self) -> list[str]:
        """The names of the stages that it is at."""
        busy = [hand.node.name for hand in self.hands if hand.held()]
        return busy or [self.node.name]

    def abandon(self, reason: str) -> None:
        """Write off a worker whose stage does not let go."""
        for hand in list(self.hands):
            hand.abandon(reason)
        self.give_up(reason)
        self._end()

    def held_inside(self) -> int:
        """Events that the worker's own stage holds between batches."""
        return 0


class FlowWorker(Worker):
    """Calls a row of processors and samplers.

    Args:
        queue: where its batches come from.
        row: what it calls, at least one step; other workers may share it.
        shared: what all workers share.
    """

    def __init__(self, queue: BoundedQueue, row: Row, shared: Shared) -> None:
        super().__init__(row.steps[0].node, queue, shared)
        self._inbox = queue
        self._row = row
        self.hand = Hand(self.node)
        self.hands.add(self.hand)

    async def work(self) -> None:
        """Pass batch after batch through the row."""
        queue, hand, row = self._inbox, self.hand, self._row
        get_nowait, take_nowait, done = queue.get_nowait, row.take_nowait, queue.done
        waits = row.waits
        turn = TimeSlice(self._shared.clock, row.books)
        while True:
            item: Item | End | None = get_nowait()
            if item is None:
                item = await queue.get()
            if type(item) is not Batch:
                if not isinstance(item, Batch | Mark):
                    return
                await self._take_other(item)
                continue
            count, size = len(item.events), item.size
            hand.batches = (item,)
            if waits:
                await row.take(item, hand, None)
            elif not take_nowait(item, hand):
                await row.send(hand, item)
            done(count, size)
            if item.since >= turn.until:  # when it went on from here
                await turn.rest()

    async def _take_other(self, item: Item) -> None:
        """Pass a mark on, or a batch by which the pipeline tells of itself."""
        if isinstance(item, Mark):
            try:  # a flush overtakes nothing of other workers
                await self._inbox.barrier()
            finally:
                self._row.pass_mark(item)
                self._inbox.resume()
            return
        count, size = len(item.events), item.size
        self.hand.batches = (item,)
        await self._row.take_own(item, self.hand, None)
        self._inbox.done_own(count, size)

    def leave(self) -> None:
        """The last worker that leaves closes the row."""
        if self._row.close():
            self._inbox.forward_marks(self._row.pass_mark)


class Row:
    """Processors and samplers that are called one after the other, and their outlet.

    Args:
        steps: what is called.
        outlet: where the last one's events go.
        users: how many workers share the row.
    """

    def __init__(
        self, steps: list[Step], outlet: Outlet, clock: Clock, users: int = 1
    ) -> None:
        self.steps = steps
        self.books = [step.books for step in steps]
        self._outlet = outlet
        self._put_nowait = outlet.put_nowait
        self._clock = clock
        self._now = clock.now
        self._own: Row | None = None
        self._wait = (steps[0].books if steps else Books()).wait
        followers = [*self.books[1:], None]
        self._calls = [
            (step.node, step.run, step.books.time, step.books, after)
            for step, after in zip(steps, followers, strict=False)
        ]
        self._users = users
        self.waits = any(step.waits for step in steps)
        self.send = outlet.send

    def take_nowait(self, batch: Batch, hand: Hand) -> bool:
        """Pass a batch through steps that do not wait, and hand it on if there is room.

        Returns:
            False if ``send`` must hand on what is in the hand.
        """
        now = self._now
        started = now()
        self._wait(started - batch.since)
        for node, run, time, books, after in self._calls:
            hand.node = node
            count = run(batch, started)
            ended = now()
            time(ended - started)
            if not count:
                batch.since = ended
                break
            if after is None:
                batch.since = ended
                if not self._put_nowait(batch):
                    return False
                books.sent += count
            else:
                books.sent += count
                after.received += count
                started = ended
        hand.batches = EMPTY
        return True

    async def take(self, batch: Batch, hand: Hand, before: Books | None) -> None:
        """Pass a batch through the steps and hand on what is left of it.

        Args:
            batch: stands in ``hand``.
            hand: goes along, so that what is held is seen at the right stage.
            before: the books of the stage that sends; None if the queue has booked it.
        """
        for step in self.steps:
            started = self._now()
            if before is None:
                step.books.wait(started - batch.since)
            else:
                count = len(batch.events)
                before.sent += count
                step.books.received += count
            hand.node = step.node
            if step.waits:
                await step.run_waiting(batch, hand)
            else:
                step.run(batch, started)
            batch.since = self._now()
            step.books.time(batch.since - started)
            if not batch.events:
                hand.batches = EMPTY
                return
            before = step.books
        await self.send(hand, batch)

    async def take_own(self, batch: Batch, hand: Hand, before: Books | None) -> None:
        """The same for a batch by which the pipeline tells of itself."""
        if self._own is None:
            steps = [step.for_own() for step in self.steps]
            self._own = Row(steps, self._outlet.for_own(), self._clock)
        await self._own.take(batch, hand, before)
        for books in self._own.books:
            books.fold()

    def pass_mark(self, mark: Mark) -> None:
        """Send a flush on: the steps hold nothing."""
        self._outlet.pass_mark(mark)

    def close(self) -> bool:
        """One of the workers that share the row has ended; whether it was the last."""
        self._users -= 1
        if self._users == 0:
            for step in self.steps:
                step.close()
            self._outlet.close()
        return self._users == 0
