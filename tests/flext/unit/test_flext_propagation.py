"""A trace travels in headers and in metadata, and comes out as it went in."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from flext_observability import (
    FlextTrace,
    FlextTraceContext,
    FlextValidationError,
    flext_create_trace,
    flext_extract_context,
    flext_grpc_metadata,
    flext_inject_context,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
CONTEXT = FlextTraceContext(TRACE, SPAN, 1)


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": PARENT},
        {"Traceparent": PARENT, "accept": "*/*"},
        {"TRACEPARENT": [PARENT]},
        {"traceparent": PARENT.encode()},
        {b"traceparent": PARENT.encode()},
        [("TraceParent", PARENT)],
        [(b"traceparent", PARENT.encode()), (b"host", b"x")],
        (("traceparent", f" {PARENT}\t"), ("some-bin", b"\xff")),
        MappingProxyType({"traceparent": PARENT}),
        iter([["traceparent", PARENT]]),
        {"traceparent": f"01-{TRACE}-{SPAN}-01-later"},
        {"traceparent": f"00-{TRACE}-{SPAN}-f9"},
        {"traceparent": PARENT, "tracestate": "not valid"},
    ],
)
def test_a_parent_is_found_wherever_it_stands(carrier):
    assert flext_extract_context(carrier).unwrap() == CONTEXT


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        PARENT.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        [PARENT, PARENT],
    ],
)
def test_a_parent_that_breaks_the_rules_is_none(header):
    result = flext_extract_context({"traceparent": header})
    assert result.error_code == "malformed"
    assert result.error.startswith("traceparent is ")


@pytest.mark.parametrize("carrier", [{}, [], {"accept": PARENT}, {"tracestate": "a=b"}])
def test_where_nothing_is_told_there_is_no_parent(carrier):
    assert flext_extract_context(carrier).error_code == "no_parent"


@pytest.mark.parametrize("carrier", [None, 5, "traceparent", [1], [("a", "b", "c")]])
def test_what_is_no_carrier_is_refused(carrier):
    assert flext_extract_context(carrier).error_code == "validation"


def test_a_header_replaces_what_stood_there_in_any_case():
    trace = flext_create_trace("a", "b", parent=CONTEXT).unwrap()
    carrier = {"TraceParent": "old", "Tracestate": "old=1", "accept": "*/*"}
    assert flext_inject_context(trace, carrier).unwrap() is carrier
    assert carrier == {
        "accept": "*/*",
        "traceparent": f"00-{TRACE}-{trace.span_id}-01",
    }


def test_headers_that_hold_a_name_twice_hold_it_once():
    headers = CIMultiDict([("traceparent", "old"), ("Traceparent", "older")])
    assert flext_inject_context(CONTEXT, headers).unwrap().getall("traceparent") == [
        PARENT
    ]
    assert flext_extract_context(headers).unwrap() == CONTEXT
    headers.add("traceparent", PARENT)
    assert flext_extract_context(headers).error_code == "malformed"


def test_the_state_of_a_trace_travels_with_it():
    carrier = {"traceparent": PARENT, "tracestate": "ot=th:8, rojo=1"}
    context = flext_extract_context(carrier).unwrap()
    assert context.trace_state == "ot=th:8,rojo=1"
    trace = flext_create_trace("a", "b", parent=context).unwrap()
    headers = flext_inject_context(trace, {}).unwrap()
    assert headers["tracestate"] == "ot=th:8,rojo=1"


def test_metadata_of_grpc_have_lower_case_keys_and_keep_the_others():
    trace = flext_create_trace("a", "b").unwrap()
    others = [("Traceparent", "old"), ("Some-Bin", b"\xff")]
    metadata = flext_grpc_metadata(trace, others).unwrap()
    assert metadata == (
        ("some-bin", b"\xff"),
        ("traceparent", f"00-{trace.trace_id}-{trace.span_id}-03"),
    )
    assert all(key.islower() and key.isascii() for key, _ in metadata)
    assert flext_extract_context(metadata).unwrap().span_id == trace.span_id


@pytest.mark.parametrize(
    ("trace", "carrier", "told"),
    [
        (None, {}, "trace is None"),
        (PARENT, {}, "trace is '00-"),
        (CONTEXT, None, "carrier is None"),
        (CONTEXT, MappingProxyType({}), "a mapping that can be changed"),
        (CONTEXT, [], "carrier is []"),
    ],
)
def test_what_cannot_be_told_or_hold_a_header_is_refused(trace, carrier, told):
    assert told in flext_inject_context(trace, carrier).error


@pytest.mark.parametrize("metadata", ["ab", 5, [("a",)], [("ä", "b")], [("", "b")]])
def test_metadata_that_are_none_are_refused(metadata):
    assert flext_grpc_metadata(CONTEXT, metadata).error.startswith("metadata is ")
    assert "trace is" in flext_grpc_metadata(None).error


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.integers(0, 3),
    st.sampled_from(["", "a=b", "ot=th:c,x@y=z"]),
)
def test_what_is_told_is_what_is_found(trace_id, span_id, flags, state):
    context = FlextTraceContext(f"{trace_id:032x}", f"{span_id:016x}", flags, state)
    told = flext_inject_context(context, {}).unwrap()
    assert flext_extract_context(told).unwrap() == context
    pairs = flext_grpc_metadata(context).unwrap()
    assert flext_extract_context(pairs).unwrap() == context


@given(st.text(), st.text() | st.binary() | st.none() | st.lists(st.text()))
def test_whatever_a_header_holds_nothing_is_raised(name, value):
    for carrier in ({"traceparent": value}, {name: value}, [(name, value)]):
        result = flext_extract_context(carrier)
        assert result.is_success or result.error
    assert flext_create_trace("a", "b", parent=name).is_failure


@pytest.mark.parametrize("state", ["a=1\r\nSet-Cookie: b", "a=\x00", "a=\x7f", "a=é"])
@pytest.mark.parametrize("make", [FlextTrace, FlextTraceContext])
def test_a_state_that_would_break_out_of_its_header_is_refused(make, state):
    ids = {"trace_id": "1" * 32, "span_id": "2" * 16, "trace_state": state}
    named = {"name": "t", "operation": "o"} if make is FlextTrace else {}
    with pytest.raises(FlextValidationError, match=r"^trace_state is "):
        make(**named, **ids)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", 5),
        ("a", None),
        ("a", "x\ny"),
        ("a", "é"),
        ("a", b"\xff"),
        ("a-bin", "text"),
        ("A-Bin", 5),
    ],
)
def test_metadata_that_grpc_would_refuse_are_refused_by_their_key(key, value):
    failure = flext_grpc_metadata(CONTEXT, [("b", "fine"), (key, value)])
    assert failure.error.startswith(f"metadata[{key.lower()!r}] is ")


@pytest.mark.parametrize(
    "pair", [("a", ""), ("a", " ~"), ("a", b"x"), ("a-bin", b"\xff")]
)
def test_metadata_that_grpc_takes_pass_as_they_are(pair):
    assert pair in flext_grpc_metadata(CONTEXT, [pair]).unwrap()


def test_a_secret_of_the_metadata_is_in_no_error():
    failure = flext_grpc_metadata(CONTEXT, [("authorization", "Bearer sword\nfish")])
    assert failure.is_failure
    assert "sword" not in failure.error
