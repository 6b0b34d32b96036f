"""Our OTLP/protobuf codec against the generated classes of ``opentelemetry-proto``."""

from __future__ import annotations

from typing import Any

from drawn_events import PLAIN, batches, points, records, spans
from hypothesis import given, settings
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.logs.v1 import logs_pb2 as logs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1 import resource_pb2 as resources
from opentelemetry.proto.trace.v1 import trace_pb2 as traces

from sluiceway.events import (
    ExponentialBuckets,
    Histogram,
    LogRecord,
    MetricKind,
    MetricPoint,
    Span,
    Summary,
)
from sluiceway.formats.otlp_protobuf import (
    Encoder,
    decode_logs,
    decode_metrics,
    decode_traces,
)

# The same events as generated classes, field by field.


def any_value(value: Any) -> common.AnyValue:
    if isinstance(value, bool):
        return common.AnyValue(bool_value=value)
    if isinstance(value, list):
        items = [any_value(item) for item in value]
        return common.AnyValue(array_value=common.ArrayValue(values=items))
    if isinstance(value, dict):
        pairs = common.KeyValueList(values=key_values(value))
        return common.AnyValue(kvlist_value=pairs)
    if value is None:
        return common.AnyValue()
    field = {str: "string", int: "int", float: "double", bytes: "bytes"}[type(value)]
    return common.AnyValue(**{f"{field}_value": value})


def key_values(values: dict[str, Any]) -> list[common.KeyValue]:
    return [common.KeyValue(key=k, value=any_value(v)) for k, v in values.items()]


def span_of(span: Span) -> traces.Span:
    values = fields_of(span, "attributes")
    del values["resource"], values["scope"]
    code, message = values.pop("status_code"), values.pop("status_message")
    if code or message:
        values["status"] = traces.Status(code=code, message=message)
    for name, part in (("events", traces.Span.Event), ("links", traces.Span.Link)):
        values[name] = [part(**fields_of(one, "attributes")) for one in values[name]]
    return traces.Span(**values)


OF_THE_METRIC = [
    *("name", "unit", "description", "kind", "temporality", "is_monotonic", "metadata")
]


def fields_of(part: Any, attribute_field: str) -> dict[str, Any]:
    """The fields of a struct whose names are the protocol's."""
    values = {name: getattr(part, name) for name in part.__struct_fields__}
    values[attribute_field] = key_values(values[attribute_field])
    return values


def record_of(record: LogRecord) -> logs.LogRecord:
    values = fields_of(record, "attributes")
    del values["resource"], values["scope"]
    values["body"] = None if record.body is None else any_value(record.body)
    return logs.LogRecord(**values)


def number_of(value: Any) -> dict[str, Any]:
    return {"as_int" if isinstance(value, int) else "as_double": value}


def point_of(point: MetricPoint) -> Any:
    shared: dict[str, Any] = {
        "attributes": key_values(point.attributes),
        "time_unix_nano": point.time_unix_nano,
        "start_time_unix_nano": point.start_time_unix_nano,
        "flags": point.flags,
    }
    for exemplar in point.exemplars:
        values = fields_of(exemplar, "filtered_attributes")
        values.update(number_of(values.pop("value")))
        shared.setdefault("exemplars", []).append(metrics.Exemplar(**values))
    value = point.value
    if isinstance(value, int | float):
        return metrics.NumberDataPoint(**number_of(value), **shared)
    own = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, Histogram):
        return metrics.HistogramDataPoint(**own, **shared)
    if isinstance(value, Summary):
        at_quantile = metrics.SummaryDataPoint.ValueAtQuantile
        pairs = [at_quantile(quantile=q, value=v) for q, v in own.pop("quantiles")]
        return metrics.SummaryDataPoint(quantile_values=pairs, **own, **shared)
    buckets = metrics.ExponentialHistogramDataPoint.Buckets
    for sign in ("positive", "negative"):
        own[sign] = (
            buckets(offset=own[sign].offset, bucket_counts=own[sign].bucket_counts)
            if own[sign] != ExponentialBuckets()
            else None
        )
    return metrics.ExponentialHistogramDataPoint(**own, **shared)


def metrics_of(batch: list[MetricPoint]) -> list[metrics.Metric]:
    return [metric_of(same) for same in by_metric(batch)]


def by_metric(batch: list[MetricPoint]) -> list[list[MetricPoint]]:
    found: dict[str, list[MetricPoint]] = {}
    for point in batch:
        key = repr([getattr(point, name) for name in OF_THE_METRIC])
        found.setdefault(key, []).append(point)
    return list(found.values())


def metric_of(same: list[MetricPoint]) -> metrics.Metric:
    first = same[0]
    metric = metrics.Metric(
        name=first.name,
        unit=first.unit,
        description=first.description,
        metadata=key_values(first.metadata),
    )
    data = getattr(metric, first.kind.name.lower())
    data.data_points.extend([point_of(point) for point in same])
    if first.kind not in PLAIN:
        data.aggregation_temporality = first.temporality
    if first.kind is MetricKind.SUM:
        data.is_monotonic = first.is_monotonic
    return metric


def grouped(batch: list[Any]) -> list[list[list[Any]]]:
    """By identity of resource, then of scope, in order of first appearance."""
    found: dict[int, dict[int, list[Any]]] = {}
    for event in batch:
        scopes = found.setdefault(id(event.resource), {})
        scopes.setdefault(id(event.scope), []).append(event)
    return [list(scopes.values()) for scopes in found.values()]


def fill(request: Any, signal: str, items: str, batch: list[Any], convert: Any) -> Any:
    for scopes in grouped(batch):
        outer = getattr(request, f"resource_{signal}").add()
        resource = scopes[0][0].resource
        outer.schema_url = resource.schema_url
        message = resources.Resource(
            attributes=key_values(resource.attributes),
            dropped_attributes_count=resource.dropped_attributes_count,
        )
        if message.ByteSize():
            outer.resource.CopyFrom(message)
        for events in scopes:
            inner = getattr(outer, f"scope_{signal}").add()
            values = fields_of(events[0].scope, "attributes")
            inner.schema_url = values.pop("schema_url")
            scope = common.InstrumentationScope(**values)
            if scope.ByteSize():
                inner.scope.CopyFrom(scope)
            getattr(inner, items).extend(convert(events))
    return request


def canonical(message: Any) -> bytes:
    """Bytes to compare by, since a NaN is not equal to itself."""
    return message.SerializeToString(deterministic=True)


def agree(request: Any, ours: bytes, decode: Any, expected: list[Any]) -> None:
    """Both directions: our bytes to their classes, and their bytes to our events."""
    assert canonical(type(request).FromString(ours)) == canonical(request)
    assert repr(decode(canonical(request))) == repr(expected)
    assert repr(decode(ours)) == repr(expected)


def flat(groups: list[list[list[Any]]]) -> list[Any]:
    return [event for scopes in groups for events in scopes for event in events]


ENCODER = Encoder()


@settings(max_examples=150, deadline=None)
@given(batches(spans))
def test_spans_agree_with_the_generated_classes_in_both_directions(batch):
    request = fill(
        ExportTraceServiceRequest(),
        "spans",
        "spans",
        batch,
        lambda events: [span_of(span) for span in events],
    )
    agree(request, ENCODER.traces(batch), decode_traces, flat(grouped(batch)))


@settings(max_examples=150, deadline=None)
@given(batches(records))
def test_log_records_agree_with_the_generated_classes_in_both_directions(batch):
    request = fill(
        ExportLogsServiceRequest(),
        "logs",
        "log_records",
        batch,
        lambda events: [record_of(record) for record in events],
    )
    agree(request, ENCODER.logs(batch), decode_logs, flat(grouped(batch)))


@settings(max_examples=150, deadline=None)
@given(batches(points))
def test_metric_points_agree_with_the_generated_classes_in_both_directions(batch):
    request = fill(
        ExportMetricsServiceRequest(), "metrics", "metrics", batch, metrics_of
    )
    expected = [
        point
        for scopes in grouped(batch)
        for events in scopes
        for same in by_metric(events)
        for point in same
    ]
    agree(request, ENCODER.metrics(batch), decode_metrics, expected)
