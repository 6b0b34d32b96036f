"""Events whose fields have a wrong type or range, made encodable.

Law: nothing here raises, so that one odd event never costs its neighbours. Numbers are
clamped to their field's range, 0 if they are none; texts are taken by ``str``;
attributes that are no dict are left out, and so are ids of a wrong length, which many
receivers refuse a whole request for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    Link,
    LogRecord,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanEvent,
    Summary,
    Temporality,
)
from .values import INT64, text_of

KIND_OF_VALUE: Mapping[Any, MetricKind] = {
    Histogram: MetricKind.HISTOGRAM,
    ExponentialHistogram: MetricKind.EXPONENTIAL_HISTOGRAM,
    Summary: MetricKind.SUMMARY,
}


def whole(value: Any, low: int = 0, high: int = 2**64 - 1) -> int:
    """The whole number in range that is nearest to ``value``; 0 if it is no number."""
    try:
        return int(min(max(int(value), low), high))
    except Exception:  # noqa: BLE001 - a user's object may raise anything
        return 0


def uint32(value: Any) -> int:
    """A count or flags of 32 bits."""
    return whole(value, 0, 2**32 - 1)


def int32(value: Any) -> int:
    """An enum, a scale or an offset."""
    return whole(value, -(2**31), 2**31 - 1)


def real(value: Any) -> float | None:
    """A double, or None."""
    try:
        return None if value is None else float(value)
    except Exception:  # noqa: BLE001 - a user's object may raise anything
        return None


def text(value: Any) -> str:
    """A string; empty for None."""
    return value if type(value) is str else "" if value is None else text_of(value)


def identifier(value: Any, length: int) -> bytes:
    """An id of just that length, or none."""
    given = isinstance(value, bytes | bytearray)
    plain = memoryview(value).tobytes() if given else b""
    return plain if len(plain) == length else b""


def attributes(value: Any) -> dict[str, Any]:
    """Attributes whose keys are plain texts, or none."""
    if not isinstance(value, dict):
        return {}
    try:
        return {text_of(key): item for key, item in value.items()}
    except Exception:  # noqa: BLE001 - a user's object may raise anything
        return {}


def parts(values: Any, kind: type[Any]) -> list[Any]:
    """Those elements of a list that are of ``kind``."""
    return [value for value in elements(values) if isinstance(value, kind)]


def elements(values: Any) -> list[Any]:
    """A list; empty if it is none."""
    try:
        return list(values) if isinstance(values, list | tuple) else []
    except Exception:  # noqa: BLE001 - a user's object may raise anything
        return []


def clean_resource(resource: Any) -> Resource:
    """A resource that can be encoded; an empty one for something else."""
    if not isinstance(resource, Resource):
        return Resource()
    return Resource(
        attributes=attributes(resource.attributes),
        schema_url=text(resource.schema_url),
        dropped_attributes_count=uint32(resource.dropped_attributes_count),
    )


def clean_scope(scope: Any) -> Scope:
    """A scope that can be encoded; an empty one for something else."""
    if not isinstance(scope, Scope):
        return Scope()
    return Scope(
        name=text(scope.name),
        version=text(scope.version),
        attributes=attributes(scope.attributes),
        schema_url=text(scope.schema_url),
        dropped_attributes_count=uint32(scope.dropped_attributes_count),
    )


def clean_span(span: Span) -> Span:
    """A span that can be encoded."""
    return Span(
        name=text(span.name),
        trace_id=identifier(span.trace_id, 16),
        span_id=identifier(span.span_id, 8),
        parent_span_id=identifier(span.parent_span_id, 8),
        start_time_unix_nano=whole(span.start_time_unix_nano),
        end_time_unix_nano=whole(span.end_time_unix_nano),
        attributes=attributes(span.attributes),
        kind=int32(span.kind),
        status_code=int32(span.status_code),
        status_message=text(span.status_message),
        events=[clean_span_event(event) for event in parts(span.events, SpanEvent)],
        links=[clean_link(link) for link in parts(span.links, Link)],
        trace_state=text(span.trace_state),
        flags=uint32(span.flags),
        dropped_attributes_count=uint32(span.dropped_attributes_count),
        dropped_events_count=uint32(span.dropped_events_count),
        dropped_links_count=uint32(span.dropped_links_count),
    )


def clean_span_event(event: SpanEvent) -> SpanEvent:
    """A span's event that can be encoded."""
    return SpanEvent(
        name=text(event.name),
        time_unix_nano=whole(event.time_unix_nano),
        attributes=attributes(event.attributes),
        dropped_attributes_count=uint32(event.dropped_attributes_count),
    )


def clean_link(link: Link) -> Link:
    """A link that can be encoded."""
    return Link(
        trace_id=identifier(link.trace_id, 16),
        span_id=identifier(link.span_id, 8),
        trace_state=text(link.trace_state),
        attributes=attributes(link.attributes),
        dropped_attributes_count=uint32(link.dropped_attributes_count),
        flags=uint32(link.flags),
    )


def clean_record(record: LogRecord) -> LogRecord:
    """A log record that can be encoded."""
    return LogRecord(
        time_unix_nano=whole(record.time_unix_nano),
        observed_time_unix_nano=whole(record.observed_time_unix_nano),
        severity_number=int32(record.severity_number),
        severity_text=text(record.severity_text),
        body=record.body,
        attributes=attributes(record.attributes),
        trace_id=identifier(record.trace_id, 16),
        span_id=identifier(record.span_id, 8),
        flags=uint32(record.flags),
        event_name=text(record.event_name),
        dropped_attributes_count=uint32(record.dropped_attributes_count),
    )


def clean_point(point: MetricPoint) -> MetricPoint:
    """A point that can be encoded; the value decides where ``kind`` contradicts it."""
    value = clean_value(point.value)
    said = known_kind(point.kind)
    kind = KIND_OF_VALUE.get(type(value), said)
    if isinstance(value, int | float) and said is not MetricKind.SUM:
        kind = MetricKind.GAUGE
    return MetricPoint(
        name=text(point.name),
        value=value,
        kind=kind,
        unit=text(point.unit),
        description=text(point.description),
        attributes=attributes(point.attributes),
        time_unix_nano=whole(point.time_unix_nano),
        start_time_unix_nano=whole(point.start_time_unix_nano),
        temporality=Temporality(whole(point.temporality, 0, 2)),
        is_monotonic=point.is_monotonic is True,
        exemplars=[clean_exemplar(one) for one in parts(point.exemplars, Exemplar)],
        flags=uint32(point.flags),
        metadata=attributes(point.metadata),
    )


def known_kind(kind: Any) -> MetricKind:
    """The kind, or a gauge for something else."""
    try:
        return MetricKind(kind)
    except Exception:  # noqa: BLE001 - a user's object may raise anything
        return MetricKind.GAUGE


def clean_value(value: Any) -> Any:
    """A point's value that can be encoded; None for what has no number."""
    if isinstance(value, Histogram):
        return clean_histogram(value)
    if isinstance(value, ExponentialHistogram):
        return clean_exponential(value)
    if isinstance(value, Summary):
        return clean_summary(value)
    if isinstance(value, int):
        exact = whole(value, INT64.start - 1, INT64.stop)
        return exact if exact in INT64 else real(value)
    return real(value)


def clean_histogram(value: Histogram) -> Histogram:
    """A histogram that can be encoded."""
    return Histogram(
        count=whole(value.count),
        sum=real(value.sum),
        bucket_counts=[whole(count) for count in elements(value.bucket_counts)],
        explicit_bounds=[
            real(bound) or 0.0 for bound in elements(value.explicit_bounds)
        ],
        min=real(value.min),
        max=real(value.max),
    )


def clean_exponential(value: ExponentialHistogram) -> ExponentialHistogram:
    """An exponential histogram that can be encoded."""
    return ExponentialHistogram(
        count=whole(value.count),
        sum=real(value.sum),
        scale=int32(value.scale),
        zero_count=whole(value.zero_count),
        positive=clean_buckets(value.positive),
        negative=clean_buckets(value.negative),
        min=real(value.min),
        max=real(value.max),
        zero_threshold=real(value.zero_threshold) or 0.0,
    )


def clean_buckets(buckets: Any) -> ExponentialBuckets:
    """Buckets that can be encoded; empty ones for something else."""
    if not isinstance(buckets, ExponentialBuckets):
        return ExponentialBuckets()
    counts = [whole(count) for count in elements(buckets.bucket_counts)]
    return ExponentialBuckets(int32(buckets.offset), counts)


def clean_summary(value: Summary) -> Summary:
    """A summary that can be encoded; only pairs are quantiles."""
    pairs = [
        (real(pair[0]) or 0.0, real(pair[1]) or 0.0)
        for pair in map(elements, parts(value.quantiles, tuple))
        if len(pair) == 2
    ]
    return Summary(whole(value.count), real(value.sum) or 0.0, pairs)


def clean_exemplar(exemplar: Exemplar) -> Exemplar:
    """An exemplar that can be encoded; 0.0 for a value that is no number."""
    value = clean_value(exemplar.value)
    return Exemplar(
        value=value if isinstance(value, int | float) else 0.0,
        time_unix_nano=whole(exemplar.time_unix_nano),
        trace_id=identifier(exemplar.trace_id, 16),
        span_id=identifier(exemplar.span_id, 8),
        filtered_attributes=attributes(exemplar.filtered_attributes),
    )
