"""The histogram whose one stream is exponential: as quick as its buckets allow.

Law: as of the instruments. A bucket's index needs calls, during which a collection may
begin another series or a measurement lower the scale: so the series is looked up again
afterwards, and the index counts only if the scale is still the same.
"""

from __future__ import annotations

from opentelemetry.context import Context

from ..formats.histograms import bucket_index
from .bound import BoundHistogram
from .context import SPAN_KEY, get_context
from .exponential import ExponentialSeries
from .instruments import Histogram
from .numbers import LARGEST, MOST
from .series import FORMAT, NO_KEY, Attributes, bytes_of


class ExponentialHistogram(Histogram):
    """Counts measurements from 0 on in buckets that find their own bounds."""

    series = ExponentialSeries

    def record(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,
    ) -> None:
        """Count one measurement; a negative one, NaN and infinity are refused."""
        kind = type(amount)
        if (kind is int and 0 < amount <= MOST) or (
            kind is float and 0 < amount <= LARGEST
        ):
            key = self._count(amount, attributes)
            if key is not None:
                if self._exemplars and (context or SPAN_KEY in get_context()):
                    self.offer(key, amount, attributes, context)
                return
        self.measure(amount, attributes, context)

    def _count(self, amount: float, attributes: Attributes) -> bytes | None:
        """The series' key, if the measurement could be counted the quick way."""
        try:
            key = bytes_of(attributes, FORMAT) if attributes else NO_KEY
            scale = self._memo[key].scale
            index = bucket_index(amount, scale)
            series = self._memo[key]
            if series.scale != scale:
                return None
            series.counts[index] += 1
        except Exception:  # noqa: BLE001 - the long way knows better, or says why
            return None
        series.count += 1
        series.total += amount
        if amount < series.low:  # noqa: PLR1730 - as in Histogram.record
            series.low = amount
        if amount > series.high:  # noqa: PLR1730
            series.high = amount
        return key

    def bind(self, attributes: Attributes = None) -> BoundHistogram:
        """The histogram for these attributes."""
        return BoundExponentialHistogram(self, attributes)


class BoundExponentialHistogram(BoundHistogram):
    """An exponential histogram for given attributes.

    Args:
        histogram: the histogram.
        attributes: of all measurements; a copy is kept.
    """

    __slots__ = ("_record",)

    def __init__(self, histogram: Histogram, attributes: Attributes) -> None:
        super().__init__(histogram, {}, attributes, (), exemplars=False)
        self._record = histogram.record

    def record(self, amount: float) -> None:
        """Count one measurement; a negative one, NaN and infinity are refused."""
        record = self._record
        record(amount, self._attributes)
