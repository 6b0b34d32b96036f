"""Exemplars: measurements that lead from a metric to the trace they were made in.

Law: every eligible measurement of an interval has the same chance to become its
exemplar. An exemplar stays until the next interval has a new one.
Source: OpenTelemetry specification, ``metrics/sdk.md``, "Exemplar".
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from random import random
from typing import Any, Protocol

from msgspec.structs import replace
from opentelemetry.trace import Span

from ..clock import Clock
from ..events import Exemplar, copy_value
from .identity import SAMPLED, identity_of
from .numbers import event_number
from .values import plain_attributes

Ids = tuple[bytes, bytes]
NO_IDS: Ids = (b"", b"")


class ExemplarFilter(enum.Enum):
    """Which measurements may become exemplars."""

    TRACE_BASED = "trace_based"  # those in a sampled span
    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"


class Reservoir:
    """Keeps as many exemplars as it has places, each by chance.

    With one place, the next measurement to keep is known once one has been kept: after
    ``n``, it is beyond the ``t``-th with the chance ``n / t``. So the many that are not
    kept cost no random number.

    Args:
        size: places that all measurements share.

    Attributes:
        seen: measurements of this interval.
        due: the number of the next one that may be kept.
    """

    __slots__ = ("_places", "_size", "due", "seen")

    def __init__(self, size: int = 1) -> None:
        self._size = size
        self._places: dict[int, Exemplar] = {}
        self._begin()

    def _begin(self) -> None:
        self.seen = 0
        self.due = 1

    def place_for(self, amount: float) -> int | None:
        """Where to keep this measurement; None if chance is against it."""
        del amount
        seen = self.seen = self.seen + 1
        if seen < self.due:
            return None
        if self._size == 1:
            self.due = next_due(seen)
            return 0
        place = seen - 1 if seen <= self._size else int(random() * seen)  # noqa: S311
        return place if place < self._size else None

    def keep(self, place: int, exemplar: Exemplar) -> None:
        """Put it in a place."""
        self._places[place] = exemplar

    def collect(self) -> list[Exemplar]:
        """Copies of what is kept; all that comes from now on has a chance again."""
        self._begin()
        return [
            replace(kept, filtered_attributes=copy_value(kept.filtered_attributes))
            for kept in self._places.copy().values()
        ]


class AlignedReservoir(Reservoir):
    """Keeps one exemplar for each bucket of a histogram.

    Args:
        bounds: the buckets' upper bounds.

    Attributes:
        seen_in: measurements of this interval by bucket.
        due_in: the number of the next one that is kept, by bucket.
    """

    __slots__ = ("_bounds", "due_in", "seen_in")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        self.seen_in = [0] * (len(self._bounds) + 1)
        self.due_in = [1] * (len(self._bounds) + 1)

    def place_for(self, amount: float) -> int | None:
        """The measurement's bucket, unless chance is against it."""
        bucket = bisect_left(self._bounds, amount)
        seen = self.seen_in[bucket] = self.seen_in[bucket] + 1
        if seen < self.due_in[bucket]:
            return None
        self.due_in[bucket] = next_due(seen)
        return bucket


def next_due(seen: int) -> int:
    """The number of the next measurement to keep, after so many."""
    return int(seen / (1 - random())) + 1  # noqa: S311 - no secret


class Exemplified(Protocol):
    """What exemplars are kept for: a series."""

    attributes: dict[str, Any]
    reservoir: Reservoir | None


class ExemplarSampler:
    """Offers measurements to the reservoirs of their series.

    Args:
        clock: when a measurement was made.
        always: also those that no sampled span surrounds.
    """

    def __init__(self, clock: Clock, *, always: bool = False) -> None:
        self._clock = clock
        self.always = always

    def offer(
        self,
        series: Exemplified,
        make_reservoir: Callable[[], Reservoir],
        amount: float,
        attributes: Any,
        span: object,
    ) -> None:
        """Make an exemplar of a measurement, if it may be one and chance is for it."""
        ids = sampled_ids(span)
        if ids is None and not self.always:
            return
        reservoir = series.reservoir
        if reservoir is None:
            reservoir = series.reservoir = make_reservoir()
        place = reservoir.place_for(amount)
        if place is not None:
            kept = self._exemplar(amount, ids or NO_IDS, attributes, series.attributes)
            reservoir.keep(place, kept)

    def _exemplar(
        self, amount: float, ids: Ids, attributes: Any, known: Mapping[str, Any]
    ) -> Exemplar:
        return Exemplar(
            value=event_number(amount),
            time_unix_nano=self._clock.time_ns(),
            trace_id=ids[0],
            span_id=ids[1],
            filtered_attributes={
                key: value
                for key, value in plain_attributes(attributes).items()
                if key not in known
            },
        )


def sampled_ids(span: object) -> Ids | None:
    """The trace's and the span's id, if there is a span and it is sampled."""
    identity = getattr(span, "identity", None)  # ours has it at hand
    if identity is None:
        if not isinstance(span, Span):
            return None
        identity = identity_of(span.get_span_context())
    trace_id, span_id, flags, _ = identity
    return (trace_id, span_id) if flags & SAMPLED else None
