"""The latest state of every series, which is what Prometheus is shown.

Law: pure. A cumulative point replaces an older one of its series; delta points are
added up. A copy shares the points, which nobody changes, and nothing else. Sources:
OpenTelemetry specification, ``metrics/data-model``, "Delta-to-Cumulative"; over a gap
the deltatocumulative processor of OpenTelemetry's collector.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import takewhile
from operator import attrgetter
from typing import Any, Final

import msgspec
from attrs import frozen

from ..errors import PermanentError
from ..events import MetricKind, MetricPoint, Resource, Scope, Temporality
from ..formats.histograms import added
from ..formats.identity import identity_of
from ..formats.prometheus_claims import Shelf

SeriesKey = tuple[str, bytes, str, bytes]
NO_RECORDED_VALUE = 1
FIELDS: Final[Mapping[str, type]] = {
    "name": str,
    "time_unix_nano": int,
    "start_time_unix_nano": int,
    "flags": int,
    "resource": Resource,
    "scope": Scope,
}
fields_of = attrgetter(*FIELDS)


@frozen
class Update:
    """What an update did.

    Attributes:
        superseded: points that a later point of their series has replaced, or that
            came after a later one.
        overtaken: the indices of those of them that were among these events, so that
            nobody has seen them.
        refused: why an event could not be taken, by its index.
    """

    superseded: int
    overtaken: Collection[int]
    refused: Mapping[int, Exception]


class LatestState:
    """The latest point of every series, a series being told by its name, attributes,
    scope and resource.

    Args:
        series: what to begin with.
        shelf: what must have room for a series; None (default) takes all.
    """

    def __init__(
        self,
        series: Mapping[SeriesKey, MetricPoint] | None = None,
        *,
        shelf: Shelf | None = None,
    ) -> None:
        self._series = dict(series or {})
        self._shelf = shelf
        self._heard: dict[SeriesKey, float] = {}  # in the order of the times

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"<LatestState of {len(self._series)} series>"

    def copy(self) -> LatestState:
        """A state that can be updated without changing this one."""
        return LatestState(self._series)

    def without(self, points: Iterable[MetricPoint]) -> LatestState:
        """A state without the series of which these are the latest points."""
        gone = {*map(id, points)}
        kept = {k: point for k, point in self._series.items() if id(point) not in gone}
        return LatestState(kept)

    def points(self) -> list[MetricPoint]:
        """The latest point of every series, in the order of their first appearance."""
        return list(self._series.values())

    def latest_of(self, point: MetricPoint) -> MetricPoint | None:
        """The state of the series that ``point`` belongs to."""
        return self._series.get(key_of(point, {}))

    def update(self, events: Iterable[Any], now: float | None = None) -> Update:
        """Take points in.

        Args:
            events: the points.
            now: the time, so that ``forget`` knows how old a series is; None if
                nothing is to be forgotten.

        A point without a recorded value ends its series. What is not a MetricPoint or
        has fields of wrong types, a delta that came too late to be added, and what
        there is no room for, is refused.
        """
        superseded = 0
        overtaken: set[int] = set()
        refused: dict[int, Exception] = {}
        identities: dict[int, bytes] = {}
        standing: dict[SeriesKey, tuple[int, Any]] = {}  # of these events, by series
        for index, event in enumerate(events):
            try:
                key = checked_key(event, identities)
                self._admit(event, key)
                superseded += self._take(event, key)
                if now is not None:
                    self._hear(key, now)
            except PermanentError as error:
                refused[index] = error
            except Exception as error:  # noqa: BLE001 - whatever a user's object does
                refused[index] = malformed(f"fields cannot be read: {error!r}")
            else:
                overtaken.update(self._overtaken(index, event, key, standing))
        return Update(superseded, overtaken, refused)

    def _hear(self, key: SeriesKey, now: float) -> None:
        self._heard.pop(key, None)
        if key in self._series:
            self._heard[key] = now

    def forget(self, before: float) -> None:
        """Leave out the series of which nothing has come since a time."""
        old = takewhile(lambda heard: heard[1] < before, self._heard.items())
        for key, _ in list(old):
            del self._heard[key], self._series[key]
            if self._shelf is not None:
                self._shelf.leave(key)

    def _admit(self, event: MetricPoint, key: SeriesKey) -> None:
        """Make room for a point, or give back that of a series that ends.

        Raises:
            PermanentError: it cannot be shown.
        """
        if self._shelf is None:
            return
        if has_no_value(event):
            self._shelf.leave(key)
            return
        try:
            self._shelf.admit(event, key)
        except ValueError as error:
            words = f"{event.name!r} cannot be shown: {error}"
            raise PermanentError(words, reason="not_exportable") from None

    def _take(self, event: MetricPoint, key: SeriesKey) -> bool:
        """Take one point in; whether one of its series has been replaced by it."""
        older = self._series.get(key)
        if has_no_value(event):
            self._series.pop(key, None)
        else:
            self._series[key] = successor(event, older)
        return older is not None and older is not event and not is_delta(event)

    def _overtaken(
        self,
        index: int,
        event: MetricPoint,
        key: SeriesKey,
        standing: dict[SeriesKey, tuple[int, Any]],
    ) -> list[int]:
        """Which of the events is out of sight by this one; it may be itself."""
        if is_delta(event):
            return []
        if not has_no_value(event) and self._series[key] is not event:
            return [index]
        before, older = standing.get(key, (index, event))
        standing[key] = index, event
        return [] if older is event else [before]


def checked_key(event: Any, identities: dict[int, bytes]) -> SeriesKey:
    """The event's series.

    Raises:
        PermanentError: it is no metric point, or its fields are of wrong types.
    """
    if not isinstance(event, MetricPoint):
        kind = type(event).__name__
        raise PermanentError(
            f"expected a MetricPoint, got a {kind}", reason="not_a_metric"
        )
    check_fields(event)
    return key_of(event, identities)


def has_no_value(point: MetricPoint) -> bool:
    """Whether the point says that its series has ended."""
    return point.value is None or bool(point.flags & NO_RECORDED_VALUE)


def check_fields(point: MetricPoint) -> None:
    """Refuse a point whose series, or whose place in it, cannot be told."""
    values = fields_of(point)
    if all(map(isinstance, values, FIELDS.values())):
        return
    for (name, kind), value in zip(FIELDS.items(), values, strict=True):
        if not isinstance(value, kind):
            raise malformed(f"{name} is {value!r}; expected {kind.__name__}")


def malformed(words: str) -> PermanentError:
    """The error for a point that nothing can be made of."""
    return PermanentError(f"a MetricPoint's {words}", reason="malformed_point")


def key_of(point: MetricPoint, identities: dict[int, bytes]) -> SeriesKey:
    """The point's series; ``identities`` remembers resources, which points share."""
    resource = point.resource
    identity = identities.get(id(resource))
    if identity is None:
        identity = identities[id(resource)] = identity_of(resource.attributes)
    # Plain texts: a user's class derived from str may compare as it likes.
    name, scope = str(point.name), str(point.scope.name)
    return name, identity_of(point.attributes), scope, identity


def is_delta(point: MetricPoint) -> bool:
    """Whether the point counts since the previous one."""
    accumulates = point.kind not in (MetricKind.GAUGE, MetricKind.SUMMARY)
    return accumulates and point.temporality == Temporality.DELTA


def successor(point: MetricPoint, older: MetricPoint | None) -> MetricPoint:
    """What the series stands at after ``point``.

    A delta is added over a gap too: series that were idle make gaps, and a counter
    that fell back would be taken for one that its process has restarted.

    Raises:
        PermanentError: a delta that may have been added already.
    """
    if not is_delta(point):
        late = older is not None and 0 < point.time_unix_nano < older.time_unix_nano
        return older if older is not None and late else point
    value = None
    start = point.start_time_unix_nano
    if older is not None:
        check_order(point, older)
        value = sum_of(older.value, point.value)
        # Buckets that cannot be added start the series again.
        start = start if value is None else older.start_time_unix_nano
    return msgspec.structs.replace(
        point,
        value=point.value if value is None else value,
        start_time_unix_nano=start,
        temporality=Temporality.CUMULATIVE,
    )


def check_order(point: MetricPoint, older: MetricPoint) -> None:
    """Refuse a delta that ends before the series does, or began before it.

    One that overlaps what was added is taken: two writers make such, each counting its
    own. A point that does not tell its times cannot be late.
    """
    ended = 0 < point.time_unix_nano <= older.time_unix_nano
    began = 0 < point.start_time_unix_nano < older.start_time_unix_nano
    if ended or began:
        raise PermanentError(
            f"a delta of {point.name!r} came too late to be added",
            reason="out_of_order",
        )


def sum_of(older: Any, newer: Any) -> Any:
    """Both values added up; None where they cannot be.

    What cannot be added to itself is refused; else it is the older value that is bad,
    and the series starts again.
    """
    try:
        return added(older, newer)
    except Exception:  # noqa: BLE001 - values of wrong types raise what they like
        added(newer, newer)
        return None
