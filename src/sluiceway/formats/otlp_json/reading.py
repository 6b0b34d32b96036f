"""OTLP's JSON to events.

Law: whatever the bytes, reading ends with events or a ``MalformedJsonError``. Limits
are those of ``otlp_protobuf``: values nested 64 deep; and so many objects and lists
that they fit into memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from ...errors import SluicewayError
from ...events import (
    NO_RESOURCE,
    NO_SCOPE,
    Link,
    LogRecord,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
    StatusCode,
)
from . import shapes
from .read_points import metric_points
from .read_values import (
    OutOfRangeError,
    any_value,
    attributes,
    identifier,
    int32,
    uint32,
    uint64,
)

T = TypeVar("T")
Result = TypeVar("Result")

TRACES: Final = msgspec.json.Decoder(shapes.Traces)
METRICS: Final = msgspec.json.Decoder(shapes.Metrics)
LOGS: Final = msgspec.json.Decoder(shapes.Logs)
SPAN: Final = msgspec.json.Decoder(shapes.Span)
METRIC: Final = msgspec.json.Decoder(shapes.Metric)
RECORD: Final = msgspec.json.Decoder(shapes.LogRecord)

LARGEST_NUMBER_OF_PARTS: Final = 3_000_000  # an attribute has two
STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
KINDS: Final = tuple(SpanKind)
CODES: Final = tuple(StatusCode)


class MalformedJsonError(SluicewayError, ValueError):
    """Bytes that are no OTLP message in JSON: cut off, corrupted, or hostile."""


def read(
    body: bytes, decoder: msgspec.json.Decoder[T], take: Callable[[T], Result]
) -> Result:
    """What ``take`` makes of a message.

    Raises:
        MalformedJsonError: in the place of whatever reading such bytes runs into.
    """
    check_parts(body)
    try:
        return take(decoder.decode(body))
    except RecursionError:
        words = "it is nested too deep"
    except (msgspec.MsgspecError, UnicodeError, OutOfRangeError) as error:
        words = str(error)
    raise MalformedJsonError(f"malformed OTLP/JSON body: {words}")


def check_parts(body: bytes) -> None:
    """Refuse so many objects and lists that three bytes of each exhaust the memory."""
    if parts_in(body) > LARGEST_NUMBER_OF_PARTS < parts_in(STRING.sub(b"", body)):
        raise MalformedJsonError(
            "malformed OTLP/JSON body: expected at most "
            f"{LARGEST_NUMBER_OF_PARTS} objects and lists"
        )


def parts_in(body: bytes) -> int:
    """How many objects and lists begin, those in texts counted too."""
    return body.count(b"{") + body.count(b"[")


def decode_traces(body: bytes) -> list[Span]:
    """The spans of an ExportTraceServiceRequest.

    Raises:
        MalformedJsonError: the bytes are no such request, an id is not of the right
            number of hex digits, or there are more than three million objects.
    """

    def take(request: shapes.Traces) -> list[Span]:
        return [
            read_span(span, resource, scope)
            for group in request.resource_spans or ()
            for resource, scope, inner in scopes_of(group, group.scope_spans)
            for span in map(SPAN.decode, inner.spans or ())
        ]

    return read(body, TRACES, take)


def decode_metrics(body: bytes) -> list[MetricPoint]:
    """The data points of an ExportMetricsServiceRequest.

    Raises:
        MalformedJsonError: the bytes are no such request, an exemplar's id is not of
            the right number of hex digits, or there are more than three million
            objects.
    """

    def take(request: shapes.Metrics) -> list[MetricPoint]:
        return [
            point
            for group in request.resource_metrics or ()
            for resource, scope, inner in scopes_of(group, group.scope_metrics)
            for metric in map(METRIC.decode, inner.metrics or ())
            for point in metric_points(metric, resource, scope)
        ]

    return read(body, METRICS, take)


def decode_logs(body: bytes) -> list[LogRecord]:
    """The log records of an ExportLogsServiceRequest.

    Raises:
        MalformedJsonError: the bytes are no such request, an id is not of the right
            number of hex digits, or there are more than three million objects.
    """

    def take(request: shapes.Logs) -> list[LogRecord]:
        return [
            read_record(record, resource, scope)
            for group in request.resource_logs or ()
            for resource, scope, inner in scopes_of(group, group.scope_logs)
            for record in map(RECORD.decode, inner.log_records or ())
        ]

    return read(body, LOGS, take)


def scopes_of(group: Any, scopes: Any) -> Iterator[tuple[Resource, Scope, Any]]:
    """The scopes of a resource's group, each with what its events are of."""
    resource = read_resource(group.resource, group.schema_url or "")
    for inner in scopes or ():
        yield resource, read_scope(inner.scope, inner.schema_url or ""), inner


def read_resource(shape: shapes.Resource | None, schema_url: str) -> Resource:
    """A Resource with the schema URL that stands beside it."""
    if shape is None:
        return Resource(schema_url=schema_url) if schema_url else NO_RESOURCE
    return Resource(
        attributes(shape.attributes), schema_url, uint32(shape.dropped_attributes_count)
    )


def read_scope(shape: shapes.Scope | None, schema_url: str) -> Scope:
    """An InstrumentationScope with the schema URL that stands beside it."""
    if shape is None:
        return Scope(schema_url=schema_url) if schema_url else NO_SCOPE
    return Scope(
        shape.name or "",
        shape.version or "",
        attributes(shape.attributes),
        schema_url,
        uint32(shape.dropped_attributes_count),
    )


def read_span(shape: shapes.Span, resource: Resource, scope: Scope) -> Span:
    """A Span."""
    kind, status = int32(shape.kind), shape.status or NO_STATUS
    code = int32(status.code)
    return Span(
        name=shape.name or "",
        trace_id=identifier(shape.trace_id),
        span_id=identifier(shape.span_id),
        parent_span_id=identifier(shape.parent_span_id),
        start_time_unix_nano=uint64(shape.start_time_unix_nano),
        end_time_unix_nano=uint64(shape.end_time_unix_nano),
        attributes=attributes(shape.attributes),
        kind=KINDS[kind] if 0 <= kind < len(KINDS) else kind,
        status_code=CODES[code] if 0 <= code < len(CODES) else code,
        status_message=status.message or "",
        events=[read_event(event) for event in shape.events or ()],
        links=[read_link(link) for link in shape.links or ()],
        trace_state=shape.trace_state or "",
        flags=uint32(shape.flags),
        dropped_attributes_count=uint32(shape.dropped_attributes_count),
        dropped_events_count=uint32(shape.dropped_events_count),
        dropped_links_count=uint32(shape.dropped_links_count),
        resource=resource,
        scope=scope,
    )


NO_STATUS: Final = shapes.Status()


def read_event(shape: shapes.SpanEvent) -> SpanEvent:
    """A Span.Event."""
    return SpanEvent(
        shape.name or "",
        uint64(shape.time_unix_nano),
        attributes(shape.attributes),
        uint32(shape.dropped_attributes_count),
    )


def read_link(shape: shapes.Link) -> Link:
    """A Span.Link."""
    return Link(
        identifier(shape.trace_id),
        identifier(shape.span_id),
        shape.trace_state or "",
        attributes(shape.attributes),
        uint32(shape.dropped_attributes_count),
        uint32(shape.flags),
    )


def read_record(shape: shapes.LogRecord, resource: Resource, scope: Scope) -> LogRecord:
    """A LogRecord."""
    return LogRecord(
        time_unix_nano=uint64(shape.time_unix_nano),
        observed_time_unix_nano=uint64(shape.observed_time_unix_nano),
        severity_number=int32(shape.severity_number),
        severity_text=shape.severity_text or "",
        body=any_value(shape.body),
        attributes=attributes(shape.attributes),
        trace_id=identifier(shape.trace_id),
        span_id=identifier(shape.span_id),
        flags=uint32(shape.flags),
        event_name=shape.event_name or "",
        dropped_attributes_count=uint32(shape.dropped_attributes_count),
        resource=resource,
        scope=scope,
    )
