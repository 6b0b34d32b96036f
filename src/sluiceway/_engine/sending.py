"""SourceWorker: runs a source, and is behind the ``send`` that it is given.

Law: each ``send`` answers for its own events, whoever cancels it; a flush begins behind
what has been sent and what is being sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

from ..batch import Batch, OwnBatch
from ..calls import ONE_EVENT, unasked
from ..delivery import Delivery, DeliveryStatus
from ..errors import PipelineStateError
from ..inlet import wake
from .fanout import Outlet, cannot
from .graph import Node
from .hands import Hand
from .marks import Mark
from .workers import Shared, TimeSlice, Worker


class SourceWorker(Worker):
    """Runs a source and hands on what it sends.

    Args:
        node: the source.
        outlet: where its events go.
        shared: what all workers share.
    """

    def __init__(self, node: Node, outlet: Outlet, shared: Shared) -> None:
        super().__init__(node, None, shared)
        self._outlet = outlet
        own = node.stage.tells_of_pipeline
        self._batch = OwnBatch if own else Batch
        self._put_nowait = cannot if own else outlet.put_nowait
        self._books = node.books
        self._now = shared.clock.now
        self._wants_delivery = bool(node.stage.wants_delivery)
        self._open = True
        self._task: asyncio.Task[Any] | None = None
        self._sent: asyncio.Future[None] | None = None  # what ``settle_down`` waits for
        self._slice = TimeSlice(shared.clock)
        self._marks: list[tuple[Mark, set[Hand]]] = []  # and the sends before each
        self.stopping = False  # it has been cancelled because intake stops

    async def work(self) -> None:
        """Let the source run to its end, and all that it sends arrive."""
        self._task = asyncio.current_task()
        try:
            await self.node.stage.run(self.send)
        except (asyncio.CancelledError, SystemExit) as error:
            self.failure = unasked(error)
        except Exception as error:  # noqa: BLE001 - it fails alone, others go on
            self.failure = error
        if self.failure is not None:
            self._shared.complaints.about(self.node.name, self.failure)
        await self.settle_down()

    async def settle_down(self) -> None:
        """Wait for what tasks of the source's own are still sending."""
        self._open = False
        while self.hands:
            self._sent = asyncio.get_running_loop().create_future()
            await self._sent

    async def send(self, events: Iterable[Any]) -> Delivery:
        """Hand events on; this is the ``send`` that a source is given."""
        given = refuse(events) if isinstance(events, ONE_EVENT) else list(events)
        count = len(given)
        if self._wants_delivery:
            delivery = Delivery(count)
            batch = self._batch(given, delivery, 0, self._now())
        else:
            delivery = UNTRACKED
            batch = self._batch(given, None, 0, self._now())
        if not count:  # a source that sends nothing must not keep the loop
            await asyncio.sleep(0)
            return delivery
        self._books.created += count
        if self._open and self._put_nowait(batch):
            self._books.sent += count
            if batch.since >= self._slice.until:
                await self._slice.rest()
            return delivery
        hand = Hand(self.node)
        hand.batches = untouched = (batch,)
        self.hands.add(hand)
        try:
            if self._open:
                await self._outlet.send(hand, batch)
            else:
                hand.drop("stopped")
        except BaseException as error:
            if hand.batches is untouched and self._is_called_off():
                self._books.created -= count
                batch.settle(DeliveryStatus.DROPPED, error)
            else:
                hand.drop(self._reason(), error)
            raise
        finally:
            self._let_go(hand)
        return delivery

    def _let_go(self, hand: Hand) -> None:
        """One more ``send`` has come to its end."""
        self.hands.discard(hand)
        if self._sent is not None and not self.hands:
            wake(self._sent)
        if self._marks:
            self._pass_marks()

    def _is_called_off(self) -> bool:
        """Whether the source has cancelled a ``send`` of its own making.

        If nothing was handed on yet, the source, which may be a server that answers
        "try again", has its events back. A source that is being stopped or cancelled
        as a whole has lost them.
        """
        ending = self.stopping or self._shared.ending is not None
        return not ending and asyncio.current_task() is not self._task

    def _reason(self) -> str:
        """Why a ``send`` that was cancelled has lost its events."""
        return self._shared.ending or ("stopped" if self.stopping else "cancelled")

    def pass_mark(self, mark: Mark) -> None:
        """Begin a flush behind what has been sent, and what is being sent."""
        self._marks.append((mark, {*self.hands}))
        self._pass_marks()

    def _pass_marks(self) -> None:
        marks, self._marks = self._marks, []
        for mark, hands in marks:
            if hands & self.hands:
                self._marks.append((mark, hands))
            else:
                self._outlet.pass_mark(mark)

    def droppable(self) -> list[Hand]:
        """None: each ``send`` answers for its own hand."""
        return []

    def abandon(self, reason: str) -> None:  # noqa: ARG002 - nothing is in its hands
        """Stop listening to a source that does not end."""
        self._end()

    def leave(self) -> None:
        """End of input."""
        self._open = False
        self._outlet.close()


def refuse(event: Iterable[Any]) -> NoReturn:
    """Tell a source that it has sent an event where a list of them is expected.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"send takes a list of events, not a {type(event).__name__}; use send([event])"
    )


class UntrackedDelivery(Delivery):
    """What ``send`` returns to a source that does not ask for deliveries."""

    __slots__ = ()

    def __await__(self) -> Any:
        raise PipelineStateError(
            "this source gets no deliveries; set wants_delivery = True on its class"
        )


UNTRACKED = UntrackedDelivery(0)
