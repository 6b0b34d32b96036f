"""Truncated, corrupted and malicious OTLP bodies."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

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
    Summary,
)
from sluiceway.formats.otlp_protobuf import (
    MalformedError,
    decode_logs,
    decode_metrics,
    decode_response,
    decode_status,
    decode_traces,
    encode_logs,
    encode_metrics,
    encode_response,
    encode_status,
    encode_traces,
)

TRACE, SPAN = bytes(range(16)), bytes(range(8))
ATTRIBUTES = {
    "text": "été",
    "long": "x" * 150,
    "int": -3,
    "small": 7,
    "float": 0.5,
    "yes": True,
    "none": None,
    "bytes": b"\xff",
    "list": [1, "a", [None]],
    "dict": {"a": {"b": 1}},
}
RESOURCE = Resource({"service.name": "shop"}, "https://schema/1")
SCOPE = Scope("library", "1.0", {"a": 1})


def sample_spans():
    return [
        Span(
            name=f"span {number}",
            trace_id=TRACE,
            span_id=SPAN,
            parent_span_id=SPAN if number else b"",
            start_time_unix_nano=1_700_000_000_000_000_000,
            end_time_unix_nano=1_700_000_001_000_000_000,
            attributes=ATTRIBUTES if number != 1 else {"text": "short", "int": 300},
            status_code=2,
            status_message="failed",
            events=[SpanEvent("event", 5, {"a": 1})],
            links=[Link(TRACE, SPAN, "a=b", {"a": "b"}, 1, 1)],
            flags=0x101,
            resource=RESOURCE,
            scope=SCOPE,
        )
        for number in range(3)
    ]


def sample_points():
    buckets = ExponentialBuckets(-2, [1, 300, 0])
    values = {
        MetricKind.GAUGE: 3,
        MetricKind.SUM: 0.5,
        MetricKind.HISTOGRAM: Histogram(3, 1.5, [1, 2], [0.5], 0.1, 0.9),
        MetricKind.EXPONENTIAL_HISTOGRAM: ExponentialHistogram(
            3, 1.5, -1, 1, buckets, buckets, 0.1, 0.9, 0.01
        ),
        MetricKind.SUMMARY: Summary(3, 1.5, [(0.5, 0.2), (1.0, 0.9)]),
    }
    return [
        MetricPoint(
            name="metric",
            value=value,
            kind=kind,
            unit="s",
            description="what",
            attributes={"a": "b", "n": 1},
            time_unix_nano=7,
            start_time_unix_nano=6,
            exemplars=[Exemplar(1.0, 5, TRACE, SPAN, {"a": 1})],
            metadata={"m": 1},
            resource=RESOURCE,
            scope=SCOPE,
        )
        for kind, value in values.items()
    ]


def sample_records():
    return [
        LogRecord(
            time_unix_nano=7,
            observed_time_unix_nano=8,
            severity_number=9,
            severity_text="INFO",
            body=body,
            attributes=ATTRIBUTES,
            trace_id=TRACE,
            span_id=SPAN,
            flags=1,
            event_name="event",
            resource=RESOURCE,
            scope=SCOPE,
        )
        for body in ("a line", {"a": [1]})
    ]


def bodies():
    return [
        (decode_traces, encode_traces(sample_spans())),
        (decode_metrics, encode_metrics(sample_points())),
        (decode_logs, encode_logs(sample_records())),
        (decode_response, encode_response(5, "no room")),
        (decode_status, encode_status(3, "what is this")),
    ]


def mutated(body, chance):
    """The body with one to three things done to it."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed)) if changed else 0
        match chance.randrange(6):
            case 0:
                del changed[at:]
            case 1 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 2 if changed:
                changed[at] = chance.choice(
                    (0, 0x7F, 0x80, 0xFF, chance.randrange(256))
                )
            case 3:
                changed[at:at] = chance.randbytes(chance.randint(1, 12))
            case 4:
                del changed[at : at + chance.randint(1, 12)]
            case _:
                other = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + chance.randint(1, 40)]
    return bytes(changed)


def test_100_000_mutated_bodies_give_events_or_a_malformed_error():
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    valid = bodies()
    results = errors = 0
    strayed = False
    for number in range(100_000):
        decode, body = valid[number % len(valid)]
        mutation = mutated(body, chance) if number % 50 else chance.randbytes(40)
        try:
            decode(mutation)
        except MalformedError as error:
            errors += 1
            strayed = strayed or not 0 <= error.offset <= len(mutation)
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}: {mutation.hex()}")
            raise
        else:
            results += 1
    assert results > 1000
    assert errors > 1000
    assert not strayed, f"seed {seed}: an offset outside the body"


def test_every_truncation_of_a_valid_body_is_handled():
    for decode, body in bodies():
        assert all(offset_of(decode, body[:end]) <= end for end in range(len(body)))


def offset_of(decode, body):
    """Where the body is malformed; -1 for a good one."""
    try:
        decode(body)
    except MalformedError as error:
        return error.offset
    return -1


@pytest.mark.parametrize(
    ("oracle", "decode", "body"),
    [
        (ExportTraceServiceRequest, decode_traces, encode_traces(sample_spans())),
        (ExportMetricsServiceRequest, decode_metrics, encode_metrics(sample_points())),
    ],
)
def test_what_the_generated_classes_refuse_is_refused(oracle, decode, body):
    """And what they take is taken, but for ids of a wrong length."""
    chance = random.Random(7)
    for _ in range(4000):
        mutation = mutated(body, chance)
        try:
            oracle.FromString(mutation)
        except Exception:  # noqa: BLE001 - protobuf's DecodeError
            with pytest.raises(MalformedError):
                decode(mutation)
        else:
            try:
                decode(mutation)
            except MalformedError as error:
                assert "an id of" in error.expected, mutation.hex()  # noqa: PT017


def nested(levels):
    """An AnyValue of an array of an array ..., by hand: ours writes none so deep."""
    value = b"\x18\x01"
    for _ in range(levels):
        array = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(array)) + array
    return value


def varint(number):
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def enclosed(tag, *bodies):
    return b"".join(bytes([tag]) + varint(len(body)) + body for body in bodies)


def log_body(any_value):
    record = enclosed(0x2A, any_value)
    return enclosed(0x0A, enclosed(0x12, enclosed(0x12, record)))


def test_values_nested_64_deep_are_read_and_deeper_ones_are_malformed():
    assert decode_logs(log_body(nested(64)))[0].body != []
    with pytest.raises(MalformedError, match="nested at most 64 deep"):
        decode_logs(log_body(nested(65)))
    with pytest.raises(MalformedError, match="nested at most 64 deep"):
        decode_logs(log_body(nested(50_000)))


def test_groups_of_before_proto3_are_skipped_and_endless_ones_are_malformed():
    group = b"\x7b\x08\x01\x7b\x12\x01a\x7c\x7c"
    assert decode_response(group + encode_response(2, "no")) == (2, "no")
    for broken in (b"\x7b" * 100_000, b"\x7b\x08\x01", b"\x7b\x84\x01", b"\x7c"):
        with pytest.raises(MalformedError):
            decode_response(broken)


def test_two_bytes_a_span_cannot_fill_the_memory():
    scope = enclosed(0x12, b"\x12\x00" * 3_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="at most 1000000 parts"):
            decode_traces(enclosed(0x0A, scope))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 400e6


def test_nested_values_are_counted_as_parts():
    array = enclosed(0x2A, b"\x0a\x02\x2a\x00" * 1_000_001)
    with pytest.raises(MalformedError, match="at most 1000000 parts"):
        decode_logs(log_body(array))


def test_many_small_packed_fields_take_linear_time():
    def seconds(count):
        point = b"\x32\x08" + bytes(8)
        histogram = enclosed(0x4A, enclosed(0x0A, point * count))
        body = enclosed(0x0A, enclosed(0x12, enclosed(0x12, histogram)))
        start = time.perf_counter()
        assert len(decode_metrics(body)[0].value.bucket_counts) == count
        return time.perf_counter() - start

    assert seconds(200_000) < 40 * seconds(20_000) + 1


@pytest.mark.parametrize(
    ("body", "offset", "expected"),
    [
        (b"\x0a\x05\x12\x00", 2, "5 bytes, there are 2"),
        (b"\x0a", 1, "the rest of a field"),
        (b"\x0a\x02\x1a\x01", 4, "1 bytes, there are 0"),
        (b"\x0a\x03\x1a\x01\xff", 4, "UTF-8"),
        (b"\x08" + b"\xff" * 11, 10, "a varint of at most 10 bytes"),
        (b"\x02\x00", 2, "a field number"),
        (b"\x0f\x00", 1, "a wire type"),
    ],
)
def test_the_error_says_where_and_what_was_expected(body, offset, expected):
    with pytest.raises(MalformedError) as caught:
        decode_traces(body)
    assert caught.value.offset == offset
    assert expected in caught.value.expected
    assert f"byte {offset}" in str(caught.value)


@pytest.mark.parametrize(("tag", "length"), [(0x0A, 15), (0x12, 9), (0x22, 1)])
def test_an_id_of_a_wrong_length_is_malformed_and_an_empty_one_is_none(tag, length):
    def body(size):
        span = enclosed(tag, bytes(size))
        return enclosed(0x0A, enclosed(0x12, enclosed(0x12, span)))

    with pytest.raises(MalformedError, match="an id of"):
        decode_traces(body(length))
    assert decode_traces(body(0))[0].trace_id == b""
