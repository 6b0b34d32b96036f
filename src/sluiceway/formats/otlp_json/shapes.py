"""What OTLP's JSON looks like, for msgspec to check while it reads.

Law: a key that is missing and one that is null are the same, as proto3's JSON says;
whole numbers may be decimal text or end in ``.0``, doubles may be text too. Events stay
raw until each is read: a body of 64 MiB in one call would keep the interpreter from
all other threads for half a second.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

Text = str | None
TraceId = Annotated[str, Meta(pattern=r"\A(?:[0-9a-fA-F]{32})?\Z")] | None
SpanId = Annotated[str, Meta(pattern=r"\A(?:[0-9a-fA-F]{16})?\Z")] | None
Flag = bool | None
# proto3's JSON takes a whole number in any form that JSON or a text has for it. Those
# of 64 bits mostly are texts, which are looked at when they are read: to match each of
# them to a pattern takes a fifth of all reading.
Digits = Annotated[
    str, Meta(pattern=r"\A-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?\Z")
]
Uint32 = Annotated[int, Meta(ge=0, le=2**32 - 1)] | float | Digits | None
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | float | Digits | None
Uint64 = Annotated[int, Meta(ge=0)] | float | str
Int64 = int | float | str
Double = (
    float
    | Annotated[
        str,
        Meta(
            pattern=r"\A(?:NaN|-?Infinity"
            r"|-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?)\Z"
        ),
    ]
)


class Shape(Struct, rename="camel", gc=False):
    """A message; it never refers to itself, so that no collector need look at it."""


class AnyValue(Shape):
    """A value of an attribute or a log record's body."""

    string_value: Text = None
    bool_value: Flag = None
    int_value: Int64 | None = None
    double_value: Double | None = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: Text = None


class ArrayValue(Shape):
    """Values in an order."""

    values: list[AnyValue | None] | None = None


class KeyValue(Shape):
    """An attribute."""

    key: Text = None
    value: AnyValue | None = None


class KeyValueList(Shape):
    """Values by key."""

    values: list[KeyValue] | None = None


Attributes = list[KeyValue] | None


class Resource(Shape):
    """What produced the telemetry."""

    attributes: Attributes = None
    dropped_attributes_count: Uint32 = None


class Scope(Shape):
    """Which library produced the telemetry."""

    name: Text = None
    version: Text = None
    attributes: Attributes = None
    dropped_attributes_count: Uint32 = None


class SpanEvent(Shape):
    """A Span.Event."""

    time_unix_nano: Uint64 | None = None
    name: Text = None
    attributes: Attributes = None
    dropped_attributes_count: Uint32 = None


class Link(Shape):
    """A Span.Link."""

    trace_id: TraceId = None
    span_id: SpanId = None
    trace_state: Text = None
    attributes: Attributes = None
    dropped_attributes_count: Uint32 = None
    flags: Uint32 = None


class Status(Shape):
    """A span's status."""

    message: Text = None
    code: Int32 = None


class Span(Shape):
    """A span."""

    trace_id: TraceId = None
    span_id: SpanId = None
    trace_state: Text = None
    parent_span_id: SpanId = None
    flags: Uint32 = None
    name: Text = None
    kind: Int32 = None
    start_time_unix_nano: Uint64 | None = None
    end_time_unix_nano: Uint64 | None = None
    attributes: Attributes = None
    dropped_attributes_count: Uint32 = None
    events: list[SpanEvent] | None = None
    dropped_events_count: Uint32 = None
    links: list[Link] | None = None
    dropped_links_count: Uint32 = None
    status: Status | None = None


class LogRecord(Shape):
    """A log record."""

    time_unix_nano: Uint64 | None = None
    observed_time_unix_nano: Uint64 | None = None
    severity_number: Int32 = None
    severity_text: Text = None
    body: AnyValue | None = None
    attributes: Attributes = None
    dropped_attributes_count: Uint32 = None
    flags: Uint32 = None
    trace_id: TraceId = None
    span_id: SpanId = None
    event_name: Text = None


class Exemplar(Shape):
    """A measurement that stands for others."""

    filtered_attributes: Attributes = None
    time_unix_nano: Uint64 | None = None
    as_double: Double | None = None
    as_int: Int64 | None = None
    span_id: SpanId = None
    trace_id: TraceId = None


class Point(Shape):
    """What the data points of all kinds have."""

    attributes: Attributes = None
    start_time_unix_nano: Uint64 | None = None
    time_unix_nano: Uint64 | None = None
    exemplars: list[Exemplar] | None = None
    flags: Uint32 = None


class NumberPoint(Point):
    """A point of a gauge or a sum."""

    as_double: Double | None = None
    as_int: Int64 | None = None


class HistogramPoint(Point):
    """A point with explicit buckets."""

    count: Uint64 | None = None
    sum: Double | None = None
    bucket_counts: list[Uint64] | None = None
    explicit_bounds: list[Double] | None = None
    min: Double | None = None
    max: Double | None = None


class Buckets(Shape):
    """The exponential buckets of one sign."""

    offset: Int32 = None
    bucket_counts: list[Uint64] | None = None


class ExponentialPoint(Point):
    """A point with exponential buckets."""

    count: Uint64 | None = None
    sum: Double | None = None
    scale: Int32 = None
    zero_count: Uint64 | None = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    min: Double | None = None
    max: Double | None = None
    zero_threshold: Double | None = None


class Quantile(Shape):
    """A ValueAtQuantile."""

    quantile: Double | None = None
    value: Double | None = None


class SummaryPoint(Point):
    """A point of quantiles."""

    count: Uint64 | None = None
    sum: Double | None = None
    quantile_values: list[Quantile] | None = None


class Data(Shape):
    """What the data of all kinds say of all their points."""

    aggregation_temporality: Int32 = None
    is_monotonic: Flag = None


class Numbers(Data):
    """A gauge's or a sum's."""

    data_points: list[NumberPoint] | None = None


class Histograms(Data):
    """A histogram's."""

    data_points: list[HistogramPoint] | None = None


class Exponentials(Data):
    """An exponential histogram's."""

    data_points: list[ExponentialPoint] | None = None


class Summaries(Data):
    """A summary's."""

    data_points: list[SummaryPoint] | None = None


class Metric(Shape):
    """A metric."""

    name: Text = None
    description: Text = None
    unit: Text = None
    metadata: Attributes = None
    gauge: Numbers | None = None
    sum: Numbers | None = None
    histogram: Histograms | None = None
    exponential_histogram: Exponentials | None = None
    summary: Summaries | None = None


class ScopeSpans(Shape):
    """The spans of one scope."""

    scope: Scope | None = None
    spans: list[Raw] | None = None
    schema_url: Text = None


class ScopeMetrics(Shape):
    """The metrics of one scope."""

    scope: Scope | None = None
    metrics: list[Raw] | None = None
    schema_url: Text = None


class ScopeLogs(Shape):
    """The log records of one scope."""

    scope: Scope | None = None
    log_records: list[Raw] | None = None
    schema_url: Text = None


class ResourceSpans(Shape):
    """The spans of one resource."""

    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None
    schema_url: Text = None


class ResourceMetrics(Shape):
    """The metrics of one resource."""

    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None
    schema_url: Text = None


class ResourceLogs(Shape):
    """The log records of one resource."""

    resource: Resource | None = None
    scope_logs: list[ScopeLogs] | None = None
    schema_url: Text = None


class Traces(Shape):
    """An ExportTraceServiceRequest."""

    resource_spans: list[ResourceSpans] | None = None


class Metrics(Shape):
    """An ExportMetricsServiceRequest."""

    resource_metrics: list[ResourceMetrics] | None = None


class Logs(Shape):
    """An ExportLogsServiceRequest."""

    resource_logs: list[ResourceLogs] | None = None
