"""How much an event counts for: one, or what a counter has grown by.

Law: pure. Source: OpenTelemetry specification, ``metrics/data-model``, "Resets and
gaps": a cumulative sum that fell was reset, and has grown by what it shows.
"""

from __future__ import annotations

from typing import Any, Final

from ..events import (
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Temporality,
)
from .reading import number_of

MOST_STREAMS: Final = 100_000
MOST_LATE: Final = 10  # points in a row; then it was the latest that was wrong
COUNTED: Final = (Histogram, ExponentialHistogram)


class Amounts:
    """What each event adds; it remembers where cumulative sums stood.

    A point that is older than the one before adds nothing, instead of looking like a
    reset; after ten in a row the times are believed again. The oldest of 100,000
    streams is forgotten for a new one.
    """

    def __init__(self) -> None:
        self._latest: dict[Any, tuple[float, int, int]] = {}  # value, time, late ones

    def of(self, event: Any) -> float:
        """1 for an event, the growth of a sum or of a histogram's count, else 0."""
        if not isinstance(event, MetricPoint):
            return 1.0
        shown = event.value.count if isinstance(event.value, COUNTED) else event.value
        value = number_of(shown)
        if value is None or event.kind in {MetricKind.GAUGE, MetricKind.SUMMARY}:
            return 0.0
        if event.temporality is Temporality.DELTA:
            return value
        return self._growth(stream_of(event), value, event.time_unix_nano)

    def _growth(self, stream: Any, value: float, time: int) -> float:
        before, newest, late = self._latest.pop(stream, (value, 0, 0))
        if len(self._latest) >= MOST_STREAMS:
            del self._latest[next(iter(self._latest))]
        if 0 < time < newest and late < MOST_LATE:
            self._latest[stream] = before, newest, late + 1
            return 0.0
        self._latest[stream] = value, time, 0
        return value - before if value >= before else value


def stream_of(point: MetricPoint) -> Any:
    """What tells the stream of a point from others."""
    own, resource = point.attributes, point.resource.attributes
    try:
        return point.name, frozenset(own.items()), frozenset(resource.items())
    except TypeError:  # lists and tables among them
        return point.name, texts_of(own), texts_of(resource)


def texts_of(attributes: dict[str, Any]) -> tuple[str, ...]:
    """Attributes as something that can be a key, whatever their values are."""
    return tuple(sorted(f"{key}={value!r}" for key, value in attributes.items()))
