"""Instruments for given attributes, for what is measured all the time.

Law: as of the instruments. The series is looked up each time, by a key that is made
once, because a collection may begin another one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .context import SPAN_KEY, get_context
from .numbers import LARGEST, MOST
from .series import UNKNOWN, Attributes, quick_key
from .values import plain_attributes

if TYPE_CHECKING:
    from .instruments import Instrument


class Bound:
    """What the bound instruments share.

    Args:
        instrument: the instrument.
        memo: where it looks its series up.
        attributes: of all measurements; a copy is kept.
        exemplars: whether a measurement in a span may become an exemplar.
    """

    __slots__ = ("_attributes", "_exemplars", "_instrument", "_key", "_memo")

    def __init__(
        self,
        instrument: Instrument,
        memo: Mapping[bytes, Any],
        attributes: Attributes,
        *,
        exemplars: bool,
    ) -> None:
        self._instrument = instrument
        self._memo = memo
        self._attributes = plain_attributes(attributes)
        self._exemplars = exemplars
        key = quick_key(self._attributes)
        self._key = UNKNOWN if key is None else key

    def __repr__(self) -> str:
        return f"<{self._instrument!r} of {self._attributes!r}>"


class BoundCounter(Bound):
    """A counter for given attributes."""

    __slots__ = ()

    def add(self, amount: float = 1) -> None:
        """Add ``amount``; a negative one, NaN or infinity is refused."""
        kind = type(amount)
        if (kind is int and 0 <= amount <= MOST) or (
            kind is float and 0 <= amount <= LARGEST
        ):
            try:
                self._memo[self._key].number += amount
            except (KeyError, OverflowError):  # the long way knows the series
                pass
            else:
                if self._exemplars and SPAN_KEY in get_context():
                    self._instrument.offer(self._key, amount, self._attributes)
                return
        self._instrument.measure(amount, self._attributes, None)


class BoundUpDownCounter(Bound):
    """An up-down counter for given attributes."""

    __slots__ = ()

    def add(self, amount: float) -> None:
        """Add ``amount``, which may be negative; NaN and infinity are refused."""
        kind = type(amount)
        if (kind is int and -MOST <= amount <= MOST) or (
            kind is float and -LARGEST <= amount <= LARGEST
        ):
            try:
                self._memo[self._key].number += amount
            except (KeyError, OverflowError):  # the long way knows the series
                pass
            else:
                if self._exemplars and SPAN_KEY in get_context():
                    self._instrument.offer(self._key, amount, self._attributes)
                return
        self._instrument.measure(amount, self._attributes, None)


class BoundGauge(Bound):
    """A gauge for given attributes."""

    __slots__ = ()

    def set(self, amount: float) -> None:
        """The value from now on; NaN and infinity are refused."""
        kind = type(amount)
        if (kind is int and -MOST <= amount <= MOST) or (
            kind is float and -LARGEST <= amount <= LARGEST
        ):
            try:
                self._memo[self._key].number = amount
            except (KeyError, OverflowError):  # the long way knows the series
                pass
            else:
                if self._exemplars and SPAN_KEY in get_context():
                    self._instrument.offer(self._key, amount, self._attributes)
                return
        self._instrument.measure(amount, self._attributes, None)


class BoundHistogram(Bound):
    """A histogram for given attributes.

    Args:
        instrument: as of every bound instrument.
        memo: as of every bound instrument.
        attributes: as of every bound instrument.
        bounds: the buckets' upper bounds.
        exemplars: as of every bound instrument.
    """

    __slots__ = ("_bounds",)

    def __init__(
        self,
        instrument: Instrument,
        memo: Mapping[bytes, Any],
        attributes: Attributes,
        bounds: Sequence[float],
        *,
        exemplars: bool,
    ) -> None:
        super().__init__(instrument, memo, attributes, exemplars=exemplars)
        self._bounds = bounds

    def record(self, amount: float) -> None:
        """Count one measurement; NaN and infinity are refused."""
        kind = type(amount)
        if (kind is int and -MOST <= amount <= MOST) or (
            kind is float and -LARGEST <= amount <= LARGEST
        ):
            bucket = bisect_left(self._bounds, amount)
            try:
                series = self._memo[self._key]
            except KeyError:  # the long way knows the series
                pass
            else:
                series.counts[bucket] += 1
                series.total += amount
                if amount < series.low:  # noqa: PLR1730 - as in Histogram.record
                    series.low = amount
                if amount > series.high:  # noqa: PLR1730
                    series.high = amount
                if self._exemplars and SPAN_KEY in get_context():
                    self._instrument.offer(
                        self._key, amount, self._attributes, None, bucket
                    )
                return
        self._instrument.measure(amount, self._attributes, None)
