"""Aggregates: what was measured so far, by metric and tags, for whoever asks here.

Law: constant room for each series, however much is measured; sums are never lost: what
is beyond the limit of series is added up in one that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from attrs import define

OVERFLOW: Final = {"otel.metric.overflow": "true"}
Key = frozenset[tuple[str, str]]


@define
class Aggregate:
    """The measurements of one series.

    Attributes:
        count: how many.
        total: their sum.
        minimum: the least of them.
        maximum: the greatest.
        last: the latest.
        place: which of all measurements of the metric the latest is.
    """

    count: int = 0
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    last: float = 0.0
    place: int = 0

    def add(self, value: float, place: int) -> None:
        """Take in a measurement."""
        self.count += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        self.last = value
        self.place = place

    def merged(self, other: Aggregate) -> Aggregate:
        """What both have measured."""
        latest = max(self, other, key=lambda each: each.place)
        return Aggregate(
            self.count + other.count,
            self.total + other.total,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            latest.last,
            latest.place,
        )


AGGREGATIONS: Final[Mapping[str, Callable[[Aggregate], float]]] = {
    "sum": lambda found: found.total,
    "count": lambda found: float(found.count),
    "avg": lambda found: found.total / found.count,
    "min": lambda found: found.minimum,
    "max": lambda found: found.maximum,
    "last": lambda found: found.last,
}


class Aggregates:
    """The series of one metric.

    Args:
        limit: how many.
    """

    __slots__ = ("_limit", "_series", "_taken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._series: dict[Key, Aggregate] = {}
        self._taken = 0

    def add(self, tags: Mapping[str, str], value: float) -> None:
        """Take in a measurement of the series with these tags."""
        key = frozenset(tags.items())
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._limit:
                key = frozenset(OVERFLOW.items())
            series = self._series.setdefault(key, Aggregate())
        self._taken += 1
        series.add(value, self._taken)

    def grouped(
        self, tags: Mapping[str, str], group_by: Collection[str]
    ) -> dict[tuple[str, ...], Aggregate]:
        """What the series that have these tags measured, by the values of others.

        A tag that a series does not have has the value ``""``.
        """
        found: dict[tuple[str, ...], Aggregate] = {}
        for key, series in self._series.items():
            have = dict(key)
            if all(have.get(name, "") == tags[name] for name in tags):
                group = tuple(have.get(name, "") for name in group_by)
                found[group] = found.get(group, Aggregate()).merged(series)
        return found
