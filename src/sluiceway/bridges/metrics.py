"""MetricBridge: what the SDK's metric readers collect feeds a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogramDataPoint,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.metrics.view import Aggregation

from ..events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Temporality,
)
from ..instrument.logger import identifier
from ..instrument.values import plain_attributes
from .bridge import CAPACITY, Bridge

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint
Collected = tuple[Resource, Scope, Metric, Point]


class MetricBridge(Bridge[MetricPoint], MetricExporter):
    """An SDK ``MetricExporter``, for its ``PeriodicExportingMetricReader``.

    ``MeterProvider([PeriodicExportingMetricReader(bridge)])`` and
    ``Pipeline(bridge.source >> ...)``.

    Args:
        name: of its source in the graph; default ``"sdk_metrics"``.
        capacity: points that wait for a pipeline; default 100,000.
        preferred_temporality: of each class of instrument; cumulative by default.
        preferred_aggregation: of each class of instrument; the SDK's by default.

    Raises:
        ConfigurationError: ``capacity`` is not a positive whole number.
    """

    def __init__(
        self,
        name: str = "sdk_metrics",
        *,
        capacity: int = CAPACITY,
        preferred_temporality: Mapping[type, AggregationTemporality] | None = None,
        preferred_aggregation: Mapping[type, Aggregation] | None = None,
    ) -> None:
        Bridge.__init__(self, name, capacity)
        MetricExporter.__init__(
            self,
            preferred_temporality=dict(preferred_temporality or {}),
            preferred_aggregation=dict(preferred_aggregation or {}),
        )

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - it never waits
        **_: Any,
    ) -> MetricExportResult:
        """Hand the points over; FAILURE if some were refused, which is counted."""
        taken = self._offer(self._collected(metrics_data), event_of)
        return MetricExportResult.SUCCESS if taken else MetricExportResult.FAILURE

    def _collected(self, data: MetricsData) -> Iterator[Collected]:
        for of_resource in data.resource_metrics:
            resource = self._resource_of(of_resource.resource)
            for of_scope in of_resource.scope_metrics:
                scope = self._scope_of(of_scope.scope)
                for metric in of_scope.metrics:
                    for point in getattr(metric.data, "data_points", ()):
                        yield resource, scope, metric, point


def event_of(collected: Collected) -> MetricPoint:
    """One point of the SDK's as ours."""
    resource, scope, metric, point = collected
    event = MetricPoint(
        name=metric.name,
        value=None,
        unit=metric.unit or "",
        description=metric.description or "",
        attributes=plain_attributes(point.attributes),
        time_unix_nano=point.time_unix_nano or 0,
        start_time_unix_nano=point.start_time_unix_nano or 0,
        exemplars=[exemplar_of(exemplar) for exemplar in point.exemplars],
        resource=resource,
        scope=scope,
    )
    if not isinstance(metric.data, Gauge):
        event.temporality = Temporality(int(metric.data.aggregation_temporality))
    if isinstance(point, HistogramDataPoint):
        event.kind, event.value = MetricKind.HISTOGRAM, histogram_of(point)
    elif isinstance(point, ExponentialHistogramDataPoint):
        event.kind, event.value = (
            MetricKind.EXPONENTIAL_HISTOGRAM,
            exponential_of(point),
        )
        event.flags = point.flags
    elif isinstance(metric.data, Sum):
        event.kind, event.value = MetricKind.SUM, point.value
        event.is_monotonic = metric.data.is_monotonic
    else:
        event.kind, event.value = MetricKind.GAUGE, point.value
    return event


def histogram_of(point: HistogramDataPoint) -> Histogram:
    """An explicit histogram."""
    smallest, largest = range_of(point)
    return Histogram(
        count=point.count,
        sum=point.sum,
        bucket_counts=list(point.bucket_counts),
        explicit_bounds=list(point.explicit_bounds),
        min=smallest,
        max=largest,
    )


def exponential_of(point: ExponentialHistogramDataPoint) -> ExponentialHistogram:
    """A base-2 exponential histogram."""
    smallest, largest = range_of(point)
    return ExponentialHistogram(
        count=point.count,
        sum=point.sum,
        scale=point.scale,
        zero_count=point.zero_count,
        positive=buckets_of(point.positive),
        negative=buckets_of(point.negative),
        min=smallest,
        max=largest,
    )


def buckets_of(buckets: Buckets) -> ExponentialBuckets:
    """One side of an exponential histogram."""
    return ExponentialBuckets(buckets.offset, list(buckets.bucket_counts))


def range_of(
    point: HistogramDataPoint | ExponentialHistogramDataPoint,
) -> tuple[float | None, float | None]:
    """The smallest and the largest value; none where the SDK recorded none.

    It then says that the smallest is infinite and the largest minus infinite.
    """
    if point.min is None or point.max is None or point.min > point.max:
        return None, None
    return point.min, point.max


def exemplar_of(exemplar: SdkExemplar) -> Exemplar:
    """One measurement that stands for others."""
    return Exemplar(
        value=exemplar.value,
        time_unix_nano=exemplar.time_unix_nano,
        trace_id=identifier(exemplar.trace_id, 16),
        span_id=identifier(exemplar.span_id, 8),
        filtered_attributes=plain_attributes(exemplar.filtered_attributes),
    )
