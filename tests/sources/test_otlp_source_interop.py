"""OtlpSource with real senders: the official exporters, and our own sink."""

from __future__ import annotations

import asyncio
import random
from logging import getLogger

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_log
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metric
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk import metrics, resources, trace
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from sluiceway import Pipeline
from sluiceway.events import (
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
    SpanKind,
    StatusCode,
    Summary,
    Temporality,
)
from sluiceway.inlet import Inlet
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.sources.otlp import OtlpSource
from sluiceway.testing import CollectingSink


async def received(send, *, over_grpc=False, **options):
    """What a pipeline behind a source has collected after ``await send(url)``."""
    source = OtlpSource(port=0, grpc_port=0 if over_grpc else None, **options)
    sink = CollectingSink()
    pipeline = Pipeline(source >> sink)
    async with pipeline:
        await send(f"http://127.0.0.1:{source.grpc_port if over_grpc else source.port}")
    ledger = pipeline.ledger()
    assert ledger.balanced
    assert not ledger.lost
    return sink.events


def http_exporters(url, packing):
    """The official exporters over HTTP."""
    options = {"compression": Compression.Gzip if packing else None}
    return (
        OTLPSpanExporter(f"{url}/v1/traces", **options),
        OTLPMetricExporter(f"{url}/v1/metrics", **options),
        OTLPLogExporter(f"{url}/v1/logs", **options),
    )


def grpc_exporters(url, packing):
    """The official exporters over gRPC."""
    options = {"compression": grpc.Compression.Gzip if packing else None}
    return (
        grpc_trace.OTLPSpanExporter(url, **options),
        grpc_metric.OTLPMetricExporter(url, **options),
        grpc_log.OTLPLogExporter(url, **options),
    )


def export(spans, points, records):
    """Record a span, two metrics and a log line with the SDK, and export them."""
    resource = resources.Resource({"service.name": "shop"})
    tracer = trace.TracerProvider(resource=resource)
    tracer.add_span_processor(SimpleSpanProcessor(spans))
    reader = PeriodicExportingMetricReader(points, 3_600_000)
    meter = metrics.MeterProvider([reader], resource=resource)
    logger = LoggerProvider(resource=resource)
    logger.add_log_record_processor(SimpleLogRecordProcessor(records))
    with tracer.get_tracer("t").start_as_current_span("buy", attributes={"n": 3}):
        meter.get_meter("m").create_counter("sold", "1").add(2, {"kind": "book"})
        meter.get_meter("m").create_histogram("took", "s").record(0.3)
    line = getLogger("shop").makeRecord("shop", 30, "f", 1, "low %s", ("ink",), None)
    with pytest.warns(DeprecationWarning, match="LoggingHandler"):
        handler = LoggingHandler(logger_provider=logger)
    handler.emit(line)
    for provider in (tracer, meter, logger):
        provider.shutdown()


@pytest.mark.parametrize("exporters", [http_exporters, grpc_exporters])
@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("ack", ["accepted", "delivered"])
def test_what_the_official_exporters_send_arrives(exporters, packing, ack):
    async def send(url):
        await asyncio.to_thread(lambda: export(*exporters(url, packing)))

    over_grpc = exporters is grpc_exporters
    events = asyncio.run(received(send, over_grpc=over_grpc, ack=ack))
    (span,) = (e for e in events if isinstance(e, Span))
    (line,) = (e for e in events if isinstance(e, LogRecord))
    points = {e.name: e for e in events if isinstance(e, MetricPoint)}
    assert (span.name, span.attributes, span.scope.name) == ("buy", {"n": 3}, "t")
    assert span.resource.attributes == {"service.name": "shop"}
    assert (line.body, line.severity_number) == ("low ink", 13)
    assert (points["sold"].value, points["sold"].is_monotonic) == (2, True)
    assert (points["took"].value.count, points["took"].unit) == (1, "s")


RESOURCE = Resource(
    attributes={"service.name": "shop", "list": [1, "a", None]},
    schema_url="https://schema/r",
    dropped_attributes_count=1,
)
SCOPE = Scope("lib", "1.2", {"s": True}, "https://schema/s", 2)
VALUES = {
    "text": "grüße",
    "yes": True,
    "int": -7,
    "float": 0.25,
    "bytes": b"\x00\xff",
    "none": None,
    "list": ["a", 1, [2.5]],
    "map": {"deep": {"er": [b"x"]}},
}
BASE = {"resource": RESOURCE, "scope": SCOPE, "attributes": VALUES}
POINT = {
    **BASE,
    "unit": "s",
    "description": "how long",
    "time_unix_nano": 20,
    "start_time_unix_nano": 10,
    "exemplars": [Exemplar(1.5, 15, b"t" * 16, b"s" * 8, {"user": "x"})],
    "metadata": {"origin": "test"},
}
EVERYTHING = [
    Span(
        name="buy",
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        parent_span_id=b"p" * 8,
        start_time_unix_nano=10,
        end_time_unix_nano=20,
        kind=SpanKind.SERVER,
        status_code=StatusCode.ERROR,
        status_message="no ink",
        events=[SpanEvent("retry", 15, {"n": 1}, 3)],
        links=[Link(b"u" * 16, b"v" * 8, "a=b", {"why": "batch"}, 4, 0x300)],
        trace_state="ot=th:8",
        flags=0x101,
        dropped_attributes_count=5,
        dropped_events_count=6,
        dropped_links_count=7,
        **BASE,
    ),
    LogRecord(
        time_unix_nano=10,
        observed_time_unix_nano=11,
        severity_number=17,
        severity_text="ERROR",
        body={"said": ["much", 1]},
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        flags=1,
        event_name="shop.sold_out",
        dropped_attributes_count=8,
        **BASE,
    ),
    MetricPoint(name="gauge", value=1.5, **POINT),
    MetricPoint(
        name="sum", value=3, kind=MetricKind.SUM, is_monotonic=True,
        temporality=Temporality.DELTA, **POINT,
    ),
    MetricPoint(
        name="histogram", kind=MetricKind.HISTOGRAM,
        value=Histogram(3, 4.5, [1, 2], [1.0], 0.5, 2.0), **POINT,
    ),
    MetricPoint(
        name="exponential", kind=MetricKind.EXPONENTIAL_HISTOGRAM,
        value=ExponentialHistogram(
            6, 9.0, 3, 1, ExponentialBuckets(-2, [1, 2]), ExponentialBuckets(4, [2]),
            0.1, 5.0, 0.001,
        ),
        **POINT,
    ),
    MetricPoint(
        name="summary", kind=MetricKind.SUMMARY,
        value=Summary(2, 3.0, [(0.5, 1.0), (0.9, 2.0)]),
        **{**POINT, "exemplars": []},
    ),
]  # fmt: skip


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_every_field_of_every_event_survives_from_our_sink_to_our_source(
    protocol, compression
):
    async def send(url):
        inlet = Inlet()
        sink = OtlpSink(url, protocol=protocol, compression=compression)
        sender = Pipeline(inlet >> sink)
        async with sender:
            await inlet.emit_many(EVERYTHING)
        assert not sender.ledger().lost

    events = asyncio.run(received(send, over_grpc=protocol == "grpc"))
    found = {type(e).__name__ + getattr(e, "name", ""): e for e in events}
    sent = {type(e).__name__ + getattr(e, "name", ""): e for e in EVERYTHING}
    assert found == sent


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
def test_ten_thousand_events_arrive_once_each_through_four_requests_at_a_time(protocol):
    async def send(url):
        inlet = Inlet()
        sink = OtlpSink(url, protocol=protocol, compression="gzip")
        sender = Pipeline(inlet >> sink)
        async with sender:
            spans = [
                Span(name=str(n), trace_id=b"t" * 16, span_id=n.to_bytes(8, "big"))
                for n in range(1, 10_001)
            ]
            random.shuffle(spans)
            await inlet.emit_many(spans)
        assert not sender.ledger().lost

    events = asyncio.run(received(send, over_grpc=protocol == "grpc"))
    assert sorted(int(e.name) for e in events) == list(range(1, 10_001))


def test_a_full_pipeline_makes_the_sender_wait_and_nothing_is_lost():
    async def send(url):
        inlet = Inlet()
        sink = OtlpSink(url)
        sender = Pipeline(inlet >> sink)
        async with sender:
            await inlet.emit_many(EVERYTHING * 50)
        ledger = sender.ledger()
        assert ledger.balanced
        assert not ledger.lost

    events = asyncio.run(received(send, ack="delivered"))
    assert len(events) == 50 * len(EVERYTHING)
