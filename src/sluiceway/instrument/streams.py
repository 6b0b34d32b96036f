"""Metric streams: what an instrument's measurements become on their way out.

Law: a cumulative stream goes on from its beginning, a delta stream begins anew at each
collection; either way each measurement is in exactly one series.
Source: OpenTelemetry specification, ``metrics/sdk.md``, "View" and "Start timestamps".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from ..clock import Clock
from ..events import (
    Exemplar,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Temporality,
    copy_value,
)
from .aggregations import Aggregation
from .exemplars import ExemplarSampler
from .series import LIMIT, Attributes, Series, SeriesTable
from .values import named_attributes

GAUGE = MetricKind.GAUGE


@frozen
class Shape:
    """What a stream is.

    Attributes:
        name: of the metric.
        unit: of the metric.
        description: of the metric.
        aggregation: how measurements are added up.
        is_monotonic: for sums, whether they only grow.
        temporality: whether points count from the beginning or from the last one.
        keep: the attributes that are kept; None for all.
        leave_out: the attributes that are not kept.
        limit: series before the overflow series.
    """

    name: str
    unit: str
    description: str
    aggregation: Aggregation
    is_monotonic: bool = False
    temporality: Temporality = Temporality.CUMULATIVE
    keep: frozenset[str] | None = None
    leave_out: frozenset[str] = frozenset()
    limit: int = LIMIT

    def own(self, attributes: Attributes) -> dict[str, Any]:
        """Plain attributes, those that the stream keeps."""
        plain = named_attributes(attributes)
        if self.keep is None and not self.leave_out:
            return plain
        return {
            key: value
            for key, value in plain.items()
            if (self.keep is None or key in self.keep) and key not in self.leave_out
        }


@frozen
class Moment:
    """What the points of one collection share."""

    resource: Resource
    scope: Scope
    time_unix_nano: int


class Stream:
    """The series of one metric, and the points that they become.

    Args:
        shape: what it is.
        clock: tells the start of each series.
        sampler: takes exemplars; None for none.
    """

    def __init__(
        self, shape: Shape, clock: Clock, sampler: ExemplarSampler | None
    ) -> None:
        self.shape = shape
        self._sampler = sampler
        self._last = clock.time_ns()
        aggregation = shape.aggregation
        self.table: SeriesTable[Series] = SeriesTable(
            shape.name, aggregation.series, clock, own=shape.own, limit=shape.limit
        )

    def start_afresh(self, start_time: int) -> None:
        """Count from zero, from now on."""
        self._last = start_time
        self.table.reset()

    def measure(self, amount: float, attributes: Attributes, span: object) -> None:
        """Take one measurement."""
        table = self.table
        with table.lock:
            series = table.find(attributes)
            series.record(amount)
        table.tell()
        if self._sampler is not None:
            self.offer(series, amount, attributes, span)

    def offer(
        self, series: Series, amount: float, attributes: Attributes, span: object
    ) -> None:
        """Take a measurement as an exemplar, perhaps."""
        if self._sampler is not None:
            make = self.shape.aggregation.reservoir
            self._sampler.offer(series, make, amount, attributes, span)

    def points(self, moment: Moment) -> Iterator[MetricPoint]:
        """A point for each series, as of now."""
        table = self.table
        delta = self.shape.temporality is Temporality.DELTA
        start, self._last = self._last, moment.time_unix_nano
        for series in table.take() if delta else table.snapshot():
            with table.lock:
                value = series.value()
            yield self.point(
                series.attributes,
                value,
                start if delta else series.start,
                moment,
                [] if series.reservoir is None else series.reservoir.collect(),
            )

    def preview(self, moment: Moment) -> MetricPoint:
        """The point of a series that has measured nothing."""
        start = moment.time_unix_nano
        nothing = self.shape.aggregation.series({}, start).value()
        return self.point({}, nothing, start, moment, [])

    def point(
        self,
        attributes: Mapping[str, Any],
        value: Any,
        start: int,
        moment: Moment,
        exemplars: list[Exemplar],
    ) -> MetricPoint:
        """One point; gauges have no start."""
        shape = self.shape
        kind = shape.aggregation.kind
        time = moment.time_unix_nano
        return MetricPoint(
            name=shape.name,
            value=value,
            kind=kind,
            unit=shape.unit,
            description=shape.description,
            attributes=copy_value(attributes),
            time_unix_nano=time,
            start_time_unix_nano=min(start, time) if kind is not GAUGE else 0,
            temporality=shape.temporality,
            is_monotonic=shape.is_monotonic,
            exemplars=exemplars,
            resource=moment.resource,
            scope=moment.scope,
        )
