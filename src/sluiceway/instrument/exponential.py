"""Exponential histograms: buckets that grow by a power of two and find their own scale.

Law: the scale is the largest at which everything fits; it only falls. Zero has a bucket
of its own. Source: OpenTelemetry specification, ``metrics/sdk.md``, "Base2 Exponential
Bucket Histogram Aggregation".
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..events import ExponentialBuckets, ExponentialHistogram, MetricKind
from ..formats.histograms import bucket_index, steps_to_fit
from ..settings import number
from .aggregations import Aggregation
from .exemplars import Reservoir
from .numbers import INFINITY, as_float
from .series import Series

MOST_EXEMPLARS = 20


class ExponentialSeries(Series):
    """Counts measurements from 0 on in exponential buckets.

    Args:
        attributes: as of every series.
        start: as of every series.
        max_size: buckets at most, the one for zero not counted.
        scale: the scale to begin with.

    Attributes:
        count: measurements that are not zero.
        counts: how many of them are in each bucket that was used.
        high: the largest.
        low: the smallest.
        scale: how fine the buckets are.
        total: the sum of all.
        zeros: measurements of zero.
    """

    __slots__ = (
        "_size",
        "count",
        "counts",
        "high",
        "low",
        "scale",
        "total",
        "zeros",
    )

    def __init__(
        self, attributes: dict[str, Any], start: int, max_size: int, scale: int
    ) -> None:
        super().__init__(attributes, start)
        self._size = max_size
        self.scale = scale
        self.counts: dict[int, int] = {}
        self.count = 0
        self.zeros = 0
        self.total = 0.0
        self.low = INFINITY
        self.high = -INFINITY

    def record(self, amount: float) -> None:
        """Count one; the caller has seen to it that it is not negative."""
        if amount:
            scale, index = self._find(amount)
            # A signal handler may lower the scale while the index is made.
            while self.scale != scale or index not in self.counts:
                self._make_room(index)
                scale, index = self._find(amount)
            self.counts[index] += 1
            self.count += 1
        else:
            self.zeros += 1
        self.total += amount
        if amount < self.low:  # noqa: PLR1730 - as in BucketSeries.record
            self.low = amount
        if amount > self.high:  # noqa: PLR1730
            self.high = amount

    def _find(self, amount: float) -> tuple[int, int]:
        """The scale, and the index that the amount has at this scale."""
        scale = self.scale
        return scale, bucket_index(amount, scale)

    def _make_room(self, index: int) -> None:
        """Make a bucket for the index, at a lower scale if need be."""
        counts, count_before = self.counts, self.count
        used = [index, *counts]
        steps = steps_to_fit([(min(used), max(used))], self._size)
        if not steps:
            counts.setdefault(index, 0)
            return
        joined: dict[int, int] = {index >> steps: 0}
        for at, count in counts.copy().items():
            joined[at >> steps] = joined.get(at >> steps, 0) + count
        if counts is self.counts and count_before == self.count:
            self.counts, self.scale = joined, self.scale - steps

    def value(self) -> ExponentialHistogram:
        """The counts as they are now; the caller holds the table's lock, or owns it."""
        # the call comes last: a signal handler that measures waits for it
        low, high, total, zeros = self.low, self.high, self.total, self.zeros
        scale, counts = self.scale, self.counts.copy()
        return ExponentialHistogram(
            count=zeros + sum(counts.values()),
            sum=total,
            scale=scale,
            zero_count=zeros,
            positive=buckets_of(counts),
            min=as_float(low) if low < INFINITY else None,
            max=as_float(high) if high > -INFINITY else None,
        )


def buckets_of(counts: dict[int, int]) -> ExponentialBuckets:
    """The buckets from the first to the last that counts anything."""
    used = sorted(index for index, count in counts.items() if count)
    if not used:
        return ExponentialBuckets()
    indices = range(used[0], used[-1] + 1)
    return ExponentialBuckets(used[0], [counts.get(index, 0) for index in indices])


@frozen
class ExponentialAggregation(Aggregation):
    """Counts in exponential buckets, which need no bounds to be chosen.

    Args:
        max_size: buckets at most, 2 to 16,384; default 160.
        max_scale: the scale to begin with, -10 to 20; default 20. A bucket is
            ``2 ** (2 ** -scale)`` times as high as the one before.

    Raises:
        ConfigurationError: a setting that is out of range.
    """

    kind = MetricKind.EXPONENTIAL_HISTOGRAM
    lowest = 0

    max_size: int = field(default=160, validator=number(2, 16384, whole=True))
    max_scale: int = field(default=20, validator=number(-10, 20, whole=True))

    def series(self, attributes: dict[str, Any], start: int) -> ExponentialSeries:
        """An empty series."""
        return ExponentialSeries(attributes, start, self.max_size, self.max_scale)

    def reservoir(self) -> Reservoir:
        """A fixed number of exemplars: the buckets are many and move."""
        return Reservoir(min(MOST_EXEMPLARS, self.max_size))
