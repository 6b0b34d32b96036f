"""Instruments: where measurements are added up, for the exporters and for questions.

Law: all or nothing: several measurements are checked together before the first one is
taken. A name means one metric, with one kind and unit, and no two names become one
where they are exported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import frozen

from sluiceway.fork import follow_forks
from sluiceway.instrument import Meter

from .aggregates import Aggregate, Aggregates
from .exceptions import shown, suggestion
from .exported_names import Labels, exported_names, reserved, unit_of
from .models import FlextMetric
from .result import FlextResult

CONFLICT: Final = "conflict"
UNKNOWN: Final = "unknown_metric"


@frozen
class Instrument:
    """A metric that has been measured.

    Attributes:
        take: what takes a measurement for the exporters.
        aggregates: what is kept for questions.
        labels: what the tags are exported as.
    """

    take: Callable[[float, dict[str, str]], object]
    aggregates: Aggregates
    labels: Labels

    def record(self, metric: FlextMetric) -> None:
        """Take a measurement."""
        value = float(metric.value)
        self.take(value, metric.tags)
        self.aggregates.add(metric.tags, value)
        self.labels.take(metric.tags)


class Instruments:
    """All metrics of one backend.

    Args:
        meter: makes the instruments.
        series_limit: of each metric.
    """

    def __init__(self, meter: Meter, series_limit: int) -> None:
        self._meter = meter
        self._limit = series_limit
        self._firsts: dict[str, FlextMetric] = {}  # by name
        self._exported: dict[str, FlextMetric] = {}  # the first one of each
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """In a forked child: what was measured before is the parent's to tell."""
        self._lock = threading.RLock()
        self._known: dict[str, Instrument] = {}  # by name

    def record(self, metrics: Sequence[FlextMetric]) -> FlextResult[None]:
        """Take measurements: all of them, or none and a failure that tells why."""
        with self._lock:
            fresh: dict[str, FlextMetric] = {}
            for metric in metrics:
                refusal = self._refusal(metric, fresh) or self._unlabelled(metric)
                if refusal:
                    return FlextResult.fail(refusal, CONFLICT)
            self._exported |= fresh
            for metric in metrics:
                self._instrument(metric).record(metric)
        return FlextResult.ok(None)

    def _refusal(self, metric: FlextMetric, fresh: dict[str, FlextMetric]) -> str:
        first = self._firsts.get(metric.name)
        if first is not None:
            return difference(first, metric)
        names = exported_names(metric)
        firsts = [
            self._exported.get(name) or fresh.setdefault(name, metric) for name in names
        ]
        found = (difference(first, metric) for first in firsts)
        return reserved(metric, names) or next(filter(None, found), "")

    def _unlabelled(self, metric: FlextMetric) -> str:
        """Why its tags cannot be labels beside those that there are."""
        known = self._known.get(metric.name)
        labels = Labels(self._limit) if known is None else known.labels
        return labels.refusal(metric)

    def _instrument(self, metric: FlextMetric) -> Instrument:
        known = self._known.get(metric.name)
        if known is None:
            self._firsts.setdefault(metric.name, metric)
            take, limit = self._taker(metric), self._limit
            known = Instrument(take, Aggregates(limit), Labels(limit))
            self._known[metric.name] = known
        return known

    def _taker(self, metric: FlextMetric) -> Callable[[float, dict[str, str]], object]:
        """What takes its measurements for the exporters."""
        name, meter = metric.name, self._meter
        unit = unit_of(metric)
        if metric.metric_type == "counter":
            return meter.counter(name, unit).add
        if metric.metric_type == "gauge":
            return meter.gauge(name, unit).set
        return meter.histogram(name, unit).record

    def names(self) -> list[str]:
        """The metrics that there are, in the order in which they came."""
        return [*self._known]

    def grouped(
        self, name: str, tags: Mapping[str, str], group_by: Sequence[str]
    ) -> FlextResult[dict[tuple[str, ...], Aggregate]]:
        """What the series of a metric that have these tags measured, by other tags."""
        with self._lock:
            known = self._known.get(name)
            if known is None:
                hint = suggestion(name, self._known)
                told = shown("name", name)
                return FlextResult.fail(f"no metric {told} was recorded{hint}", UNKNOWN)
            return FlextResult.ok(known.aggregates.grouped(tags, group_by))


def difference(first: FlextMetric, metric: FlextMetric) -> str:
    """Why it is no measurement of the first one's metric; ``""`` if it is."""
    if metric.name != first.name:
        return (
            f"the metric {metric.name!r} would be exported under the name of "
            f"{first.name!r}, which is there already"
        )
    for field in ("metric_type", "unit"):
        known, told = getattr(first, field), getattr(metric, field)
        if known != told:
            return f"the metric {metric.name!r} has the {field} {known!r}; got {told!r}"
    return ""
