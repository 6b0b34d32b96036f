"""Where a configuration says that telemetry goes, there it arrives."""

from __future__ import annotations

import pytest
from servers.polling import eventually

from flext_observability import (
    FlextBackend,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextTracingService,
)
from sluiceway import MetricPoint, Pipeline, Span
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

TOKEN = "hunter2"


@pytest.fixture
def collector():
    """A receiver of OTLP by both protocols, which wants a token."""
    source, kept = OtlpSource(port=0, grpc_port=0, tokens=[TOKEN]), CollectingSink()
    with Pipeline(source >> kept).background():
        yield source, kept


def told(**variables):
    return FlextObservabilityConfig.from_environment(
        {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}", **variables}
    ).unwrap()


def run(config):
    """A metric and a trace, through a backend of their own."""
    backend = FlextBackend(config)
    try:
        assert FlextMetricsService(backend).record("orders", 1).is_success
        tracing = FlextTracingService(backend)
        assert tracing.start("sell").flat_map(tracing.complete).is_success
        assert backend.flush().is_success
    finally:
        backend.stop()
    return backend.ledger()


def kinds(kept):
    return {type(event) for event in kept.events}


@pytest.mark.parametrize(
    ("protocol", "port"),
    [("grpc", "grpc_port"), ("http/protobuf", "port"), ("http/json", "port")],
)
def test_traces_and_metrics_arrive_by_each_protocol(collector, protocol, port):
    source, kept = collector
    ledger = run(
        told(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{getattr(source, port)}",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_RESOURCE_ATTRIBUTES="service.name=shop,team=till",
            FLEXT_ENVIRONMENT="live",
        )
    )
    assert not ledger.lost
    eventually(lambda: kinds(kept) == {Span, MetricPoint})
    for event in kept.events:
        attributes = event.resource.attributes
        assert attributes["service.name"] == "shop"
        assert attributes["team"] == "till"
        assert attributes["deployment.environment.name"] == "live"


def test_a_signal_that_is_not_wanted_there_is_not_sent(collector):
    source, kept = collector
    endpoint = f"http://127.0.0.1:{source.port}"
    run(told(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_METRICS_EXPORTER="none"))
    eventually(lambda: kinds(kept) == {Span})
    run(told(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SDK_DISABLED="true"))
    assert kinds(kept) == {Span}
    assert len(kept.events) == 1


def test_the_headers_of_the_endpoint_are_not_told_to_jaeger(collector):
    source, kept = collector
    config = FlextObservabilityConfig(
        otlp_headers={"authorization": f"Bearer {TOKEN}"},
        jaeger_endpoint=f"http://127.0.0.1:{source.port}",
    )
    ledger = run(config)
    assert ledger.lost  # it wants the token, which is not Jaeger's to know
    assert kept.events == []
