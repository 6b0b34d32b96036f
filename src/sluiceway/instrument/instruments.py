"""Counter, UpDownCounter, Gauge and Histogram: aggregated where they are measured.

Law: measuring never raises and never waits. A measurement that cannot be meant (NaN,
infinity, a counter that goes down) is refused, and said once. The quick way takes no
lock: from the look-up of a series to the end of its change nothing is called, so that
CPython switches no thread and runs no signal handler in between.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from logging import getLogger
from typing import Any, ClassVar

from opentelemetry import metrics as api
from opentelemetry.context import Context
from opentelemetry.metrics import _Gauge as ApiGauge

from ..clock import SYSTEM_CLOCK, Clock
from ..events import MetricPoint
from .aggregations import BucketSeries, LastSeries, SumSeries
from .bound import BoundCounter, BoundGauge, BoundHistogram, BoundUpDownCounter
from .context import SPAN_KEY, get_context
from .exemplars import ExemplarSampler
from .identity import SAMPLED
from .kinds import Description
from .numbers import LARGEST, MOST, measured
from .series import FORMAT, NO_KEY, Attributes, Series, bytes_of
from .streams import Moment, Stream
from .timing import Timing

# Without the interpreter's lock, threads switch everywhere: then only ours is exact.
SWITCHES_AT_CALLS = getattr(sys, "_is_gil_enabled", lambda: True)()


class Instrument:
    """What the instruments share.

    Args:
        description: name, unit and the like.
        streams: what its measurements become.
        sampler: takes exemplars; None for none.
        clock: tells how long something takes.
        quick: whether the streams may be measured into without a lock.
    """

    series: ClassVar[type[Series] | None] = None  # that the quick way knows
    lowest: ClassVar[float] = -LARGEST

    def __init__(
        self,
        description: Description,
        streams: Sequence[Stream],
        sampler: ExemplarSampler | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        quick: bool = SWITCHES_AT_CALLS,
    ) -> None:
        self.description = description
        self._clock = clock
        self._streams = streams
        self._exemplars = sampler is not None
        self._refused: set[str] = set()
        aggregations = [stream.shape.aggregation for stream in streams]
        self._lowest = max([self.lowest, *(each.lowest for each in aggregations)])
        # An empty memo finds nothing: all measurements go the long way.
        self._memo: dict[bytes, Any] = {}
        self._bounds: Sequence[float] = ()
        wanted = [type(each.series({}, 0)) for each in aggregations]
        everywhere = sampler is not None and sampler.always
        if quick and wanted == [self.series] and not everywhere:
            self._memo = streams[0].table.memo
            self._bounds = getattr(aggregations[0], "buckets", ())

    def start_afresh(self, start_time: int) -> None:
        """Count from zero, from now on."""
        for stream in self._streams:
            stream.start_afresh(start_time)

    def points(self, moment: Moment) -> Iterator[MetricPoint]:
        """A point for each series of each stream."""
        for stream in self._streams:
            yield from stream.points(moment)

    def preview(self, moment: Moment) -> Iterator[MetricPoint]:
        """A point without a measurement for each stream."""
        for stream in self._streams:
            yield stream.preview(moment)

    def measure(
        self, amount: Any, attributes: Attributes, context: Context | None
    ) -> None:
        """Take a measurement the long way, or refuse it."""
        if not self._streams:  # dropped by a view
            return
        number = measured(amount, self._lowest)
        if number is None:
            low = " from 0" if self._lowest == 0 else ""
            self.refuse(amount, f"a finite number{low}")
            return
        try:
            span = span_in(context)
            for stream in self._streams:
                stream.measure(number, attributes, span)
        except Exception:  # noqa: BLE001 - a user's mapping may do anything
            self.refuse(attributes, "attributes that can be read")

    def offer(
        self,
        key: bytes,
        amount: float,
        attributes: Attributes,
        context: Context | None = None,
        bucket: int | None = None,
    ) -> None:
        """Take what was just measured the quick way as an exemplar, perhaps.

        It mostly is none: then this is all it costs.
        """
        series = self._memo.get(key)
        span = span_in(context)
        if series is None or span is None:
            return
        try:
            if not span.identity[2] & SAMPLED:
                return
            reservoir = series.reservoir
            if bucket is None:
                seen = reservoir.seen + 1
                if seen < reservoir.due:
                    reservoir.seen = seen
                    return
            else:
                seen = reservoir.seen_in[bucket] + 1
                if seen < reservoir.due_in[bucket]:
                    reservoir.seen_in[bucket] = seen
                    return
        except AttributeError:  # somebody else's span, or the first of a series
            pass
        self._streams[0].offer(series, amount, attributes, span)

    def refuse(self, amount: object, expected: str) -> None:
        """Say once that such measurements are not counted."""
        if expected not in self._refused:
            self._refused.add(expected)
            getLogger(__name__).warning(
                "%s was given %.200r; expected %s. Such measurements are not counted; "
                "this is said once",
                self.description.name,
                amount,
                expected,
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.description.name}>"


class Counter(Instrument, api.Counter):
    """Adds up what only grows, such as requests served."""

    series = SumSeries
    lowest = 0

    def add(
        self,
        amount: float = 1,
        attributes: Attributes = None,
        context: Context | None = None,
    ) -> None:
        """Add ``amount``; a negative one, NaN or infinity is refused."""
        kind = type(amount)
        if (kind is int and 0 <= amount <= MOST) or (
            kind is float and 0 <= amount <= LARGEST
        ):
            try:
                key = bytes_of(attributes, FORMAT) if attributes else NO_KEY
                self._memo[key].number += amount
            except Exception:  # noqa: BLE001, S110 - the long way knows, or says why
                pass
            else:
                if self._exemplars and (context or SPAN_KEY in get_context()):
                    self.offer(key, amount, attributes, context)
                return
        self.measure(amount, attributes, context)

    def bind(self, attributes: Attributes = None) -> BoundCounter:
        """The counter for these attributes, which measures in a third of the time."""
        return BoundCounter(self, self._memo, attributes, exemplars=self._exemplars)


class UpDownCounter(Instrument, api.UpDownCounter):
    """Adds up what may also be taken away, such as requests in progress."""

    series = SumSeries

    def add(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,
    ) -> None:
        """Add ``amount``, which may be negative; NaN and infinity are refused."""
        kind = type(amount)
        if (kind is int and -MOST <= amount <= MOST) or (
            kind is float and -LARGEST <= amount <= LARGEST
        ):
            try:
                key = bytes_of(attributes, FORMAT) if attributes else NO_KEY
                self._memo[key].number += amount
            except Exception:  # noqa: BLE001, S110 - the long way knows, or says why
                pass
            else:
                if self._exemplars and (context or SPAN_KEY in get_context()):
                    self.offer(key, amount, attributes, context)
                return
        self.measure(amount, attributes, context)

    def bind(self, attributes: Attributes = None) -> BoundUpDownCounter:
        """The counter for these attributes, which measures in a third of the time."""
        return BoundUpDownCounter(
            self, self._memo, attributes, exemplars=self._exemplars
        )


class Gauge(Instrument, ApiGauge):
    """Keeps the last value, such as a temperature."""

    series = LastSeries

    def set(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,
    ) -> None:
        """The value from now on; NaN and infinity are refused."""
        kind = type(amount)
        if (kind is int and -MOST <= amount <= MOST) or (
            kind is float and -LARGEST <= amount <= LARGEST
        ):
            try:
                key = bytes_of(attributes, FORMAT) if attributes else NO_KEY
                self._memo[key].number = amount
            except Exception:  # noqa: BLE001, S110 - the long way knows, or says why
                pass
            else:
                if self._exemplars and (context or SPAN_KEY in get_context()):
                    self.offer(key, amount, attributes, context)
                return
        self.measure(amount, attributes, context)

    def bind(self, attributes: Attributes = None) -> BoundGauge:
        """The gauge for these attributes, which measures in a third of the time."""
        return BoundGauge(self, self._memo, attributes, exemplars=self._exemplars)


class Histogram(Instrument, api.Histogram):
    """Counts measurements in buckets, such as durations."""

    series: ClassVar[type[Series] | None] = BucketSeries

    def record(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,
    ) -> None:
        """Count one measurement; NaN and infinity are refused.

        A negative one is counted, too, and costs the histogram its sum, which might
        fall.
        """
        kind = type(amount)
        if (kind is int and -MOST <= amount <= MOST) or (
            kind is float and -LARGEST <= amount <= LARGEST
        ):
            try:
                key = bytes_of(attributes, FORMAT) if attributes else NO_KEY
                bucket = bisect_left(self._bounds, amount)
                series = self._memo[key]
                series.counts[bucket] += 1
                series.total += amount
                if amount < series.low:  # noqa: PLR1730 - a call of min() is slow
                    series.low = amount
                if amount > series.high:  # noqa: PLR1730
                    series.high = amount
            except Exception:  # noqa: BLE001, S110 - the long way knows, or says why
                pass
            else:
                if self._exemplars and (context or SPAN_KEY in get_context()):
                    self.offer(key, amount, attributes, context, bucket)
                return
        self.measure(amount, attributes, context)

    def time(self, attributes: Attributes = None) -> Timing:
        """Record how long a ``with`` block takes, or each call of a decorated function.

        A coroutine function is timed until it has been awaited, a generator until it is
        exhausted. The time is in the histogram's unit if that is one of time, else in
        seconds.

        Args:
            attributes: of the measurements.

        Raises:
            TypeError: the attributes are a function, decorated without parentheses.
        """
        if callable(attributes):
            raise TypeError(
                f"Histogram.time got {attributes!r} for attributes; "
                "expected @histogram.time()"
            )
        return Timing(self, attributes, self._clock)

    def bind(self, attributes: Attributes = None) -> BoundHistogram:
        """The histogram for these attributes, which measures in half the time."""
        return BoundHistogram(
            self, self._memo, attributes, self._bounds, exemplars=self._exemplars
        )


def span_in(context: Context | None) -> Any:
    """The span of a context; of the current one if there is no other."""
    where = context if isinstance(context, Context) else get_context()
    return where.get(SPAN_KEY)
