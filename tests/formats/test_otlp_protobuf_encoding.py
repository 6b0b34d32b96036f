"""What the encoder does with odd events, with identities and with its memory."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
    Encoder,
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


def span(**fields: Any) -> Span:
    return Span(**{"name": "s", "trace_id": TRACE, "span_id": SPAN, **fields})


def attributes_after(encoder: Encoder, *several: dict[str, Any]) -> list[Any]:
    body = encoder.traces([span(attributes=one) for one in several])
    return [one.attributes for one in decode_traces(body)]


def test_nothing_is_encoded_for_no_events():
    assert encode_traces([]) == encode_metrics([]) == encode_logs([]) == b""
    assert decode_traces(b"") == decode_metrics(b"") == decode_logs(b"") == []


def test_one_and_true_and_one_point_zero_stay_what_they_are():
    """They are one key to a dict, so a careless memo would mix them up."""
    encoder = Encoder()
    orders = [[True, 1, 1.0], [1.0, True, 1], [0, False, -0.0, 0.0]]
    for values in orders:
        for _ in range(2):
            found = attributes_after(encoder, *[{"key": value} for value in values])
            assert [repr(one["key"]) for one in found] == [repr(v) for v in values]


def test_each_resource_and_scope_object_is_encoded_once_in_order():
    first, second = Resource({"r": 1}), Resource({"r": 1})
    one, two = Scope("one"), Scope("two")
    mixed = [(first, one), (second, one), (first, two), (first, one), (second, one)]
    spans = [
        span(name=str(number), resource=resource, scope=scope)
        for number, (resource, scope) in enumerate(mixed)
    ]
    request = ExportTraceServiceRequest.FromString(encode_traces(iter(spans)))
    shape = [
        [[one.name for one in scopes.spans] for scopes in group.scope_spans]
        for group in request.resource_spans
    ]
    assert shape == [[["0", "3"], ["2"]], [["1", "4"]]]


def test_points_that_say_the_same_of_their_metric_share_one():
    points = [
        MetricPoint(name="a", value=1),
        MetricPoint(name="b", value=2),
        MetricPoint(name="a", value=3, attributes={"k": "v"}),
        MetricPoint(name="a", value=4, unit="s"),
        MetricPoint(name="a", value=5, metadata={"m": 1}),
    ]
    assert [point.value for point in decode_metrics(encode_metrics(points))] == [
        1,
        3,
        2,
        4,
        5,
    ]


def test_a_point_without_a_value_says_that_none_was_recorded():
    points = [
        MetricPoint(name="a", value=None, kind=kind, flags=2) for kind in MetricKind
    ]
    found = decode_metrics(encode_metrics(points))
    assert [(point.kind, point.value, point.flags) for point in found] == [
        (kind, None, 3) for kind in MetricKind
    ]


def test_the_memory_of_the_encoder_is_bounded():
    encoder = Encoder()
    for number in range(30_000):
        key = f"key {number % 7000}"
        encoder.traces([span(name=key, attributes={key: str(number), "n": number})])
    tables = encoder._memo.attributes.values()
    entries = sum(
        len(values) for table in tables for values in table.values() if sized(values)
    )
    assert entries + sum(map(len, tables)) + len(encoder._memo.texts) <= 4096


def sized(values: Any) -> bool:
    return hasattr(values, "__len__")


def test_long_texts_are_not_remembered():
    encoder = Encoder()
    before = encoder._memo.count
    attributes_after(encoder, {"k" * 200: "v", "k": "v" * 200})
    assert encoder._memo.count <= before + 2


class Odd:
    def __str__(self) -> str:
        return "odd"


class Unprintable:
    __hash__ = None

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Odd(), "odd"),
        (Unprintable(), "(unprintable Unprintable)"),
        (2**63, str(2**63)),
        (-(2**63), -(2**63)),
        (10**5000, hex(10**5000)),
        ((1, "a"), [1, "a"]),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        ("lone \ud800", "lone ?"),
        ({1: {None: 2.5}}, {"1": {"None": 2.5}}),
        ([{}, [], None, ""], [{}, [], None, ""]),
        (MetricKind.SUM, 7),
        ({3}, "{3}"),
        (math.inf, math.inf),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_attribute_of_any_type_is_encoded_and_its_neighbours_are_too(
    value, expected
):
    found = attributes_after(Encoder(), {"odd": value, "next": 1, 5: "five"})
    assert found == [{"odd": expected, "next": 1, "5": "five"}]


def test_a_list_that_holds_itself_ends_in_words_that_every_parser_can_read():
    endless: list[Any] = [1]
    endless.append({"again": endless})
    body = encode_traces([span(attributes={"endless": endless})])
    assert b"nested too deep" in body
    assert ExportTraceServiceRequest.FromString(body).IsInitialized()
    assert decode_traces(body)[0].attributes["endless"][0] == 1


def test_an_id_of_a_wrong_length_is_left_out_and_the_span_is_kept():
    odd = span(trace_id=b"short", parent_span_id=b"toolongforit", name="odd")
    found = decode_traces(encode_traces([span(), odd, span()]))
    assert [one.name for one in found] == ["s", "odd", "s"]
    assert (found[1].trace_id, found[1].span_id) == (b"", SPAN)
    assert found[1].parent_span_id == b""


def test_numbers_out_of_range_become_the_nearest_that_fits():
    odd = span(
        start_time_unix_nano=-5, end_time_unix_nano=1.5e9, flags=2**40, kind=2**40
    )
    found = decode_traces(encode_traces([odd]))[0]
    assert found.start_time_unix_nano == 0
    assert found.end_time_unix_nano == 1_500_000_000
    assert (found.flags, found.kind) == (2**32 - 1, 2**31 - 1)


def test_the_value_of_a_point_decides_where_the_kind_contradicts_it():
    points = [
        MetricPoint(name="h", value=Histogram(1), kind=MetricKind.GAUGE),
        MetricPoint(name="g", value=2.5, kind=MetricKind.HISTOGRAM),
        MetricPoint(name="s", value=2**70, kind=MetricKind.SUM),
        MetricPoint(name="n", value="many", kind=MetricKind.SUM),
    ]
    found = decode_metrics(encode_metrics(points))
    assert [(point.kind, point.value) for point in found] == [
        (MetricKind.HISTOGRAM, Histogram(1)),
        (MetricKind.GAUGE, 2.5),
        (MetricKind.SUM, float(2**70)),
        (MetricKind.SUM, None),
    ]


class Spiteful:
    """Raises from whatever is asked of it."""

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __str__ = __int__ = __float__ = __bool__ = __len__ = __iter__ = __index__ = __hash__
    __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
    encode = items = to_bytes = __format__ = __eq__


class SpitefulText(Spiteful, str):
    __slots__ = ()
    __hash__ = str.__hash__


class SpitefulNumber(Spiteful, int):
    __slots__ = ()
    __hash__ = int.__hash__


class SpitefulBytes(Spiteful, bytes):
    __slots__ = ()


class SpitefulList(Spiteful, list):
    __slots__ = ()


class SpitefulDict(Spiteful, dict):
    __slots__ = ()


JUNK = [
    None,
    -1,
    2**70,
    1.5,
    math.nan,
    "text",
    b"bytes",
    [1],
    {"a": 1},
    object(),
    Spiteful(),
    {"a": Spiteful()},
    [Spiteful()],
    SpitefulText("good"),
    SpitefulNumber(1),
    SpitefulBytes(b"12345678"),
    SpitefulList([1]),
    SpitefulDict({"a": 1}),
    {SpitefulText("a"): 1, SpitefulNumber(1): "b"},
    {"a": SpitefulText("good"), "b": SpitefulNumber(7), "c": SpitefulList([1])},
    {"a": [SpitefulBytes(b"x"), {"d": SpitefulDict({"a": 1})}]},
]
junk = st.integers(0, len(JUNK) - 1).map(JUNK.__getitem__)


def filled(draw: Any, kind: type[Any], *, keep: int) -> Any:
    """A struct with junk in some fields; the others as they should be."""
    names = kind.__struct_fields__
    sane = {"name": "n", "trace_id": TRACE, "span_id": SPAN, "value": 1}
    fields = {name: sane[name] for name in names if name in sane}
    for name in names:
        if draw(st.integers(0, keep)) == 0:
            fields[name] = draw(junk)
    return kind(**fields)


@st.composite
def broken(draw: Any) -> tuple[Span, LogRecord, MetricPoint]:
    keep = draw(st.integers(0, 12))
    one, record, point = (
        filled(draw, kind, keep=keep) for kind in (Span, LogRecord, MetricPoint)
    )
    if draw(st.booleans()):
        one.events = [filled(draw, SpanEvent, keep=2), draw(junk)]
        one.links = [filled(draw, Link, keep=2), draw(junk)]
        point.exemplars = [filled(draw, Exemplar, keep=2), draw(junk)]
    if draw(st.booleans()):
        kinds = [Histogram, ExponentialHistogram, Summary]
        point.value = filled(draw, draw(st.sampled_from(kinds)), keep=2)
        if isinstance(point.value, ExponentialHistogram):
            point.value.positive = filled(draw, ExponentialBuckets, keep=1)
    if draw(st.booleans()):
        one.resource = filled(draw, Resource, keep=1)
        record.scope = filled(draw, Scope, keep=1)
    return one, record, point


@settings(max_examples=1500, deadline=None)
@given(broken())
def test_no_event_however_broken_makes_the_encoder_raise_or_lose_a_neighbour(events):
    one, record, point = events
    spans = decode_traces(encode_traces([span(), one, span(name="last")]))
    assert len(spans) == 3
    assert len(decode_logs(encode_logs([LogRecord(), record, LogRecord()]))) == 3
    good = MetricPoint(name="good", value=1)
    assert len(decode_metrics(encode_metrics([good, point, good]))) == 3


@pytest.mark.parametrize(
    "answer", [(0, ""), (0, "careful"), (7, ""), (2**63 - 1, "é" * 300)]
)
def test_a_response_says_how_many_were_rejected_and_why(answer):
    assert decode_response(encode_response(*answer)) == answer
    assert (encode_response(*answer) == b"") is (answer == (0, ""))


def test_a_negative_count_of_rejected_events_is_refused():
    with pytest.raises(ValueError, match="rejected is -1; expected an int64 from 0"):
        encode_response(-1, "")


@pytest.mark.parametrize("status", [(0, ""), (3, "bad"), (-1, "é")])
def test_a_status_keeps_its_code_and_message_and_skips_details(status):
    details = b"\x1a\x04\x0a\x02hi"
    assert decode_status(encode_status(*status)) == status
    assert decode_status(details + encode_status(*status)) == status


def test_the_codec_needs_no_generated_classes():
    module = sys.modules[Encoder.__module__]
    assert not any("google" in name or "opentelemetry" in name for name in vars(module))
