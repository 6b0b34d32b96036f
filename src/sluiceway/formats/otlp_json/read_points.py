"""Metric points from their JSON.

Law: as ``otlp_protobuf``: each data point becomes one MetricPoint; a point that says
NO_RECORDED_VALUE, or a number point without a number, has the value None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ...events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Summary,
    Temporality,
)
from . import shapes
from .read_values import (
    attributes,
    double,
    identifier,
    int32,
    int64,
    plain_double,
    uint32,
    uint64,
)

NO_RECORDED_VALUE: Final = 1
WITH_TEMPORALITY: Final = frozenset(
    {MetricKind.SUM, MetricKind.HISTOGRAM, MetricKind.EXPONENTIAL_HISTOGRAM}
)


def metric_points(
    metric: shapes.Metric, resource: Resource, scope: Scope
) -> Iterator[MetricPoint]:
    """The points of a Metric; none if it has no data."""
    shared: dict[str, Any] = {
        "name": metric.name or "",
        "description": metric.description or "",
        "unit": metric.unit or "",
        "metadata": attributes(metric.metadata),
        "resource": resource,
        "scope": scope,
    }
    for kind, read_value in VALUES.items():
        data = getattr(metric, kind.name.lower())
        if data is None:
            continue
        if kind in WITH_TEMPORALITY:
            shared["temporality"] = temporality(int32(data.aggregation_temporality))
        if kind is MetricKind.SUM:
            shared["is_monotonic"] = data.is_monotonic or False
        for point in data.data_points or ():
            yield MetricPoint(kind=kind, **read_point(point, read_value), **shared)
        return


def temporality(number: int) -> Temporality:
    """A temporality; an unknown one is unspecified."""
    return Temporality(number if number in {0, 1, 2} else 0)


def read_point(point: shapes.Point, read_value: Callable[[Any], Any]) -> dict[str, Any]:
    """What a data point says, by MetricPoint's names."""
    flags = uint32(point.flags)
    value = read_value(point)
    return {
        "value": None if flags & NO_RECORDED_VALUE else value,
        "attributes": attributes(point.attributes),
        "start_time_unix_nano": uint64(point.start_time_unix_nano),
        "time_unix_nano": uint64(point.time_unix_nano),
        "exemplars": [read_exemplar(one) for one in point.exemplars or ()],
        "flags": flags,
    }


def number(point: shapes.NumberPoint | shapes.Exemplar) -> int | float | None:
    """One of ``asInt`` and ``asDouble``, or None."""
    if point.as_int is not None:
        return int64(point.as_int)
    return double(point.as_double)


def read_exemplar(shape: shapes.Exemplar) -> Exemplar:
    """An Exemplar; one without a value counts as 0.0."""
    value = number(shape)
    return Exemplar(
        0.0 if value is None else value,
        uint64(shape.time_unix_nano),
        identifier(shape.trace_id),
        identifier(shape.span_id),
        attributes(shape.filtered_attributes),
    )


def histogram(point: shapes.HistogramPoint) -> Histogram:
    """A HistogramDataPoint's value."""
    return Histogram(
        uint64(point.count),
        double(point.sum),
        [uint64(count) for count in point.bucket_counts or ()],
        [float(bound) for bound in point.explicit_bounds or ()],
        double(point.min),
        double(point.max),
    )


def exponential(point: shapes.ExponentialPoint) -> ExponentialHistogram:
    """An ExponentialHistogramDataPoint's value."""
    return ExponentialHistogram(
        uint64(point.count),
        double(point.sum),
        int32(point.scale),
        uint64(point.zero_count),
        buckets(point.positive),
        buckets(point.negative),
        double(point.min),
        double(point.max),
        plain_double(point.zero_threshold),
    )


def buckets(shape: shapes.Buckets | None) -> ExponentialBuckets:
    """The buckets of one sign; empty ones for none."""
    if shape is None:
        return ExponentialBuckets()
    counts = [uint64(count) for count in shape.bucket_counts or ()]
    return ExponentialBuckets(int32(shape.offset), counts)


def summary(point: shapes.SummaryPoint) -> Summary:
    """A SummaryDataPoint's value."""
    quantiles = [
        (plain_double(one.quantile), plain_double(one.value))
        for one in point.quantile_values or ()
    ]
    return Summary(uint64(point.count), plain_double(point.sum), quantiles)


VALUES: Final[Mapping[MetricKind, Callable[[Any], Any]]] = {
    MetricKind.GAUGE: number,
    MetricKind.SUM: number,
    MetricKind.HISTOGRAM: histogram,
    MetricKind.EXPONENTIAL_HISTOGRAM: exponential,
    MetricKind.SUMMARY: summary,
}
