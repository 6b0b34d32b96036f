"""How sure one setting is better than another: an exact interval of paired ratios.

Law: pure. If two settings are the same, ratios of pairs are as often above 1 as below,
whatever the noise; then the interval misses 1 no more often than it promises. Source:
Hodges and Lehmann, "Estimates of Location Based on Rank Tests" (1963); Hollander and
Wolfe, "Nonparametric Statistical Methods", 3.2 and 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

from attrs import frozen

CONFIDENCE: Final = 0.95
FEWEST: Final = 6  # pairs, below which no interval of 95 % ends


@frozen
class Interval:
    """How many times as good a setting is as the present one.

    Attributes:
        ratio: the estimate; 1 is no difference.
        low: where the interval begins, and ``high`` where it ends.
        confidence: that the truth lies inside, from 0 to 1.
        pairs: how many comparisons it rests on.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    pairs: int

    @property
    def differs(self) -> bool:
        """Whether the interval is on one side of 1."""
        return self.low > 1 or self.high < 1


def interval_of(ratios: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The interval of some paired ratios, by signed ranks of their logarithms.

    Args:
        ratios: above 0; from six on the interval has ends.
        confidence: that is promised.
    """
    if not ratios:
        return Interval(1.0, 0.0, math.inf, 1.0, 0)
    logs = list(map(math.log, ratios))
    pairs = len(logs)
    means = sorted(
        (logs[i] + logs[j]) / 2 for i in range(pairs) for j in range(i, pairs)
    )
    rank, beyond = outermost(pairs, (1 - confidence) / 2)
    low, high = -math.inf, math.inf
    if rank is not None:
        low, high = means[rank], means[-1 - rank]
    return Interval(
        ratio=math.exp(middle_of(means)),
        low=math.exp(low),
        high=math.exp(high),
        confidence=1 - 2 * beyond,
        pairs=pairs,
    )


def outermost(pairs: int, tail: float) -> tuple[int | None, float]:
    """The highest sum of ranks that is as rare as the tail, and how rare it is.

    None, and 0, if not even the lowest one is.
    """
    total, seen, found, rarity = 2**pairs, 0, None, 0.0
    for rank, ways in enumerate(ways_to_rank(pairs)):
        seen += ways
        if seen > tail * total:
            break
        found, rarity = rank, seen / total
    return found, rarity


@cache
def ways_to_rank(pairs: int) -> tuple[int, ...]:
    """How many subsets of the numbers from 1 to ``pairs`` have each sum."""
    ways = [1]
    for number in range(1, pairs + 1):
        longer = [*ways, *[0] * number]
        for at, count in enumerate(ways):
            longer[at + number] += count
        ways = longer
    return tuple(ways)


def middle_of(ordered: Sequence[float]) -> float:
    """The median of numbers in order."""
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def median(numbers: Sequence[float]) -> float:
    """The median of some numbers; 0 of none."""
    return middle_of(sorted(numbers)) if numbers else 0.0
