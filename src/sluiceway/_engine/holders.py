"""Workers of the stages that hold events: accumulators and sinks.

Law: what is held between two batches is counted by asking the holder; the claims on it
stand in a line beside it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from ..batch import Batch
from ..decorators import unasked
from ..delivery import DeliveryStatus
from ..errors import PartialError
from ..stages import Accumulator, Batches
from .books import valid_failures
from .claims import ClaimLine
from .graph import Node
from .hands import EMPTY, Hand
from .marks import Mark
from .queue import END, BoundedQueue
from .threads import BlockingCall
from .workers import Row, Shared, TimeSlice, Worker
from .writing import attempt_of, batcher_for, layered


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
        self._line = ClaimLine()
        self._follows = self._stage.acknowledge == "on_output"
        self._held = 0
        self._held = self._ask_held()
        self._written_off = False
        self.hand = Hand(node)
        self.hands.add(self.hand)

    async def work(self) -> None:
        """Take batches in and time out, until the input ends."""
        slice_of_time = TimeSlice()
        while True:
            item = await self._inbox.get(self._next_deadline())
            if item is END:
                await self._flush()
                self._write_off("not_released")
                return
            if isinstance(item, Mark):
                await self._flush()
                self._row.pass_mark(item)
            elif item is None:
                await self._release(self._call(self._stage.tick))
            else:
                await self._add(item)
            if slice_of_time.is_used():
                await slice_of_time.rest()

    def _ask_held(self) -> int:
        """How many events the accumulator holds, as far as it can tell."""
        try:
            return self._stage.held()
        except Exception as error:  # noqa: BLE001 - a user's bug must not end a worker
            self._shared.complaints.about(self.node.name, error)
            return self._held

    def _next_deadline(self) -> float | None:
        try:
            return self._stage.next_deadline()
        except Exception as error:  # noqa: BLE001 - a user's bug must not end a worker
            self._shared.complaints.about(self.node.name, error)
            return None

    async def _add(self, batch: Batch) -> None:
        count, size = len(batch.events), batch.size
        self.hand.batches = [batch]
        started = self._clock.now()
        try:
            released = batches_of(
                self._stage.add(list(batch.events), self._clock.now())
            )
        except asyncio.CancelledError as error:
            released = []
            self._refuse(batch, unasked(error))
        except Exception as error:  # noqa: BLE001 - a user's bug costs one batch
            released = []
            self._refuse(batch, error)
        else:
            self._accept(batch)
        self.node.books.time(self._clock.now() - started)
        self.hand.batches = EMPTY
        await self._release(released, batch.events)
        self._inbox.done(count, size)

    def _accept(self, batch: Batch) -> None:
        if self._follows:
            self._line.add(batch, self._held)
        else:
            batch.settle(DeliveryStatus.DELIVERED)
        self._held += len(batch.events)

    def _refuse(self, batch: Batch, error: Exception) -> None:
        """Book a batch whose ``add`` failed; what was taken in before stays held."""
        self._shared.complaints.about(self.node.name, error, len(batch.events))
        taken = max(0, min(self._ask_held() - self._held, len(batch.events)))
        accepted, refused = batch.split(taken)
        self._accept(accepted)
        self.node.books.fail(refused, error)

    def _call(self, method: Any) -> list[list[Any]]:
        try:
            return batches_of(method(self._clock.now()))
        except asyncio.CancelledError as error:
            self._shared.complaints.about(self.node.name, unasked(error))
        except Exception as error:  # noqa: BLE001 - a user's bug must not end a worker
            self._shared.complaints.about(self.node.name, error)
        return []

    async def _flush(self) -> None:
        await self._release(self._call(self._stage.flush))

    async def _release(
        self, released: list[list[Any]], given: Sequence[Any] = ()
    ) -> None:
        """Book what came out and what disappeared, then hand it on batch by batch."""
        self._book(released, given)
        waiting = Hand(self.node)
        waiting.batches = deque(
            Batch(e, self._take_claims(len(e))) for e in released if e
        )
        self.hands.add(waiting)
        while waiting.batches:
            batch = waiting.batches.popleft()
            self.hand.node = self.node
            self.hand.batches = [batch]
            await self._row.take(batch, self.hand, self.node.books)
        self.hands.discard(waiting)
        self.hand.node = self.node

    def _take_claims(self, count: int) -> Any:
        return self._line.take(count) if self._follows else None

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
        held = self._ask_held()
        if held:
            self.node.books.dropped[reason] += held
        self._line.settle_all(DeliveryStatus.DROPPED, error)
        self._written_off = True

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


def batches_of(released: Any) -> list[list[Any]]:
    """What an accumulator released, as a list of batches."""
    if isinstance(released, Batches):
        return [list(batch) for batch in released]
    if isinstance(released, list):
        return [released]
    raise TypeError(
        f"an accumulator released {type(released).__name__}; expected a list of "
        "events, or Batches for several lists"
    )


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
        self._write_through = layered(
            self._attempt, sink, shared.clock, shared.patience
        )
        self._batcher = batcher_for(sink, queue.settings.capacity)
        self._line = ClaimLine()
        self._slots = asyncio.Semaphore(sink.max_in_flight)
        self._alone = sink.max_in_flight == 1
        self._now = shared.clock.now
        self._direct = self._alone and self._batcher is None
        self.hand = Hand(node)
        self.hands.add(self.hand)
        self._writes: dict[asyncio.Task[None], Hand] = {}

    async def work(self) -> None:
        """Write until the input ends and the last write has."""
        slice_of_time = TimeSlice()
        while True:
            deadline = None if self._batcher is None else self._batcher.next_deadline()
            item = self._inbox.get_nowait() or await self._inbox.get(deadline)
            if isinstance(item, Batch):
                if self._direct:
                    self.hand.batches = (item,)
                    await self._write(self.hand, item)
                else:
                    await self._take(item)
            elif self._batcher is not None:
                now = self._clock.now()
                held = self._batcher.tick if item is None else self._batcher.flush
                await self._launch([held(now)])
            if item is END or isinstance(item, Mark):
                await self._all_written()
            if isinstance(item, Mark):
                item.arrive()
            elif item is END:
                return
            if slice_of_time.is_used():
                await slice_of_time.rest()

    async def _take(self, batch: Batch) -> None:
        batcher = self._batcher
        if batcher is None:
            await self._start(batch)
            return
        held = batcher.held()
        try:
            released = batcher.add(batch.events, self._clock.now())
        except Exception as error:  # noqa: BLE001 - a user's size() costs one batch
            self._fail(batch, error)
            self._inbox.done(len(batch.events), batch.size)
            return
        self._line.add(batch, held)
        await self._launch(released)

    async def _launch(self, released: list[list[Any]]) -> None:
        """Write batch after batch; those that wait for their turn are in a hand."""
        waiting = Hand(self.node)
        waiting.batches = deque(
            Batch(e, self._line.take(len(e))) for e in released if e
        )
        self.hands.add(waiting)
        while waiting.batches:
            batch = waiting.batches.popleft()
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
        task = asyncio.get_running_loop().create_task(self._write_beside(hand, batch))
        self._writes[task] = hand
        task.add_done_callback(self._writes.pop)

    async def _write_beside(self, hand: Hand, batch: Batch) -> None:
        try:
            await self._write(hand, batch)
        except asyncio.CancelledError as error:
            hand.drop(self._shared.ending or "cancelled", error)
        finally:
            self.hands.discard(hand)
            self._slots.release()

    async def _write(self, hand: Hand, batch: Batch) -> None:
        books = self.node.books
        started = self._now()
        try:
            await self._write_through(list(batch.events))
        except asyncio.CancelledError as error:
            hand.check()
            self._fail(batch, unasked(error))
        except Exception as error:  # noqa: BLE001 - a sink's failure is booked
            hand.check()
            self._fail(batch, error)
        else:
            hand.check()
            books.delivered += len(batch.events)
            if batch.claims is not None:
                batch.settle(DeliveryStatus.DELIVERED)
        hand.batches = EMPTY
        books.batches += 1
        books.busy += self._now() - started
        self._inbox.done(len(batch.events), batch.size)

    def _fail(self, batch: Batch, error: Exception) -> None:
        count = len(batch.events)
        if isinstance(error, PartialError):
            failed = valid_failures(error.failed, count)
            self.node.books.fail_some(batch, failed)
            self.node.books.deliver_others(batch, failed)
            error, count = next(iter(failed.values()), error), len(failed)
        else:
            self.node.books.fail(batch, error)
        self._shared.complaints.about(self.node.name, error, count)

    async def _all_written(self) -> None:
        while self._writes:
            await asyncio.wait(self._writes)

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
        await self._all_written()

    def held_inside(self) -> int:
        """Events that wait for their batch to fill."""
        return 0 if self._batcher is None else self._batcher.held()

    def leave(self) -> None:
        """Nothing stands after a sink; its threads may end."""
        self._inbox.forward_marks(Mark.arrive)
        if isinstance(self._attempt, BlockingCall):
            self._attempt.close()
