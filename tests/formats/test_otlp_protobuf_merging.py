"""Messages in several parts: merged as the generated classes merge them."""

from __future__ import annotations

import pytest
from drawn_events import points, points_of, records, spans
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from sluiceway.events import MetricKind
from sluiceway.formats import otlp_protobuf
from sluiceway.formats.otlp_protobuf.writing import embedded

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
DRAWN = {
    "traces": spans,
    "metrics": points,
    "logs": records.map(lambda record: replace(record, body=None)),
}
TAGS = [b"\n", b"\x12", b"\x12"]  # of a resource's group, a scope's, an event or metric


def only(message):
    """The one message in the one field that requests and groups nest by."""
    ((value,),) = [
        values
        for field, values in message.ListFields()
        if field.name.startswith(("resource_", "scope_"))
        or field.name in {"spans", "metrics", "log_records"}
    ]
    return value


def in_parts(signal, first, second, depth):
    """Both events as one, whose messages down to ``depth`` stand in two parts."""
    bodies = []
    for event in (first, second):
        message = REQUESTS[signal].FromString(
            getattr(otlp_protobuf, f"encode_{signal}")([event])
        )
        for _ in range(depth):
            message = only(message)
        bodies.append(message.SerializeToString())
    body = b"".join(bodies)
    for tag in reversed(TAGS[:depth]):
        body = embedded(tag, body)
    return body


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("signal", [*REQUESTS])
def test_what_stands_in_parts_is_read_as_the_generated_classes_merge_it(signal, depth):
    decode = getattr(otlp_protobuf, f"decode_{signal}")
    split = getattr(otlp_protobuf, f"split_{signal}")

    @settings(max_examples=50)
    @given(DRAWN[signal], DRAWN[signal])
    def check(first, second):
        body = in_parts(signal, first, second, depth)
        whole = REQUESTS[signal].FromString(body).SerializeToString()
        expected = repr(decode(whole))
        assert repr(decode(body)) == expected
        items = split(body)
        joined = otlp_protobuf.join_encoded(items) if items else b""
        assert repr(decode(joined)) == expected

    check()


@settings(max_examples=50)
@given(st.lists(points_of(MetricKind.GAUGE), min_size=1, max_size=3))
def test_no_point_of_a_metric_whose_data_stand_in_parts_is_lost(gauges):
    same = [replace(p, name="m", unit="", description="", metadata={}) for p in gauges]
    parts = [
        only(only(only(ExportMetricsServiceRequest.FromString(body)))).gauge
        for body in (otlp_protobuf.encode_metrics([point]) for point in same)
    ]
    data = b"".join(embedded(b"\x2a", part.SerializeToString()) for part in parts)
    body = embedded(b"\n", embedded(b"\x12", embedded(b"\x12", data)))
    assert len(otlp_protobuf.decode_metrics(body)) == len(gauges)
    assert len(otlp_protobuf.split_metrics(body)) == len(gauges)
