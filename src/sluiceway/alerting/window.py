"""What has happened in the latest seconds, in a bounded number of slots.

Law: pure, told the time. A window of ``w`` seconds is kept in 60 slots: a value leaves
it when it is between ``w`` and ``w * 61 / 60`` old, and a million values take no more
memory than one.
"""

from __future__ import annotations

from collections import deque
from typing import Final

SLOTS: Final = 60


class Slot:
    """The values of a sixtieth of a window."""

    __slots__ = ("count", "first", "last", "least", "most", "number", "total")

    def __init__(self, number: int, value: float) -> None:
        self.number = number
        self.count = 1
        self.total = self.first = self.last = self.least = self.most = value


class Window:
    """The values of the latest seconds.

    Args:
        seconds: how long a value counts.
    """

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLOTS
        self._slots: deque[Slot] = deque()
        self._until = 0.0  # when the newest slot ends

    def add(self, value: float, now: float) -> None:
        """Take a value in; a clock that goes back changes no slot."""
        if now >= self._until or not self._slots:
            self._begin(value, now)
            return
        slot = self._slots[-1]
        slot.count += 1
        slot.total += value
        slot.last = value
        if value < slot.least:
            slot.least = value
        elif value > slot.most:
            slot.most = value

    def _begin(self, value: float, now: float) -> None:
        number = int(now / self._width)
        self._until = (number + 1) * self._width
        self.forget(now)
        self._slots.append(Slot(number, value))

    def forget(self, now: float) -> None:
        """Leave out what is too old."""
        oldest = int(now / self._width) - SLOTS
        while self._slots and self._slots[0].number < oldest:
            self._slots.popleft()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self._slots

    def count(self) -> int:
        """How many values are in it."""
        return sum(slot.count for slot in self._slots)

    def total(self) -> float:
        """Their sum."""
        return sum(slot.total for slot in self._slots)

    def least(self) -> float:
        """The smallest; there must be one."""
        return min(slot.least for slot in self._slots)

    def most(self) -> float:
        """The largest; there must be one."""
        return max(slot.most for slot in self._slots)

    def first(self) -> float:
        """The oldest; there must be one."""
        return self._slots[0].first

    def last(self) -> float:
        """The newest; there must be one."""
        return self._slots[-1].last
