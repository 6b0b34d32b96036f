"""OTLP's JSON: against google.protobuf.json_format, and row by row of its rules."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from drawn_events import batches, points, records, spans
from google.protobuf import json_format
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

from sluiceway.events import (
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    LogRecord,
    MetricKind,
    MetricPoint,
    Span,
    Temporality,
)
from sluiceway.formats import otlp_json, otlp_protobuf

EXAMPLES = Path(__file__).parent / "otlp_examples"
IDS = ("traceId", "spanId", "parentSpanId")


def with_ids(value, convert):
    """The JSON with each identifier in another form."""
    if isinstance(value, dict):
        return {
            key: convert(item) if key in IDS else with_ids(item, convert)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_ids(item, convert) for item in value]
    return value


def to_base64(digits):
    return b64encode(bytes.fromhex(digits)).decode()


def to_hex(text):
    return b64decode(text).hex().upper()


def agree(request, signal, batch):
    """Our JSON is theirs but for ids, and theirs is ours, whatever the events."""
    protobuf = getattr(otlp_protobuf, f"encode_{signal}")(batch)
    decode_protobuf = getattr(otlp_protobuf, f"decode_{signal}")
    decode_json = getattr(otlp_json, f"decode_{signal}")
    ours = getattr(otlp_json, f"encode_{signal}")(batch)

    expected = sorted(map(repr, decode_protobuf(protobuf)))
    assert sorted(map(repr, decode_json(ours))) == expected

    parsed = json_format.ParseDict(with_ids(json.loads(ours), to_base64), request())
    assert sorted(map(repr, decode_protobuf(parsed.SerializeToString()))) == expected

    theirs = json_format.MessageToDict(
        request.FromString(protobuf), use_integers_for_enums=True
    )
    body = json.dumps(with_ids(theirs, to_hex)).encode()
    assert sorted(map(repr, decode_json(body))) == expected


@settings(max_examples=150, deadline=None)
@given(batches(spans))
def test_spans_agree_with_protobufs_own_json_but_for_ids(batch):
    agree(ExportTraceServiceRequest, "traces", batch)


@settings(max_examples=150, deadline=None)
@given(batches(records))
def test_log_records_agree_with_protobufs_own_json_but_for_ids(batch):
    agree(ExportLogsServiceRequest, "logs", batch)


@settings(max_examples=150, deadline=None)
@given(batches(points))
def test_metric_points_agree_with_protobufs_own_json_but_for_ids(batch):
    agree(ExportMetricsServiceRequest, "metrics", batch)


def example(name):
    return (EXAMPLES / name).read_bytes()


def test_the_official_example_of_a_trace_is_read():
    (span,) = otlp_json.decode_traces(example("trace.json"))
    assert span.name == "I'm a server span"
    assert span.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert span.parent_span_id.hex() == "eee19b7ec3c1b173"
    assert (span.kind, span.status_code) == (2, 0)
    assert span.end_time_unix_nano == 1544712661000000000
    assert span.attributes == {"my.span.attr": "some value"}
    assert span.resource.attributes == {"service.name": "my.service"}
    assert (span.scope.name, span.scope.version) == ("my.library", "1.0.0")
    assert span.scope.attributes == {"my.scope.attribute": "some scope attribute"}


def test_the_official_example_of_logs_is_read():
    (record,) = otlp_json.decode_logs(example("logs.json"))
    assert (record.severity_text, record.body) == ("Information", "Example log record")
    assert record.time_unix_nano == 1544712660300000000
    assert record.attributes == {
        "string.attribute": "some string",
        "boolean.attribute": True,
        "int.attribute": 10,
        "double.attribute": 637.704,
        "array.attribute": ["many", "values"],
        "map.attribute": {"some.map.key": "some value"},
    }


def test_the_official_example_of_metrics_is_read():
    points = {p.name: p for p in otlp_json.decode_metrics(example("metrics.json"))}
    counter, gauge = points["my.counter"], points["my.gauge"]
    histogram = points["my.histogram"]
    assert (counter.value, counter.kind, counter.is_monotonic) == (5, 7, True)
    assert counter.temporality is Temporality.DELTA
    assert counter.start_time_unix_nano == counter.time_unix_nano != 0
    assert (gauge.value, gauge.kind, gauge.unit) == (10, MetricKind.GAUGE, "1")
    assert (histogram.value.count, histogram.value.sum) == (3, 3)
    assert histogram.value.bucket_counts == [1, 1, 1]
    assert histogram.value.explicit_bounds == [1]


def test_an_event_with_a_body_of_several_values_is_read_as_the_newer_examples_have_it():
    pairs = [
        {"key": "type", "value": {"intValue": "0"}},
        {"key": "title", "value": {"stringValue": "A page"}},
    ]
    record = {
        "timeUnixNano": "1544712660300000000",
        "eventName": "browser.page_view",
        "body": {"kvlistValue": {"values": pairs}},
    }
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    (event,) = otlp_json.decode_logs(json.dumps(body).encode())
    assert (event.event_name, event.body) == (
        "browser.page_view",
        {"type": 0, "title": "A page"},
    )
    record["body"] = {"kvlistValue": pairs}  # as the first example had it, wrongly
    with pytest.raises(otlp_json.MalformedJsonError, match="kvlistValue"):
        otlp_json.decode_logs(json.dumps(body).encode())


def test_metrics_whose_counts_are_texts_are_read_as_the_newer_examples_have_them():
    explicit = {"count": "2", "sum": 2, "bucketCounts": ["1", "1"], "max": 2}
    exponential = {
        "count": "3",
        "scale": 0,
        "zeroCount": "1",
        "zeroThreshold": 0,
        "positive": {"offset": 1, "bucketCounts": ["0", "2"]},
    }
    metrics = [
        {
            "name": "e",
            "histogram": {"dataPoints": [explicit | {"explicitBounds": [1]}]},
        },
        {"name": "x", "exponentialHistogram": {"dataPoints": [exponential]}},
    ]
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    values = [p.value for p in otlp_json.decode_metrics(json.dumps(body).encode())]
    assert values == [
        Histogram(2, 2, [1, 1], [1], None, 2),
        ExponentialHistogram(3, None, 0, 1, ExponentialBuckets(1, [0, 2])),
    ]


def span_json(**fields):
    return json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}
    ).encode()


def attribute_json(value):
    return span_json(attributes=[{"key": "a", "value": value}])


def one_span(**fields):
    (span,) = otlp_json.decode_traces(span_json(**fields))
    return span


def test_ids_are_hex_of_either_case():
    upper = one_span(traceId="5B8EFFF798038103D269B633813FC60C")
    lower = one_span(traceId="5b8efff798038103d269b633813fc60c")
    assert upper.trace_id == lower.trace_id == bytes.fromhex(lower.trace_id.hex())
    assert one_span(traceId="", spanId="").span_id == b""


def test_unknown_keys_and_snake_case_are_ignored_and_null_is_absent():
    span = one_span(start_time_unix_nano=7, news={"a": [1]}, status=None, name=None)
    assert span == Span(name="", trace_id=b"", span_id=b"", kind=0)


def test_a_64_bit_integer_may_be_text_or_a_number_and_stays_exact():
    for value in (9007199254740993, "9007199254740993"):
        body = attribute_json({"intValue": value})
        (span,) = otlp_json.decode_traces(body)
        assert span.attributes == {"a": 9007199254740993}
        assert one_span(endTimeUnixNano=value).end_time_unix_nano == 9007199254740993
    ours = json.loads(otlp_json.encode_traces([span]))
    pair = ours["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"][0]
    assert pair == {"key": "a", "value": {"intValue": "9007199254740993"}}


@pytest.mark.parametrize(
    ("field", "value", "number"),
    [
        ("startTimeUnixNano", 1.7e18, 1_700_000_000_000_000_000),
        ("startTimeUnixNano", "1.7e+18", 1_700_000_000_000_000_000),
        ("startTimeUnixNano", 5.0, 5),
        ("flags", "257", 257),
        ("flags", 257.0, 257),
        ("kind", "3", 3),
        ("kind", 3.0, 3),
        ("droppedAttributesCount", "4294967295", 2**32 - 1),
        ("droppedEventsCount", "0", 0),
        ("status", {"code": 2.0}, 2),
        ("attributes", [{"key": "a", "value": {"intValue": -5.0}}], -5),
        ("attributes", [{"key": "a", "value": {"intValue": "-5e1"}}], -50),
    ],
)
def test_a_whole_number_has_any_form_that_proto3_has_for_it(field, value, number):
    span = one_span(**{field: value})
    body = json_format.ParseDict(
        json.loads(span_json(**{field: value})), ExportTraceServiceRequest()
    )
    assert otlp_protobuf.decode_traces(body.SerializeToString()) == [span]
    found = {
        "startTimeUnixNano": span.start_time_unix_nano,
        "flags": span.flags,
        "kind": span.kind,
        "droppedAttributesCount": span.dropped_attributes_count,
        "droppedEventsCount": span.dropped_events_count,
        "status": span.status_code,
        "attributes": span.attributes.get("a"),
    }[field]
    assert (found, type(found) is float) == (number, False)


@pytest.mark.parametrize("text", ["+/+/", "-_-_", "+/8=", "+/8", "", "AA=="])
def test_bytes_are_base64_of_either_alphabet_padded_or_not(text):
    (span,) = otlp_json.decode_traces(attribute_json({"bytesValue": text}))
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    padded = standard + "=" * (-len(standard) % 4)
    assert span.attributes == {"a": b64decode(padded)}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"traceId": "00" * 15}, "traceId"),
        ({"traceId": "5b8efff798038103d269b633813fc60c\n"}, "traceId"),
        ({"traceId": "AAAAAAAAAAAAAAAAAAAAAA=="}, "traceId"),
        ({"spanId": 5}, "spanId"),
        ({"kind": "SPAN_KIND_SERVER"}, "kind"),
        ({"kind": 2**31}, "kind"),
        ({"flags": -1}, "flags"),
        ({"startTimeUnixNano": -1}, "startTimeUnixNano"),
        ({"startTimeUnixNano": "1_0"}, "a whole number, not '1_0'"),
        ({"startTimeUnixNano": "\u0663"}, "a whole number"),
        ({"startTimeUnixNano": "9" * 5000}, "a whole number, not '999"),
        ({"startTimeUnixNano": ""}, "a whole number, not ''"),
        ({"flags": "x"}, "flags"),
        ({"startTimeUnixNano": "1e99"}, "uint64"),
        ({"startTimeUnixNano": "1e9999999"}, "a whole number"),
        ({"startTimeUnixNano": 1.5}, "a whole number, not 1.5"),
        ({"startTimeUnixNano": "-1"}, "uint64"),
        ({"startTimeUnixNano": 1e300}, "uint64"),
        ({"flags": "4294967296"}, "uint32"),
        ({"flags": 0.5}, "a whole number"),
        ({"kind": "2147483648"}, "int32"),
        ({"attributes": [{"key": "a", "value": {"intValue": 2**64}}]}, "int64"),
        ({"startTimeUnixNano": "18446744073709551616"}, "uint64"),
        ({"attributes": [{"key": "a", "value": {"intValue": 2**63}}]}, "int64"),
        ({"attributes": [{"key": "a", "value": {"intValue": 10**400}}]}, "int"),
        ({"attributes": [{"key": "a", "value": {"bytesValue": "?"}}]}, "base64"),
        ({"attributes": [{"key": "a", "value": {"bytesValue": "é"}}]}, "base64"),
        ({"attributes": [{"key": "a", "value": {"doubleValue": "x"}}]}, "doubleValue"),
        ({"attributes": {"a": "b"}}, "attributes"),
    ],
)
def test_what_is_wrong_is_one_error_that_says_where(fields, words):
    with pytest.raises(otlp_json.MalformedJsonError, match=words):
        otlp_json.decode_traces(span_json(**fields))


def test_doubles_without_a_number_are_text_both_ways():
    values = {"a": float("inf"), "b": float("-inf"), "c": float("nan")}
    body = otlp_json.encode_logs([LogRecord(attributes=values)])
    assert b'"Infinity"' in body
    (record,) = otlp_json.decode_logs(body)
    assert repr(record.attributes) == repr(values)


class Broken:
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "odd", [Broken(), "\ud800", 2**70, (1, 2), bytearray(b"x"), {1: {2: object()}}]
)
def test_an_odd_value_is_written_as_protobuf_writes_it_and_harms_no_neighbour(odd):
    both = [LogRecord(body=odd, attributes={"a": odd}), LogRecord(body="good")]
    json_body, protobuf_body = (
        otlp_json.encode_logs(both),
        otlp_protobuf.encode_logs(both),
    )
    ours = otlp_json.decode_logs(json_body)
    assert len(ours) == 2
    if not isinstance(odd, dict):  # the text of an object has its address
        assert ours == otlp_protobuf.decode_logs(protobuf_body)


def test_a_point_without_a_value_says_so():
    for kind in MetricKind:
        (point,) = otlp_json.decode_metrics(
            otlp_json.encode_metrics([MetricPoint(name="m", value=None, kind=kind)])
        )
        assert (point.value, point.flags, point.kind) == (None, 1, kind)


def test_requests_can_be_joined():
    encoder = otlp_json.Encoder()
    parts = [encoder.logs([LogRecord(body=f"{n} ]}}")]) for n in range(3)]
    joined = otlp_json.decode_logs(otlp_json.join_requests(parts))
    assert [record.body for record in joined] == ["0 ]}", "1 ]}", "2 ]}"]


@pytest.mark.parametrize(
    "field", ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]
)
def test_answers_are_read_as_they_were_written(field):
    encode = otlp_json.encode_response
    assert encode(field) == b"{}"
    assert otlp_json.decode_response(b"{}") == (0, "")
    assert otlp_json.decode_response(encode(field, 3, "no")) == (3, "no")
    assert json.loads(encode(field, 3, "no")) == {
        "partialSuccess": {field: "3", "errorMessage": "no"}
    }
    assert otlp_json.decode_response(encode(field, 0, "slow")) == (0, "slow")
    status = otlp_json.encode_status(3, "what is this")
    assert otlp_json.decode_status(status) == (3, "what is this")
    assert otlp_json.decode_status(b'{"message":"m","details":[{}]}') == (0, "m")
