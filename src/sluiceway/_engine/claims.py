"""ClaimLine, AgeLine: who waits for the events that an order-keeping accumulator holds,
and since when it holds them.

Law: first in, first out, by count; the accumulator's promise of order makes it right.
"""

from __future__ import annotations

from collections import deque

from ..batch import Batch, Ranges, split_ranges
from ..delivery import DeliveryStatus


class ClaimLine:
    """Claims in the order of their events."""

    def __init__(self) -> None:
        self._claims: Ranges = []
        self._claimed = False

    def add(self, batch: Batch, ahead: int) -> None:
        """The events of ``batch`` stand in line behind the ``ahead`` held before."""
        if not self._claimed:
            if batch.claims is None:
                return
            self._claimed = True
            self._claims = [(None, ahead)] if ahead else []
        self._claims += batch.ranges()

    def take(self, count: int) -> Ranges | None:
        """The claims of the first ``count`` events."""
        if not self._claimed:
            return None
        taken, self._claims = split_ranges(self._claims, count)
        self._claimed = bool(self._claims)
        return taken

    def settle_all(self, status: DeliveryStatus, error: BaseException | None) -> None:
        """Tell everybody who still waits how it ended."""
        for delivery, count in self._claims:
            if delivery is not None:
                delivery.settle(status, count, error)
        self._claims, self._claimed = [], False


class AgeLine:
    """Since when events are held, in their order."""

    def __init__(self) -> None:
        self._ages: deque[tuple[float, int]] = deque()

    def add(self, count: int, now: float) -> None:
        """So many more are held from now on."""
        if count:
            self._ages.append((now, count))

    def take(self, count: int) -> float | None:
        """Since when the first of so many is held; None if none was given."""
        ages = self._ages
        oldest = ages[0][0] if ages else None
        while ages and count > 0:
            since, held = ages.popleft()
            if held > count:
                ages.appendleft((since, held - count))
            count -= held
        return oldest
