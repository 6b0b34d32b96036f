"""Metric points to their JSON.

Law: points that agree in all that a Metric says become data points of one Metric, as in
``otlp_protobuf``; a point without a value carries the flag NO_RECORDED_VALUE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ...events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Summary,
)
from .write_values import Json, attributes, filled, real, whole

FIELDS: Final[Mapping[MetricKind, str]] = {
    MetricKind.GAUGE: "gauge",
    MetricKind.SUM: "sum",
    MetricKind.HISTOGRAM: "histogram",
    MetricKind.EXPONENTIAL_HISTOGRAM: "exponentialHistogram",
    MetricKind.SUMMARY: "summary",
}
WITHOUT_TEMPORALITY: Final = frozenset({MetricKind.GAUGE, MetricKind.SUMMARY})


def metrics_of(points: list[MetricPoint]) -> list[Json]:
    """The ``metrics`` of a scope."""
    metrics: dict[bytes, list[Json]] = {}
    heads: dict[bytes, Json] = {}
    for point in points:
        head = metric_head(point)
        key = msgspec.json.encode((head, point.kind))
        heads.setdefault(key, head)
        metrics.setdefault(key, heads[key][FIELDS[point.kind]]["dataPoints"])
        metrics[key].append(point_of(point))
    return list(heads.values())


def metric_head(point: MetricPoint) -> Json:
    """A Metric without its points."""
    data: Json = {"dataPoints": []}
    if point.kind not in WITHOUT_TEMPORALITY:
        data["aggregationTemporality"] = int(point.temporality)
    if point.kind is MetricKind.SUM:
        data["isMonotonic"] = point.is_monotonic
    head = filled(
        name=point.name,
        description=point.description,
        unit=point.unit,
        metadata=attributes(point.metadata),
    )
    return {**head, FIELDS[point.kind]: data}


def point_of(point: MetricPoint) -> Json:
    """A data point of any kind."""
    shared = filled(
        attributes=attributes(point.attributes),
        startTimeUnixNano=whole(point.start_time_unix_nano),
        timeUnixNano=whole(point.time_unix_nano),
        exemplars=[exemplar(one) for one in point.exemplars],
        flags=point.flags,
    )
    if point.value is None:
        return shared
    return shared | VALUES[point.kind](point.value)


def number(value: float) -> Json:
    """``asInt`` or ``asDouble``."""
    if isinstance(value, int):
        return {"asInt": str(value)}
    return {"asDouble": real(value)}


def exemplar(value: Exemplar) -> Json:
    """An Exemplar."""
    return number(value.value) | filled(
        timeUnixNano=whole(value.time_unix_nano),
        traceId=value.trace_id.hex(),
        spanId=value.span_id.hex(),
        filteredAttributes=attributes(value.filtered_attributes),
    )


def histogram(value: Histogram) -> Json:
    """What a HistogramDataPoint alone has."""
    return filled(
        count=str(value.count),
        sum=real(value.sum),
        bucketCounts=[*map(str, value.bucket_counts)],
        explicitBounds=[*map(real, value.explicit_bounds)],
        min=real(value.min),
        max=real(value.max),
    )


def exponential(value: ExponentialHistogram) -> Json:
    """What an ExponentialHistogramDataPoint alone has."""
    return filled(
        count=str(value.count),
        sum=real(value.sum),
        scale=value.scale,
        zeroCount=whole(value.zero_count),
        positive=buckets(value.positive),
        negative=buckets(value.negative),
        min=real(value.min),
        max=real(value.max),
        zeroThreshold=real(value.zero_threshold),
    )


def buckets(value: ExponentialBuckets) -> Json:
    """The buckets of one sign."""
    return filled(offset=value.offset, bucketCounts=[*map(str, value.bucket_counts)])


def summary(value: Summary) -> Json:
    """What a SummaryDataPoint alone has."""
    quantiles = [
        {"quantile": real(quantile), "value": real(at)}
        for quantile, at in value.quantiles
    ]
    return filled(count=str(value.count), sum=real(value.sum), quantileValues=quantiles)


VALUES: Final[Mapping[MetricKind, Callable[[Any], Json]]] = {
    MetricKind.GAUGE: number,
    MetricKind.SUM: number,
    MetricKind.HISTOGRAM: histogram,
    MetricKind.EXPONENTIAL_HISTOGRAM: exponential,
    MetricKind.SUMMARY: summary,
}
