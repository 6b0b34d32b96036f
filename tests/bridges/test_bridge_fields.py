"""What the bridges hand over, against what the SDK's own OTLP exporter would send.

Both are encoded and decoded by the generated classes. Where the SDK sends less than the
protocol has room for, the test adds it to the SDK's side, and says so.
"""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import (
    encode_logs as sdk_logs,
)
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import (
    encode_metrics as sdk_metrics,
)
from opentelemetry.exporter.otlp.proto.common.trace_encoder import (
    encode_spans as sdk_spans,
)
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import (
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import (
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    MeterProvider,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sluiceway.bridges import LogBridge, MetricBridge, SpanBridge
from sluiceway.events import Histogram as HistogramValue
from sluiceway.events import MetricKind
from sluiceway.formats.otlp_protobuf import encode_logs, encode_metrics, encode_traces

RESOURCE = Resource(
    {"service.name": "shop", "ports": [1, 2], "on": True}, "https://schema/r"
)
FAR = trace.SpanContext(
    7,
    8,
    is_remote=True,
    trace_flags=trace.TraceFlags(1),
    trace_state=trace.TraceState([("a", "1"), ("b", "2")]),
)


def emitted(bridge):
    return list(bridge.source._buffer)


@pytest.fixture
def spans():
    """A provider, the spans that the SDK would export, and a bridge that got them."""
    provider = TracerProvider(
        resource=RESOURCE,
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=4,
            max_events=2,
            max_links=2,
            max_event_attributes=1,
            max_link_attributes=1,
        ),
    )
    memory, bridge = InMemorySpanExporter(), SpanBridge()
    for exporter in (memory, bridge):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, memory, bridge
    provider.shutdown()


def make_spans(provider):
    tracer = provider.get_tracer("lib", "1.2", "https://schema/s", {"team": "x"})
    far = trace.set_span_in_context(trace.NonRecordingSpan(FAR))
    links = [trace.Link(FAR, {"n": 1, "m": 2}), trace.Link(FAR), trace.Link(FAR)]
    with tracer.start_as_current_span(
        "é", far, trace.SpanKind.SERVER, links=links
    ) as s:
        for number in range(6):
            s.set_attribute(f"key {number}", [1.5, 2.5])
        for number in range(4):
            s.add_event(f"event {number}", {"x": "y", "z": number}, 5 + number)
        s.set_status(trace.Status(trace.StatusCode.ERROR, "no card"))
        for kind in trace.SpanKind:
            with tracer.start_as_current_span("child", kind=kind) as child:
                child.set_status(trace.StatusCode.OK)
    provider.get_tracer("bare").start_span("root", attributes={"b": False}).end()


def test_spans_arrive_with_every_field(spans):
    provider, memory, bridge = spans
    make_spans(provider)
    finished = memory.get_finished_spans()
    wanted = sdk_spans(finished)
    given = ExportTraceServiceRequest.FromString(encode_traces(emitted(bridge)))
    for request in (wanted, given):
        (of_resource,) = request.resource_spans
        assert len(of_resource.scope_spans) == 2
    add_what_the_sdk_leaves_out(wanted, finished)
    assert given == wanted
    odd = next(s for s in finished if s.name == "é")
    assert odd.dropped_attributes == 2
    assert (odd.dropped_events, odd.dropped_links) == (2, 1)


def add_what_the_sdk_leaves_out(request, finished):
    """The W3C flags of spans and links, the tracestate of links; an unset status is not
    sent at all, which reads the same.
    """
    flags = {span.context.span_id: span.context.trace_flags for span in finished}
    for of_scope in request.resource_spans[0].scope_spans:
        for span in of_scope.spans:
            span.flags |= flags[int.from_bytes(span.span_id, "big")]
            if span.status.code == 0:
                span.ClearField("status")
            for link in span.links:
                link.flags |= FAR.trace_flags
                link.trace_state = FAR.trace_state.to_header()


def test_a_span_that_has_no_identity_costs_no_other(spans):
    """It is counted, and the exporter says FAILURE."""
    provider, memory, _ = spans
    make_spans(provider)
    bridge = SpanBridge()
    good = memory.get_finished_spans()[:2]
    result = bridge.export([good[0], ReadableSpan("by hand"), good[1]])
    assert result.name == "FAILURE"
    assert [event.span_id.hex() for event in emitted(bridge)] == [
        f"{span.context.span_id:016x}" for span in good
    ]
    assert bridge.source.refused() == {"unreadable": 1}


@pytest.fixture
def logs():
    provider = LoggerProvider(
        resource=RESOURCE,
        shutdown_on_exit=False,
        log_record_limits=LogRecordLimits(max_log_record_attributes=2),
    )
    memory, bridge = InMemoryLogRecordExporter(), LogBridge()
    for exporter in (memory, bridge):
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    yield provider, memory, bridge
    provider.shutdown()


@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
def test_log_records_arrive_with_every_field(logs):
    provider, memory, bridge = logs
    logger = provider.get_logger("lib", "1.2", "https://schema/s", {"team": "x"})
    with trace.use_span(trace.NonRecordingSpan(FAR)):
        logger.emit(
            timestamp=5,
            observed_timestamp=6,
            severity_number=SeverityNumber.WARN2,
            severity_text="notice",
            body={"card": [1, None, b"raw", {"deep": 2.5}], "é": True},
            attributes={"n": 1, "tags": ("a", "b"), "more": "dropped"},
            event_name="shop.paid",
        )
    logger.emit(body="outside", exception=ValueError("no card"))
    provider.get_logger("bare").emit(body=7)
    wanted = sdk_logs(memory.get_finished_logs())
    given = ExportLogsServiceRequest.FromString(encode_logs(emitted(bridge)))
    assert given == wanted
    first, *_ = given.resource_logs[0].scope_logs[0].log_records
    assert first.dropped_attributes_count == 1


@pytest.mark.parametrize("temporality", list(AggregationTemporality)[1:])
@pytest.mark.parametrize(
    "aggregation",
    [
        ExplicitBucketHistogramAggregation([1.0, 5.0]),
        ExplicitBucketHistogramAggregation([1.0], record_min_max=False),
        ExponentialBucketHistogramAggregation(max_size=4),
    ],
    ids=["explicit", "no range", "exponential"],
)
def test_metric_points_arrive_with_every_field(temporality, aggregation):
    data = collected(temporality, aggregation)
    bridge = MetricBridge()
    assert bridge.export(data).name == "SUCCESS"
    wanted = sdk_metrics(data)
    given = ExportMetricsServiceRequest.FromString(encode_metrics(emitted(bridge)))
    for request in (wanted, given):
        leave_infinite_ranges_out(request)
    assert given == wanted


def collected(temporality, aggregation):
    """What a reader collects of every kind of instrument."""
    reader = InMemoryMetricReader(dict.fromkeys((Counter, Histogram), temporality))
    provider = MeterProvider(
        [reader],
        RESOURCE,
        exemplar_filter=AlwaysOnExemplarFilter(),
        shutdown_on_exit=False,
        views=[View(instrument_name="seconds", aggregation=aggregation)],
    )
    meter = provider.get_meter("lib", "1.2", "https://schema/s", {"team": "x"})
    with trace.use_span(trace.NonRecordingSpan(FAR)):
        meter.create_counter("orders", "1", "all of them").add(3, {"shop": "north"})
        meter.create_counter("euros", "EUR").add(2.5)
        meter.create_up_down_counter("open").add(-4)
        seconds = meter.create_histogram("seconds", "s")
        for value in (0, 0.5, 1.0, 3, 700):
            seconds.record(value, {"route": "/"})
        meter.create_gauge("heat").set(21.5)
    meter.create_observable_counter("seen", [lambda _: [Observation(9, {"k": [1]})]])
    meter.create_observable_gauge("lag", [lambda _: [Observation(0.5)]])
    data = reader.get_metrics_data()
    provider.shutdown()
    return data


def leave_infinite_ranges_out(request):
    """What the SDK says of the range when it has recorded none."""
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.histogram.data_points:
            if point.min == float("inf"):
                point.ClearField("min")
                point.ClearField("max")


def test_a_range_that_was_not_recorded_is_none():
    aggregation = ExplicitBucketHistogramAggregation([1.0], record_min_max=False)
    bridge = MetricBridge()
    bridge.export(collected(AggregationTemporality.DELTA, aggregation))
    values = {event.name: event for event in emitted(bridge)}
    seconds = values["seconds"]
    assert isinstance(seconds.value, HistogramValue)
    assert (seconds.value.min, seconds.value.max) == (None, None)
    assert values["lag"].kind is MetricKind.GAUGE


def test_metrics_that_cannot_be_read_cost_no_others():
    data = collected(
        AggregationTemporality.DELTA, ExplicitBucketHistogramAggregation([1.0])
    )
    (of_scope,) = data.resource_metrics[0].scope_metrics
    whole = sum(len(metric.data.data_points) for metric in of_scope.metrics)
    of_scope.metrics[0].data.data_points[0] = object()
    bridge = MetricBridge()
    assert bridge.export(data).name == "FAILURE"
    assert len(emitted(bridge)) == whole - 1
    assert bridge.source.refused() == {"unreadable": 1}


def test_a_reader_asks_the_bridge_for_temporality_and_aggregation():
    bridge = MetricBridge(
        preferred_temporality={Counter: AggregationTemporality.DELTA},
        preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()},
    )
    reader = PeriodicExportingMetricReader(bridge, float("inf"))
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    provider.get_meter("m").create_counter("orders").add(1)
    provider.get_meter("m").create_histogram("seconds").record(1)
    provider.force_flush()
    provider.shutdown()
    orders, seconds, *_ = emitted(bridge)
    assert orders.temporality.name == "DELTA"
    assert seconds.kind is MetricKind.EXPONENTIAL_HISTOGRAM


def test_resources_and_scopes_are_made_once(spans):
    provider, _, bridge = spans
    make_spans(provider)
    events = emitted(bridge)
    assert len({id(event.resource) for event in events}) == 1
    assert len({id(event.scope) for event in events}) == 2
