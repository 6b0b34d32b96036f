"""BridgeSource: the source behind a bridge, which knows when its events have ended.

Law: offering never waits for the pipeline, and a thread that waits never holds up the
loop. Events are handed over in the order in which they were offered, so that what was
offered before a call is answered for once every batch before that place is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from ..delivery import Delivery, Outcome
from ..inlet import Inlet
from ..stages import Send, StageContext

T = TypeVar("T")


class BridgeSource(Inlet[T]):
    """An inlet that one bridge feeds, from any thread.

    Args:
        name: its name in the graph.
        capacity: events that it buffers.

    Raises:
        ConfigurationError: ``capacity`` is not a positive whole number.
    """

    wants_delivery = True

    def _reset(self) -> None:
        super()._reset()
        self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None  # while it is open
        self._offering = threading.RLock()  # reentrant: a __del__ may end a span
        self._offered = 0  # events that were taken in
        self._change = threading.Condition()
        self._sent = 0  # events that were handed over or given up
        self._unanswered: dict[int, int] = {}  # the places where such batches begin
        self._losses = 0  # batches that did not arrive whole, until somebody is told

    # What the bridge calls.

    def offer(self, events: Sequence[T], unreadable: int = 0) -> bool:
        """Take the events in that there is room for, at once and from any thread.

        Args:
            events: in order.
            unreadable: how many more there were that could not be made into events.

        Returns:
            False if some were refused: ``dropped{queue_full}``, ``dropped{closed}`` or
            ``dropped{unreadable}``.
        """
        with self._offering:  # for appending to a deque, not for the pipeline
            taken = sum(map(self.emit_nowait, events))
            self._offered += taken
        if unreadable:
            with self._refusal_lock:
                self._refusals["unreadable"] += unreadable
        return taken == len(events) + unreadable

    def end(self) -> None:
        """Take nothing more, for good: the end of input."""
        self._ended = True
        self._refuse_all()
        if self._asleep:
            self._wake()

    def _refuse_all(self) -> None:
        self._closed = True
        self._room = 0

    def wait_until_answered(self, seconds: float) -> bool:
        """Wait until what was offered before this call has been answered for.

        Args:
            seconds: how long at most; on the pipeline's own event loop it only looks.

        Returns:
            Whether that was in time, and nothing was lost since the last such answer.
            False at once if something waits and no pipeline runs.
        """
        with self._offering:
            goal = self._offered
        if self._is_own_loop():
            seconds = 0.0
        with self._change:
            self._change.wait_for(partial(self._is_over, goal), max(0.0, seconds))
            if self._answered() < goal:
                return False
            losses, self._losses = self._losses, 0
            return not losses

    def _is_own_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _is_over(self, goal: int) -> bool:
        return self._loop is None or self._answered() >= goal

    def _answered(self) -> int:
        return next(iter(self._unanswered), self._sent)

    # What the engine calls.

    async def open(self, context: StageContext) -> None:
        """Take events in, unless the bridge was shut down."""
        await super().open(context)
        if self._ended:
            self._refuse_all()
        self._loop = asyncio.get_running_loop()

    async def run(self, send: Send[T]) -> None:
        """Hand over what is offered, and note what becomes of it."""

        async def send_noted(events: Iterable[Any]) -> Delivery:
            place = self._begin(len(batch := list(events)))
            try:
                delivery = await send(batch)
            except BaseException:
                self._finish(place, lost=True)
                raise
            delivery.add_callback(partial(self._told, place))
            return delivery

        await super().run(send_noted)

    def _begin(self, count: int) -> int:
        with self._change:
            place = self._sent
            self._sent += count
            self._unanswered[place] = count
        return place

    def _told(self, place: int, outcome: Outcome) -> None:
        self._finish(place, lost=not outcome.is_delivered)

    def _finish(self, place: int, *, lost: bool) -> None:
        with self._change:
            self._unanswered.pop(place, None)
            self._losses += lost
            self._change.notify_all()

    def discard(self) -> int:
        """Give up what is buffered; how many it was."""
        count = super().discard()
        self._finish(self._begin(count), lost=bool(count))
        return count

    async def close(self) -> None:
        """Let nobody wait for a pipeline that has stopped."""
        with self._change:
            self._loop = None
            self._change.notify_all()
