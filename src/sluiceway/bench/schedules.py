"""When events are due: steady, in bursts, or rising.

Law: pure. A schedule answers two questions, when an event is due and how many are due
by now, and the answers agree. Seconds count from the beginning of the load.
"""

from __future__ import annotations

import math
from typing import Protocol

from attrs import field, frozen

from ..settings import number

ROUNDING = 1e-9  # of an event, so that an event is due at its own time


class Schedule(Protocol):
    """When events are due."""

    def time_of(self, index: int) -> float:
        """The second at which the event of that index, from 0, should be sent."""
        ...

    def count_by(self, seconds: float) -> int:
        """How many events should have been sent by then."""
        ...

    def share(self, parts: int) -> Schedule:
        """The schedule of one of several sources that share the load."""
        ...


@frozen
class Steady:
    """One event after the other.

    Attributes:
        rate: events per second.
    """

    rate: float = field(validator=number(1e-3))

    def time_of(self, index: int) -> float:
        """Evenly spread."""
        return index / self.rate

    def count_by(self, seconds: float) -> int:
        """The first one is due at once."""
        return math.floor(seconds * self.rate + ROUNDING) + 1

    def share(self, parts: int) -> Steady:
        """A part of the rate."""
        return Steady(self.rate / parts)


@frozen
class Bursts:
    """Many events at once, and then none for a while.

    Attributes:
        size: events of a burst.
        every: seconds from one burst to the next.
    """

    size: int = field(validator=number(1, whole=True))
    every: float = field(validator=number(1e-3))

    def time_of(self, index: int) -> float:
        """That of its burst."""
        return (index // self.size) * self.every

    def count_by(self, seconds: float) -> int:
        """Whole bursts."""
        return (math.floor(seconds / self.every + ROUNDING) + 1) * self.size

    def share(self, parts: int) -> Bursts:
        """A part of each burst."""
        return Bursts(max(1, self.size // parts), self.every)


@frozen
class Ramp:
    """From nothing to a rate, which then stays.

    Attributes:
        rate: events per second in the end.
        seconds: how long it takes to get there.
    """

    rate: float = field(validator=number(1e-3))
    seconds: float = field(validator=number(1e-3))

    def time_of(self, index: int) -> float:
        """By a rate that rises evenly."""
        rising = self.rate * self.seconds / 2
        if index < rising:
            return math.sqrt(2 * index * self.seconds / self.rate)
        return self.seconds + (index - rising) / self.rate

    def count_by(self, seconds: float) -> int:
        """The area below the rate."""
        risen = min(seconds, self.seconds)
        area = self.rate * risen**2 / (2 * self.seconds)
        area += self.rate * max(0.0, seconds - self.seconds)
        return math.floor(area + ROUNDING) + 1

    def share(self, parts: int) -> Ramp:
        """A part of the rate."""
        return Ramp(self.rate / parts, self.seconds)
