"""Hand: the batches that a worker holds at this moment, and at which stage.

Law: what a worker has taken and not yet handed on stands in its hand, so that ``held``
is counted by looking, and whatever ends a worker finds what it must answer for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection

from ..batch import Batch, is_own
from .graph import Node

EMPTY: tuple[Batch, ...] = ()
NONE_ENDED: Collection[int] = ()


class Hand:
    """The batches in one worker's hand, all at the same stage.

    Attributes:
        ended: indices of the batch that is being written that earlier tries have ended:
            they are booked, and in the hand no more.
    """

    __slots__ = ("abandoned", "batches", "ended", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.batches: list[Batch] | tuple[Batch, ...] | deque[Batch] = EMPTY
        self.abandoned = False
        self.ended = NONE_ENDED

    def held(self) -> int:
        """Events in the hand."""
        return sum(len(batch.events) for batch in self.batches)

    def held_own(self) -> int:
        """Those of them by which the pipeline tells of itself."""
        return sum(len(batch.events) for batch in self.batches if is_own(batch))

    def drop(self, reason: str, error: BaseException | None = None) -> None:
        """Give up what is in the hand; each leaves it before its claimants hear."""
        left = self.batches = deque(self.batches)
        while left:
            batch = left.popleft()
            if batch.events:
                self.node.books_of(batch).drop(batch, reason, error)
        self.batches = EMPTY

    def abandon(self, reason: str) -> None:
        """Give up, for good: the stage does not let go, and nobody waits for it."""
        self.drop(reason)
        self.abandoned = True

    def check(self) -> None:
        """Leave the worker if it was abandoned while a stage had the control."""
        if self.abandoned:
            raise asyncio.CancelledError
