"""How measurements are added up: what a view may choose, and the series that do it.

Law: a value is read whole. CPython switches threads only where something is called, so
that what stands between two calls happens at once, and no measurement needs a lock.
Source: OpenTelemetry specification, ``metrics/sdk.md``, "Aggregation".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from attrs import Attribute, field, frozen

from ..errors import ConfigurationError
from ..events import Histogram, MetricKind
from .exemplars import AlignedReservoir, Reservoir
from .numbers import INFINITY, LARGEST, as_float, event_number, is_finite
from .series import Series

# The specification's default, which suits milliseconds, and the HTTP conventions' for
# durations in seconds.
BUCKETS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class NumberSeries(Series):
    """A series that holds a number."""

    __slots__ = ("number",)

    def __init__(self, attributes: dict[str, Any], start: int) -> None:
        super().__init__(attributes, start)
        self.number: float = 0

    def value(self) -> float:
        """The number."""
        return event_number(self.number)


class SumSeries(NumberSeries):
    """Adds measurements up."""

    __slots__ = ()

    def record(self, amount: float) -> None:
        """Add one."""
        try:
            self.number += amount
        except OverflowError:  # a whole number too large for a float, and a float
            self.number = as_float(self.number) + amount


class LastSeries(NumberSeries):
    """Keeps the last measurement."""

    __slots__ = ()

    def record(self, amount: float) -> None:
        """Keep this one."""
        self.number = amount


class BucketSeries(Series):
    """Counts measurements in explicit buckets.

    Of some that are negative the histogram has no sum, which might fall.

    Attributes:
        bounds: the buckets' upper bounds.
        counts: one for each bucket, and one for what is above the last bound.
        total: the sum of all.
        low: the smallest.
        high: the largest.
    """

    __slots__ = ("bounds", "counts", "high", "low", "total")

    def __init__(
        self, attributes: dict[str, Any], start: int, bounds: tuple[float, ...]
    ) -> None:
        super().__init__(attributes, start)
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0  # a whole number could grow too large to add a float to
        self.low = INFINITY
        self.high = -INFINITY

    def record(self, amount: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, amount)] += 1
        self.total += amount
        if amount < self.low:  # noqa: PLR1730 - as in Histogram.record
            self.low = amount
        if amount > self.high:  # noqa: PLR1730
            self.high = amount

    def value(self) -> Histogram:
        """The counts as they are now."""
        # one statement without a call: no measurement comes in between
        counts, total, low, high = [*self.counts], self.total, self.low, self.high
        return Histogram(
            count=sum(counts),
            # one that may fall is none in OTLP
            sum=total if low >= 0 else None,
            bucket_counts=counts,
            explicit_bounds=[*self.bounds],
            min=as_float(low) if low < INFINITY else None,
            max=as_float(high) if high > -INFINITY else None,
        )


class Aggregation(ABC):
    """What a view's ``aggregation`` can be."""

    kind: ClassVar[MetricKind]
    lowest: ClassVar[float] = -LARGEST  # that can be measured

    @abstractmethod
    def series(self, attributes: dict[str, Any], start: int) -> Series:
        """An empty series."""

    def reservoir(self) -> Reservoir:
        """An empty reservoir for the exemplars of a series."""
        return Reservoir()


@frozen
class SumAggregation(Aggregation):
    """Adds up: the default of counters."""

    kind = MetricKind.SUM

    def series(self, attributes: dict[str, Any], start: int) -> SumSeries:
        """An empty series."""
        return SumSeries(attributes, start)


@frozen
class LastValueAggregation(Aggregation):
    """Keeps the last value: the default, and the only choice, of gauges."""

    kind = MetricKind.GAUGE

    def series(self, attributes: dict[str, Any], start: int) -> LastSeries:
        """An empty series."""
        return LastSeries(attributes, start)


def own_bounds(bounds: Any) -> Any:
    """A tuple of whatever the bounds stand in; the validator judges it."""
    try:
        return tuple(bounds)
    except TypeError:
        return bounds


def rising(owner: Any, attribute: Attribute[Any], bounds: Any) -> None:
    """An attrs validator: finite numbers, each above the one before."""
    del owner
    right = isinstance(bounds, tuple) and all(map(is_finite, bounds))
    if not right or not all(low < high for low, high in pairwise(bounds)):
        shown = list(bounds) if isinstance(bounds, tuple) else bounds
        raise ConfigurationError(
            f"{attribute.name} is {shown!r}; expected finite numbers, "
            "each above the one before"
        )


@frozen
class HistogramAggregation(Aggregation):
    """Counts in explicit buckets: the default of histograms.

    Args:
        buckets: rising upper bounds, each of which belongs to its bucket.

    Raises:
        ConfigurationError: bounds that do not rise, or are not finite.
    """

    kind = MetricKind.HISTOGRAM

    buckets: Sequence[float] = field(
        default=BUCKETS, converter=own_bounds, validator=rising
    )

    def series(self, attributes: dict[str, Any], start: int) -> BucketSeries:
        """An empty series."""
        return BucketSeries(attributes, start, tuple(self.buckets))

    def reservoir(self) -> Reservoir:
        """One exemplar for each bucket."""
        return AlignedReservoir(self.buckets) if self.buckets else Reservoir()
