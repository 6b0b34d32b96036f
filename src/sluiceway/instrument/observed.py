"""The streams of observable instruments: sums that somebody else keeps.

Law: a cumulative series begins where it can first have been: at the last collection
that did not have it. A delta is the difference to the last collection; a sum that fell,
or is new, began anew. Source: OpenTelemetry specification, ``metrics/sdk.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from ..clock import Clock
from ..events import MetricPoint, Temporality
from .aggregations import NumberSeries
from .numbers import event_number
from .series import canonical_key
from .streams import Moment, Shape, Stream

Observed = tuple[float, dict[str, Any]]


@frozen
class Known:
    """What is known of a series from the last collection that had it.

    Attributes:
        start: when it began.
        number: what it was.
        time: when that was.
    """

    start: int
    number: float
    time: int


class ObservedStream(Stream):
    """The series of one observable metric.

    Args:
        shape: what it is.
        clock: tells its beginning.
    """

    def __init__(self, shape: Shape, clock: Clock) -> None:
        super().__init__(shape, clock, None)
        self._known: dict[bytes, Known] = {}

    def start_afresh(self, start_time: int) -> None:
        """Know nothing, from now on."""
        super().start_afresh(start_time)
        self._known = {}

    def observe(
        self,
        observed: Iterable[Observed],
        moment: Moment,
        *,
        complete: bool,
    ) -> Iterator[MetricPoint]:
        """A point for each series that was observed.

        Args:
            observed: numbers and attributes; of equal attributes the last counts, and
                sums of attributes that the stream does not tell apart are added up.
            moment: the collection's.
            complete: False keeps what is known of the series that were not observed.
        """
        start, self._last = self._last, moment.time_unix_nano
        before, self._known = self._known, {} if complete else {**self._known}
        for series in self._gather(observed):
            key, number = canonical_key(series.attributes), event_number(series.number)
            known = before.get(key, Known(start, 0, start))
            self._known[key] = Known(known.start, number, self._last)
            if self.shape.temporality is Temporality.DELTA:
                number, begin = difference(number, known.number), known.time
            else:
                begin = known.start
            yield self.point(series.attributes, number, begin, moment, [])

    def _gather(self, observed: Iterable[Observed]) -> list[NumberSeries]:
        last = {
            canonical_key(attributes): (n, attributes) for n, attributes in observed
        }
        self.table.reset()
        for number, attributes in last.values():
            self.table.find(attributes).record(number)
        self.table.tell()
        found = self.table.snapshot()
        return [series for series in found if isinstance(series, NumberSeries)]


def difference(number: float, before: float) -> float:
    """How much a sum that only grows has grown; all of it if it began anew."""
    return number - before if number >= before else number
