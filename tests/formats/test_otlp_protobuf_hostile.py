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
from otlp_samples import mutated, sample_points, sample_records, sample_spans

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


def bodies():
    return [
        (decode_traces, encode_traces(sample_spans())),
        (decode_metrics, encode_metrics(sample_points())),
        (decode_logs, encode_logs(sample_records())),
        (decode_response, encode_response(5, "no room")),
        (decode_status, encode_status(3, "what is this")),
    ]


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
