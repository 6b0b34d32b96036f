"""Truncated, corrupted and malicious OTLP/JSON bodies."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from otlp_samples import mutated, sample_points, sample_records, sample_spans

from sluiceway.formats.otlp_json import (
    MalformedJsonError,
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
        (decode_response, encode_response("rejectedSpans", 5, "no room")),
        (decode_status, encode_status(3, "what is this")),
    ]


# What a bit's flip seldom makes of JSON: other values, types and names.
WORDS = (
    *(b"null", b"true", b"{}", b"[]", b"[{}]", b'""', b'"NaN"', b"-1", b"1e308"),
    *(b"18446744073709551616", b"1.5", b'"5"', b'"\\ud800"', b'"\xff"', b'{"values":'),
)


def changed_words(body, chance):
    """The body with something else in the place of a value."""
    at = body.rfind(b":", 0, chance.randrange(len(body))) + 1
    end = min(
        (
            found
            for found in (body.find(c, at) for c in (b",", b"}", b"]"))
            if found > 0
        ),
        default=len(body),
    )
    return body[:at] + chance.choice(WORDS) + body[end:]


def test_100_000_mutated_bodies_give_events_or_a_malformed_error():
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    valid = bodies()
    results = errors = 0
    for number in range(100_000):
        decode, body = valid[number % len(valid)]
        change = changed_words if number % 3 else mutated
        mutation = change(body, chance)
        try:
            decode(mutation)
        except MalformedJsonError:
            errors += 1
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}: {mutation!r}")
            raise
        else:
            results += 1
    assert results > 1000
    assert errors > 1000


def test_every_truncation_of_a_valid_body_is_malformed():
    for decode, body in bodies():
        for end in range(len(body)):
            with pytest.raises(MalformedJsonError):
                decode(body[:end])


def log_body(any_value):
    return (
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":%b}]}]}]}' % any_value
    )


def nested(levels):
    return b'{"arrayValue":{"values":[' * levels + b"{}" + b"]}}" * levels


def test_values_nested_64_deep_are_read_and_deeper_ones_are_malformed():
    assert decode_logs(log_body(nested(64)))[0].body != []
    for levels in (65, 200, 100_000):
        with pytest.raises(MalformedJsonError, match="nested"):
            decode_logs(log_body(nested(levels)))


@pytest.mark.parametrize("part", [b"[", b'{"a":', b'{"a":['])
def test_what_is_nested_deep_is_malformed_even_under_unknown_keys(part):
    with pytest.raises(MalformedJsonError, match="nested too deep"):
        decode_traces(b'{"unknown":' + part * 200_000)


def test_three_bytes_a_span_cannot_fill_the_memory():
    spans = b"{}," * 5_000_000 + b"{}"
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%b]}]}]}' % spans
    tracemalloc.start()
    try:
        with pytest.raises(MalformedJsonError, match="at most 3000000"):
            decode_traces(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 400e6


def test_braces_in_texts_are_no_parts():
    (record,) = decode_logs(log_body(b'{"stringValue":"\\"%b"}' % (b"{[" * 2_000_000)))
    assert len(record.body) == 4_000_001


def test_looking_for_texts_takes_linear_time_even_if_none_ends():
    for tail in (b'"' + b'\\"' * 4_000_000, b'\\"' * 4_000_000):
        with pytest.raises(MalformedJsonError):
            decode_logs(b"{" * 3_000_001 + tail)
