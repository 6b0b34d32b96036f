"""Room: what fits into a queue, and how much must go so that other events do.

Law: pure. A queue that sheds asks here, and then acts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen


@frozen
class Room:
    """The bounds of a queue.

    Attributes:
        capacity: how many events have room.
        max_bytes: how many bytes they may have; None for any number.
        size_of: the size of one event.
    """

    capacity: int
    max_bytes: int | None
    size_of: Callable[[Any], int]

    def has(self, used: int, used_bytes: int, count: int, size: int) -> bool:
        """Whether ``count`` more events of ``size`` bytes fit; into nothing, any do."""
        if used == 0:
            return True
        limit = self.max_bytes
        fits = limit is None or used_bytes + size <= limit
        return fits and used + count <= self.capacity

    def fitting(self, used: int, used_bytes: int, events: Sequence[Any]) -> int:
        """How many of the events, from the first on, fit."""
        if used == 0:
            return len(events)
        room = max(0, min(len(events), self.capacity - used))
        if self.max_bytes is None:
            return room
        free = self.max_bytes - used_bytes
        for index in range(room):
            free -= self.size_of(events[index])
            if free < 0:
                return index
        return room

    def surplus(self, used: int, used_bytes: int, events: Sequence[Any]) -> int:
        """How many of the events, from the first on, must go, at least one.

        Args:
            used: events that there would be.
            used_bytes: bytes that they would have.
            events: those that may go.
        """
        taken, excess = 0, used_bytes - (self.max_bytes or used_bytes)
        while excess > 0 and taken < len(events):
            excess -= self.size_of(events[taken])
            taken += 1
        return max(1, min(max(used - self.capacity, taken), len(events)))
