"""Events to OTLP's JSON.

Law: what is written is what the protobuf codec reads back of its own encoding, so that
odd events, their cleaning and their grouping follow one set of rules in both forms.
That costs less than half of what the JSON itself costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ...events import Link, LogRecord, MetricPoint, Resource, Scope, Span, SpanEvent
from ...notes import Notes
from ..otlp_protobuf import Encoder as ProtobufEncoder
from ..otlp_protobuf import decode_logs, decode_metrics, decode_traces
from ..otlp_protobuf.envelope import group
from .write_points import metrics_of
from .write_values import Json, any_value, attributes, filled, whole

to_bytes = msgspec.json.Encoder().encode


class Encoder:
    """Writes Export*ServiceRequests as JSON; ``otlp_protobuf.Encoder`` has the rules.

    Source: OpenTelemetry protocol 1.11, "JSON Protobuf Encoding".
    """

    def __init__(self) -> None:
        self._protobuf = ProtobufEncoder()

    def traces(self, spans: Iterable[Span]) -> bytes:
        """An ExportTraceServiceRequest."""
        return traces_json(decode_traces(self._protobuf.traces(spans)))

    def notes(self, notes: Iterable[Notes]) -> bytes:
        """An ExportTraceServiceRequest of finished spans that are no events yet."""
        return traces_json(decode_traces(self._protobuf.notes(notes)))

    def metrics(self, points: Iterable[MetricPoint]) -> bytes:
        """An ExportMetricsServiceRequest."""
        clean = decode_metrics(self._protobuf.metrics(points))
        return request("Metrics", "metrics", clean, metrics_of)

    def logs(self, records: Iterable[LogRecord]) -> bytes:
        """An ExportLogsServiceRequest."""
        clean = decode_logs(self._protobuf.logs(records))
        return request("Logs", "logRecords", clean, lambda own: [*map(log, own)])


def traces_json(spans: list[Span]) -> bytes:
    """An ExportTraceServiceRequest of clean spans."""
    return request("Spans", "spans", spans, lambda own: [*map(span_of, own)])


def encode_traces(spans: Iterable[Span]) -> bytes:
    """An ExportTraceServiceRequest, by an ``Encoder`` of its own."""
    return Encoder().traces(spans)


def encode_metrics(points: Iterable[MetricPoint]) -> bytes:
    """An ExportMetricsServiceRequest, by an ``Encoder`` of its own."""
    return Encoder().metrics(points)


def encode_logs(records: Iterable[LogRecord]) -> bytes:
    """An ExportLogsServiceRequest, by an ``Encoder`` of its own."""
    return Encoder().logs(records)


def join_requests(requests: list[bytes]) -> bytes:
    """Requests of one signal, as ``Encoder`` writes them, in one."""
    head, bracket, _ = requests[0].partition(b"[")
    start = len(head) + 1
    return head + bracket + b",".join([one[start:-2] for one in requests]) + b"]}"


def request(
    signal: str,
    field: str,
    events: list[Any],
    write: Callable[[list[Any]], list[Json]],
) -> bytes:
    """A request; ``write`` makes what stands in a scope's ``field``."""
    resources: dict[int, Json] = {}
    for (identity, _), found in group(events).items():
        if identity not in resources:
            resources[identity] = resource_group(found.resource, f"scope{signal}")
        scopes = resources[identity][f"scope{signal}"]
        scopes.append(scope_group(found.scope, field, write(found.events)))
    return to_bytes({f"resource{signal}": list(resources.values())})


def resource_group(resource: Resource, field: str) -> Json:
    """A ResourceSpans, ResourceMetrics or ResourceLogs, without scopes yet."""
    own = filled(
        attributes=attributes(resource.attributes),
        droppedAttributesCount=resource.dropped_attributes_count,
    )
    return {field: [], **filled(resource=own, schemaUrl=resource.schema_url)}


def scope_group(scope: Scope, field: str, items: list[Json]) -> Json:
    """A ScopeSpans, ScopeMetrics or ScopeLogs."""
    own = filled(
        name=scope.name,
        version=scope.version,
        attributes=attributes(scope.attributes),
        droppedAttributesCount=scope.dropped_attributes_count,
    )
    return {field: items, **filled(scope=own, schemaUrl=scope.schema_url)}


def span_of(span: Span) -> Json:
    """A Span; what few spans have is asked for together."""
    json: Json = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "endTimeUnixNano": str(span.end_time_unix_nano),
    }
    if span.parent_span_id:
        json["parentSpanId"] = span.parent_span_id.hex()
    if span.attributes:
        json["attributes"] = attributes(span.attributes)
    if span.flags:
        json["flags"] = span.flags
    if (
        (span.events or span.links or span.trace_state)
        or (span.status_code or span.status_message)
        or span.dropped_attributes_count
        or span.dropped_events_count
        or span.dropped_links_count
    ):
        json |= rest_of(span)
    return json


def rest_of(span: Span) -> Json:
    """What few spans have."""
    status = filled(message=span.status_message, code=int(span.status_code))
    return filled(
        traceState=span.trace_state,
        droppedAttributesCount=span.dropped_attributes_count,
        events=[span_event(event) for event in span.events],
        droppedEventsCount=span.dropped_events_count,
        links=[span_link(link) for link in span.links],
        droppedLinksCount=span.dropped_links_count,
        status=status,
    )


def span_event(event: SpanEvent) -> Json:
    """A Span.Event."""
    return filled(
        timeUnixNano=whole(event.time_unix_nano),
        name=event.name,
        attributes=attributes(event.attributes),
        droppedAttributesCount=event.dropped_attributes_count,
    )


def span_link(link: Link) -> Json:
    """A Span.Link."""
    return filled(
        traceId=link.trace_id.hex(),
        spanId=link.span_id.hex(),
        traceState=link.trace_state,
        attributes=attributes(link.attributes),
        droppedAttributesCount=link.dropped_attributes_count,
        flags=link.flags,
    )


def log(record: LogRecord) -> Json:
    """A LogRecord."""
    return filled(
        timeUnixNano=whole(record.time_unix_nano),
        observedTimeUnixNano=whole(record.observed_time_unix_nano),
        severityNumber=record.severity_number,
        severityText=record.severity_text,
        body=any_value(record.body),
        attributes=attributes(record.attributes),
        droppedAttributesCount=record.dropped_attributes_count,
        flags=record.flags,
        traceId=record.trace_id.hex(),
        spanId=record.span_id.hex(),
        eventName=record.event_name,
    )
