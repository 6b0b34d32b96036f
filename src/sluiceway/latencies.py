"""Latencies: how long many things took, in a bounded number of counts.

Law: taking a duration is one append; it is sorted in with many others when a worker
rests, or when somebody looks. 16 buckets for each power of two, from a
nanosecond to twelve days: a percentile is off by 1/32 at most. Count, total and maximum
are exact. Above some 25,000 durations a second every fifth is sorted in, for five.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, inf, ldexp
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

PARTS: Final = 16  # buckets for each power of two
LOWEST: Final = -30  # the power of two below which everything is in bucket 0
HIGHEST: Final = 20  # and the one from which everything is in the last bucket
MANY: Final = 512  # durations that are worth being sorted in
BUSY: Final = 128  # between two rests of a worker, from which a sample of them will do
STRIDE: Final = 5

Buckets = Mapping[int, int]


def bounds() -> Iterator[float]:
    """Where the buckets end, from the shortest on; the last one never does."""
    for octave in range(LOWEST, HIGHEST):
        for part in range(PARTS):
            yield ldexp(1 + part / PARTS, octave)
    yield ldexp(1, HIGHEST)
    yield inf


ENDS: Final = tuple(bounds())


def middle(index: int) -> float:
    """What stands for all durations of a bucket; 0 for those below a nanosecond."""
    if index == 0:
        return 0.0
    begin, end = ENDS[index - 1], ENDS[index]
    return begin if end == inf else (begin + end) / 2


def count_in(ordered: Sequence[float], counts: dict[int, int], weight: int = 1) -> None:
    """Count some durations more, which stand in rising order, each for ``weight``."""
    start, end, index = 0, len(ordered), 0
    while start < end:
        index = bisect_right(ENDS, ordered[start], index)
        stop = bisect_left(ordered, ENDS[index], start)
        counts[index] = counts.get(index, 0) + (stop - start) * weight
        start = stop


def in_order(buckets: Buckets) -> Buckets:
    """An immutable copy, shortest durations first."""
    return MappingProxyType(dict(sorted(buckets.items())))


@frozen
class Latency:
    """How long many things took: a frozen snapshot.

    Attributes:
        count: how many there were.
        total: seconds that they took together.
        max: seconds that the longest took.
        buckets: how many fell into each bucket, by its index in ``ENDS``,
            which says where it ends.
    """

    count: int = 0
    total: float = 0.0
    max: float = 0.0
    buckets: Buckets = field(factory=dict, converter=in_order, repr=False)

    @property
    def mean(self) -> float:
        """Seconds that one took on average; 0 where there was none."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent took at most, within 1/32; 0 without any.

        Args:
            percent: from 0 to 100.
        """
        rank = max(1, ceil(self.count * percent / 100))
        if rank >= self.count:
            return self.max
        seen = 0
        for index, count in self.buckets.items():
            seen += count
            if seen >= rank:
                return min(middle(index), self.max)
        return self.max

    @property
    def p50(self) -> float:
        """Seconds that half of them took at most."""
        return self.percentile(50)

    @property
    def p90(self) -> float:
        """Seconds that nine in ten took at most."""
        return self.percentile(90)

    @property
    def p99(self) -> float:
        """Seconds that 99 in a hundred took at most."""
        return self.percentile(99)

    def since(self, earlier: Latency) -> Latency:
        """Those that came after an earlier snapshot; ``max`` may be 1/16 too large."""
        buckets = {
            index: count - earlier.buckets.get(index, 0)
            for index, count in self.buckets.items()
            if count > earlier.buckets.get(index, 0)
        }
        longest = self.max
        if longest <= earlier.max:
            longest = min(longest, ENDS[max(buckets)] if buckets else 0.0)
        return Latency(
            count=self.count - earlier.count,
            total=max(0.0, self.total - earlier.total),
            max=longest,
            buckets=buckets,
        )

    def joined(self, others: Latency) -> Latency:
        """These and others."""
        buckets = dict(self.buckets)
        for index, count in others.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        return Latency(
            count=self.count + others.count,
            total=self.total + others.total,
            max=max(self.max, others.max),
            buckets=buckets,
        )

    def without(self, others: Latency) -> Latency:
        """Those that are not among the others; ``max`` may be 1/16 too large."""
        return self.since(Latency(others.count, others.total, self.max, others.buckets))

    def counts_below(self, bounds: Sequence[float]) -> list[int]:
        """Counts of explicit buckets: up to each bound, and above the last one.

        A duration is taken for the middle of its bucket.

        Args:
            bounds: seconds, rising.
        """
        counts = [0] * (len(bounds) + 1)
        for index, count in self.buckets.items():
            counts[bisect_left(bounds, middle(index))] += count
        return counts


NONE_YET: Final = Latency()


class Timings:
    """Durations as they come, of one kind; ``add`` takes one."""

    __slots__ = ("_before", "_counts", "_longest", "_new", "_total", "add")

    def __init__(self) -> None:
        self._new: list[float] = []
        self.add = self._new.append  # the engine's hot path calls nothing of ours
        self._counts: dict[int, int] = {}
        self._total = self._longest = 0.0
        self._before = 0  # how many were new at the last rest

    def fold(self) -> None:
        """Sort in what has come, if it is much; a worker calls it when it rests."""
        count = len(self._new)
        if count >= MANY:
            self._sort_in(STRIDE if count - self._before >= BUSY else 1)
        self._before = len(self._new)

    def _sort_in(self, stride: int) -> None:
        new = self._new
        whole = len(new) // stride * stride
        self._total += sum(new)
        longest = max(new, default=0.0)
        self._longest = max(self._longest, longest)
        count_in(sorted(new[:whole:stride]), self._counts, stride)
        count_in(sorted(new[whole:]), self._counts)
        new.clear()

    def snapshot(self) -> Latency:
        """All of them, up to now; what a snapshot has told is never taken back."""
        self._sort_in(1)
        self._before = 0
        return Latency(
            count=sum(self._counts.values()),
            total=self._total,
            max=self._longest,
            buckets=self._counts,
        )
