"""AccumulatorWorker: feeds an accumulator, tells it the time, hands on its answers.

Law: what is held between two batches is counted by asking the accumulator; the claims
on it stand in a line beside it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..batch import Batch, OwnBatch, is_own
from ..calls import FAILURES, unasked
from ..delivery import DeliveryStatus
from ..errors import PartialError
from ..stages import Accumulator, Batches
from .books import Books, wrong_indices
from .claims import AgeLine, ClaimLine
from .graph import Node
from .hands import EMPTY, Hand
from .marks import END, Mark
from .queue import BoundedQueue
from .untold import Untold
from .workers import Row, Shared, TimeSlice, Worker
from .writing import portions_of

Take = Callable[[Batch, Hand, Books], Awaitable[None]]

BREATHER = 1.0  # seconds before a tick that has failed is tried again


class AccumulatorWorker(Worker):
    """Feeds an accumulator, tells it the time and hands on what it releases.

    Args:
        node: the accumulator.
        queue: where its batches come from.
        row: what stands behind it.
        shared: what all workers share.
    """

    def __init__(
        self,
        node: Node,
        queue: BoundedQueue,
        row: Row,
        shared: Shared,
    ) -> None:
        super().__init__(node, queue, shared)
        self._stage: Accumulator[Any, Any] = node.stage
        self._inbox = queue
        self._row = row
        self._clock = shared.clock
        self._line, self._ages = ClaimLine(), AgeLine()
        self._follows = self._stage.acknowledge == "on_output"
        self._batch = OwnBatch if node.only_own else Batch
        self._untold = Untold()
        self._held = 0
        self._held = self._ask_held()
        self._written_off = False
        self._not_before = 0.0  # when a tick that has failed may be tried again
        self.hand = Hand(node)
        self.hands.add(self.hand)

    async def work(self) -> None:
        """Take batches in and time out, until the input ends."""
        turn = TimeSlice(self._clock, [self.node.books, *self._row.books])
        while True:
            item = await self._inbox.get(self._next_deadline())
            if item is END:
                await self._flush()
                self._write_off("not_released")
                return
            if isinstance(item, Mark):
                try:
                    await self._flush()
                finally:
                    self._row.pass_mark(item)
            elif item is None:
                self._not_before = self._clock.now() + BREATHER
                released = self._call(self._stage.tick)
                if released is not None:
                    self._not_before = 0.0
                await self._release(released or [])
            elif is_own(item) and not self.node.only_own:
                await self._pass_by(item)
            else:
                await self._add(item)
            if self._clock.now() >= turn.until:
                await turn.rest()

    def _ask_held(self) -> int:
        """How many events the accumulator holds, as far as it can tell."""
        try:
            return counted(self._stage.held())
        except FAILURES as error:  # a user's bug must not end a worker
            self._shared.complaints.about(self.node.name, error)
            return self._held

    def _next_deadline(self) -> float | None:
        try:
            deadline = self._stage.next_deadline()
        except FAILURES as error:  # a user's bug must not end a worker
            self._shared.complaints.about(self.node.name, error)
            return None
        if deadline is None or deadline != deadline:  # noqa: PLR0124 - NaN never comes
            return None
        return max(deadline, self._not_before)

    async def _add(self, batch: Batch) -> None:
        count, size = len(batch.events), batch.size
        self.hand.batches = [batch]
        started = self._clock.now()
        self.node.books.wait(started - batch.since)
        accepted, released = batch, list[list[Any]]()
        try:
            released = batches_of(self._stage.add(list(batch.events), started))
            self._accept(batch, started)
        except (asyncio.CancelledError, SystemExit) as error:
            self._refuse(batch, unasked(error), started)
        except Exception as error:  # noqa: BLE001 - a user's bug costs one batch
            accepted, released = self._fail(batch, error, started)
        self.node.books.time(self._clock.now() - started)
        self.hand.batches = EMPTY
        await self._release(released, accepted.events)
        self._inbox.done(count, size)

    async def _pass_by(self, batch: Batch) -> None:
        """Hand on what the pipeline tells of itself: it is gathered with no others."""
        count, size = len(batch.events), batch.size
        self.hand.batches = [batch]
        try:
            portions = portions_of(batch, self._stage)
        except Exception as error:  # noqa: BLE001 - a user's size() costs one batch
            self._shared.complaints.about(self.node.name, error, count)
            self.node.own.fail(batch, error)
            portions = deque()
        await self._hand_on(portions, self._row.take_own, self.node.own)
        self._inbox.done_own(count, size)

    def _accept(self, batch: Batch, now: float) -> None:
        if self._follows:
            self._line.add(batch, self._held)
            self._ages.add(len(batch.events), now)
        else:
            self._untold.add(batch.settle, DeliveryStatus.DELIVERED)
        self._held += len(batch.events)

    def _fail(
        self, batch: Batch, error: Exception, now: float
    ) -> tuple[Batch, list[list[Any]]]:
        """Book a failed call: some events if it names them, else the batch.

        Returns:
            What was taken in, and what was released by it.
        """
        if self._follows or not isinstance(error, PartialError) or error.kept is None:
            self._refuse(batch, error, now)
            return batch, []
        failed, count = error.failed, len(batch.events)
        wrong = wrong_indices(failed, count)
        if wrong is not None:
            self._refuse(batch, wrong, now)
            return batch, []
        endings = self.node.books.count_each(failed)
        self._untold.add(batch.settle_each, endings)
        accepted = batch.pick([each for each in range(count) if each not in failed])
        if failed:
            first = next(iter(failed.values()))
            self._shared.complaints.about(self.node.name, first, len(failed))
        self._accept(accepted, now)
        return accepted, batches_of(error.kept)

    def _refuse(self, batch: Batch, error: Exception, now: float) -> None:
        """Book a batch whose ``add`` failed; what was taken in before stays held."""
        self._shared.complaints.about(self.node.name, error, len(batch.events))
        taken = max(0, min(self._ask_held() - self._held, len(batch.events)))
        accepted, refused = batch.split(taken)
        count = self.node.books.count(error, len(refused.events))
        self._untold.add(refused.settle, *count)
        self._accept(accepted, now)

    def _call(self, method: Any) -> list[list[Any]] | None:
        """What a method releases, None if it fails."""
        try:
            return batches_of(method(self._clock.now()))
        except (asyncio.CancelledError, SystemExit) as error:
            self._shared.complaints.about(self.node.name, unasked(error))
        except Exception as error:  # noqa: BLE001 - a user's bug must not end a worker
            self._shared.complaints.about(self.node.name, error)
        return None

    async def _flush(self) -> None:
        await self._release(self._call(self._stage.flush) or [])

    async def _release(
        self, released: list[list[Any]], given: Sequence[Any] = ()
    ) -> None:
        """Book what came out and what disappeared, then hand it on batch by batch."""
        self._book(released, given)
        batches = deque(
            self._batch(e, self._take_claims(len(e))) for e in released if e
        )
        take = self._row.take_own if self.node.only_own else self._row.take
        await self._hand_on(batches, take, self.node.books)

    async def _hand_on(self, batches: deque[Batch], take: Take, books: Books) -> None:
        """Let the row take batch after batch; those that wait are in a hand."""
        waiting = Hand(self.node)
        waiting.batches = batches
        self.hands.add(waiting)
        self.hand.batches = EMPTY
        self._untold.tell()
        while waiting.batches:
            batch = waiting.batches.popleft()
            self.hand.node = self.node
            self.hand.batches = [batch]
            await take(batch, self.hand, books)
        self.hands.discard(waiting)
        self.hand.node = self.node

    def _take_claims(self, count: int) -> Any:
        if not self._follows:
            return None
        since = self._ages.take(count)
        if since is not None:
            self.node.books.hold(self._clock.now() - since)
        return self._line.take(count)

    def _book(self, released: list[list[Any]], given: Sequence[Any]) -> None:
        """What is neither held any more nor released was left out, or was created."""
        count, held, before = sum(map(len, released)), self._ask_held(), self._held
        self._held = held
        if self._follows:
            return
        passed = min(count, before - held)
        if held == 0 and before == len(given):
            # It holds nothing, so that what came out can be told from what went in.
            passed = len(set(map(id, given)) & {id(e) for b in released for e in b})
        self.node.books.created += count - passed
        self._leave_out(before - held - passed)

    def _leave_out(self, count: int) -> None:
        books = self.node.books
        if self._stage.left_out == "sampled_out":
            books.sampled_out += count
        elif self._stage.left_out == "filtered":
            books.filtered += count
        else:
            books.merged += count

    def _write_off(self, reason: str, error: BaseException | None = None) -> None:
        """Give up what the accumulator still holds."""
        self._untold.tell()
        held = self._ask_held()
        self._written_off = True
        if held:
            self.node.books.dropped[reason] += held
        self._line.settle_all(DeliveryStatus.DROPPED, error)

    def give_up(self, reason: str, error: BaseException | None = None) -> None:
        """Drop what is in hand, what is held and whatever still comes."""
        super().give_up(reason, error)
        if not self._written_off:
            self._write_off(reason, error)

    def held_inside(self) -> int:
        """Events that the accumulator holds."""
        return 0 if self._written_off else self._ask_held()

    def leave(self) -> None:
        """End of input for the stages after it."""
        self._row.close()
        self._inbox.forward_marks(self._row.pass_mark)


def counted(held: Any) -> int:
    """What ``held()`` returned.

    Raises:
        TypeError: it is no count.
    """
    if type(held) is not int or held < 0:
        raise TypeError(f"held() returned {held!r}; expected a count of events")
    return held


def batches_of(released: Any) -> list[list[Any]]:
    """What an accumulator released, as a list of batches; the lists stay its own."""
    if isinstance(released, Batches):
        return [list(batch) for batch in released]
    if isinstance(released, list):
        return [list(released)]
    raise TypeError(
        f"an accumulator released {type(released).__name__}; expected a list of "
        "events, or Batches for several lists"
    )
