from __future__ import annotations

import string
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import PermanentError
from sluiceway.events import (
    Alert,
    AlertStatus,
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    HealthCheck,
    HealthStatus,
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
from sluiceway.formats.json_events import decode_event, encode_event

texts = st.text(st.characters(codec="utf-8"), max_size=8)
keys = st.one_of(texts, st.sampled_from(["$bytes", "$float", "$map", "type"]))
integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.one_of(st.none(), st.booleans(), integers, st.floats(), texts, st.binary())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=6,
)
attributes = st.dictionaries(keys, values, max_size=3)
times = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**32 - 1)
trace_ids, span_ids = st.binary(min_size=16, max_size=16), st.binary(max_size=8)
resources = st.builds(Resource, attributes=attributes, schema_url=texts)
scopes = st.builds(Scope, name=texts, version=texts, attributes=attributes)
origins = {"resource": resources, "scope": scopes, "attributes": attributes}

spans = st.builds(
    Span,
    name=texts,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=span_ids,
    start_time_unix_nano=times,
    kind=st.sampled_from([*SpanKind, 77]),
    status_code=st.sampled_from([*StatusCode, 77]),
    status_message=texts,
    events=st.lists(st.builds(SpanEvent, texts, times, attributes), max_size=2),
    links=st.lists(st.builds(Link, trace_ids, span_ids, texts, attributes), max_size=2),
    trace_state=texts,
    flags=counts,
    **origins,
)
records = st.builds(
    LogRecord,
    time_unix_nano=times,
    severity_number=st.integers(0, 24),
    severity_text=texts,
    body=values,
    trace_id=st.just(b"") | trace_ids,
    event_name=texts,
    **origins,
)
histograms = st.builds(
    Histogram,
    counts,
    st.none() | st.floats(),
    st.lists(counts, max_size=3),
    st.lists(st.floats(), max_size=2),
)
buckets = st.builds(ExponentialBuckets, integers, st.lists(counts, max_size=3))
exponentials = st.builds(
    ExponentialHistogram, counts, st.floats(), integers, counts, buckets, buckets
)
quantiles = st.lists(st.tuples(st.floats(), st.floats()), max_size=2)
structured = st.one_of(
    st.tuples(st.sampled_from(MetricKind), st.none() | integers | st.floats()),
    st.tuples(st.just(MetricKind.HISTOGRAM), histograms),
    st.tuples(st.just(MetricKind.EXPONENTIAL_HISTOGRAM), exponentials),
    st.tuples(
        st.just(MetricKind.SUMMARY), st.builds(Summary, counts, st.floats(), quantiles)
    ),
).filter(lambda pair: pair[0] in (5, 7) or not isinstance(pair[1], int | float))
exemplars = st.builds(
    Exemplar, st.floats() | integers, times, trace_ids, span_ids, attributes
)
points = st.builds(
    lambda pair, **rest: MetricPoint(kind=pair[0], value=pair[1], **rest),
    structured,
    name=texts,
    unit=texts,
    temporality=st.sampled_from(Temporality),
    is_monotonic=st.booleans(),
    exemplars=st.lists(exemplars, max_size=2),
    metadata=attributes,
    **origins,
)
labels = st.dictionaries(texts, texts, max_size=3)
alerts = st.builds(
    Alert,
    name=texts,
    status=st.sampled_from(AlertStatus),
    labels=labels,
    annotations=labels,
    ends_at_unix_nano=times,
)
checks = st.builds(
    HealthCheck,
    name=texts,
    status=st.sampled_from(HealthStatus),
    details=attributes,
    duration=st.floats(0, 1e9),
)


def same(one, other):
    """Equal, with NaN equal to itself."""
    return type(one) is type(other) and repr(one) == repr(other)


@given(st.one_of(spans, records, points, alerts, checks))
def test_an_event_is_read_back_as_it_was_written(event):
    line = encode_event(event)
    assert b"\n" not in line
    assert same(decode_event(line), event)


@given(spans)
def test_any_json_parser_can_read_a_line(event):
    found = msgspec.json.decode(encode_event(event))
    assert found["type"] == "span"
    assert found["trace_id"] == event.trace_id.hex()
    assert set(found["trace_id"]) <= set(string.hexdigits)


def test_fields_at_their_defaults_are_left_out():
    assert encode_event(Alert(name="a")) == b'{"type":"alert","name":"a"}'


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"5",
        b"{}",
        b'{"type":5}',
        b'{"type":"span"}',
        b'{"type":"alert","name":5}',
        b'{"type":"span","name":"s","trace_id":"zz","span_id":""}',
        b'{"type":"span","name":"s","trace_id":5,"span_id":""}',
        b'{"type":"span","name":"s","trace_id":"","span_id":"","links":5}',
        b'{"type":"span","name":"s","trace_id":"","span_id":"","links":["x"]}',
        b'{"type":"span","name":"s","trace_id":"","span_id":"","__class__":1}',
        b'{"type":"metric_point","name":"m","value":"x"}',
        b'{"type":"metric_point","name":"m","value":{"count":"x"},"kind":9}',
        b'{"type":"log_record","body":{"$bytes":"!"}}',
        b'{"type":"log_record","body":{"$bytes":5}}',
        b'{"type":"log_record","body":{"$map":5}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_event_is_malformed_and_says_so(line):
    with pytest.raises(PermanentError) as caught:
        decode_event(line)
    assert caught.value.reason == "malformed"


def test_an_unknown_type_gets_the_nearest_right_word():
    with pytest.raises(PermanentError, match="did you mean 'log_record'"):
        decode_event(b'{"type":"log_recod"}')


def test_fields_of_a_later_version_are_passed_over():
    line = b'{"type":"span","name":"s","trace_id":"01","span_id":"02","new":{"a":1}}'
    assert decode_event(line) == Span(name="s", trace_id=b"\1", span_id=b"\2")


@pytest.mark.parametrize("event", [object(), {"a": object()}, {1, object()}])
def test_what_json_cannot_hold_is_named(event):
    with pytest.raises(PermanentError, match=type(event).__name__) as caught:
        encode_event(event)
    assert caught.value.reason == "unencodable"


def test_what_utf8_cannot_say_is_a_question_mark_in_what_is_read_back():
    record = LogRecord(
        body="read /srv/\udcff", attributes={"\udcff": ["é\ud800", float("nan"), b"\1"]}
    )
    read = decode_event(encode_event(record))
    assert read.body == "read /srv/?"
    ((key, (text, number, data)),) = read.attributes.items()
    assert (key, text, repr(number), data) == ("?", "é?", "nan", b"\1")
    assert encode_event("\ud800") == b'"?"'


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "another text"


class Whole(int):
    pass


class Real(float):
    pass


class Named(NamedTuple):
    a: float


class Pairs(dict):
    pass


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Text("a"), "a"),
        (Whole(5), 5),
        (Real(1.5), 1.5),
        (Real("inf"), float("inf")),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (Named(float("inf")), [float("inf")]),
        (Pairs(a=b"x", b=[Real("-inf")]), {"a": b"x", "b": [float("-inf")]}),
        (Pairs({"$bytes": "no mark"}), {"$bytes": "no mark"}),
        ({Text("k"): Text("v")}, {"k": "v"}),
    ],
)
def test_a_value_of_a_derived_class_is_read_back_as_the_builtin_one(value, read):
    record = LogRecord(body=value, attributes={"given": value})
    back = decode_event(encode_event(record))
    assert back == LogRecord(body=read, attributes={"given": read})


def test_an_event_that_holds_itself_is_unencodable():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(PermanentError):
        encode_event(LogRecord(body=loop))


def test_other_objects_are_written_as_they_are():
    assert encode_event({"a": [1, None]}) == b'{"a":[1,null]}'
    assert encode_event("text") == b'"text"'
