"""What OpenTelemetry's API promises of tracers and spans, through a provider."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
)

from sluiceway.events import SpanKind
from sluiceway.events import StatusCode as OwnStatusCode
from sluiceway.instrument import Telemetry
from sluiceway.instrument.identity import complain_of_kind
from sluiceway.instrument.trace_state import TraceState
from sluiceway.notes import event_of

SAMPLED = SpanContext(5, 9, is_remote=True, trace_flags=TraceFlags(1))
UNSAMPLED = SpanContext(5, 9, is_remote=True, trace_flags=TraceFlags(0))
MS = 1_000_000


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def tracer(telemetry):
    return telemetry.tracer_provider.get_tracer("library", "1.0")


def ended(telemetry):
    return [event_of(span) for span in telemetry.spans._buffer]


def only(telemetry):
    (event,) = ended(telemetry)
    return event


def fail():
    raise ValueError("broken")


def under(parent):
    return trace.set_span_in_context(NonRecordingSpan(parent))


def test_our_tracers_and_spans_are_the_apis(tracer):
    assert isinstance(tracer, trace.Tracer)
    span = tracer.start_span("s")
    assert isinstance(span, trace.Span)
    span.end()


@pytest.mark.parametrize("parent", [None, SAMPLED, UNSAMPLED])
def test_a_span_records_from_its_start_to_its_end_if_its_trace_is_sampled(
    telemetry, tracer, parent
):
    span = tracer.start_span("s", parent and under(parent))
    sampled = parent is not UNSAMPLED
    assert span.is_recording() is sampled
    assert span.get_span_context().trace_flags.sampled is sampled
    span.end()
    assert not span.is_recording()
    assert span.get_span_context().is_valid
    assert len(ended(telemetry)) == sampled


def test_start_span_makes_nothing_current_and_start_as_current_span_does(tracer):
    with tracer.start_span("a"):
        assert trace.get_current_span() is INVALID_SPAN
    with tracer.start_as_current_span("b") as span:
        assert trace.get_current_span() is span
        assert trace.get_current_span(contexts.get_current()) is span
    assert trace.get_current_span() is INVALID_SPAN


def test_an_explicit_context_wins_over_the_current_one(telemetry, tracer):
    with tracer.start_as_current_span("outer") as outer:
        tracer.start_span("elsewhere", under(SAMPLED)).end()
        tracer.start_span("root", Context()).end()
        tracer.start_span("root", trace.set_span_in_context(INVALID_SPAN)).end()
        with tracer.start_as_current_span("inner", under(SAMPLED)):
            pass
    elsewhere, *roots, inner, _ = ended(telemetry)
    for span in (elsewhere, inner):
        assert span.parent_span_id == (9).to_bytes(8, "big")
        assert span.trace_id == (5).to_bytes(16, "big")
    for span in roots:
        assert span.parent_span_id == b""
        assert int.from_bytes(span.trace_id, "big") != (
            outer.get_span_context().trace_id
        )


def test_other_values_of_the_context_stay_while_a_span_is_current(tracer):
    token = contexts.attach(contexts.set_value("own", 1))
    with tracer.start_as_current_span("s"):
        assert contexts.get_value("own") == 1
    contexts.detach(token)


def test_a_span_that_records_nothing_still_carries_its_trace_on(telemetry, tracer):
    with (
        tracer.start_as_current_span("a", under(UNSAMPLED)) as parent,
        tracer.start_as_current_span("b") as child,
    ):
        told = child.get_span_context()
        child.set_attribute("a", 1)
        child.add_event("e")
        child.add_link(SAMPLED)
        child.set_status(StatusCode.ERROR)
        child.record_exception(ValueError())
        child.update_name("c")
    assert told.trace_id == parent.get_span_context().trace_id == 5
    assert told.span_id not in {parent.get_span_context().span_id, 9, 0}
    assert ended(telemetry) == []


def test_an_identity_never_changes(tracer):
    span = tracer.start_span("s")
    context = span.get_span_context()
    for name in ("trace_id", "span_id", "is_remote", "trace_flags", "trace_state"):
        setattr(context, name, 7)
        assert getattr(context, name) != 7
    span.update_name("t")
    span.end()
    assert span.get_span_context() == context
    assert not context.is_remote
    with pytest.raises(TypeError):
        context.trace_state["a"] = "b"


def test_start_and_end_can_be_given(telemetry, tracer):
    tracer.start_span("a", start_time=5 * MS).end(7 * MS)
    with tracer.start_as_current_span("b", start_time=8 * MS) as span:
        span.end(9 * MS)
    a, b = ended(telemetry)
    assert (a.start_time_unix_nano, a.end_time_unix_nano) == (5 * MS, 7 * MS)
    assert (b.start_time_unix_nano, b.end_time_unix_nano) == (8 * MS, 9 * MS)


@pytest.mark.parametrize("unknown", [0, -5 * MS, None])
def test_a_time_that_is_not_known_is_now(telemetry, tracer, unknown):
    span = tracer.start_span("a", start_time=unknown)
    span.add_event("e", timestamp=unknown)
    span.end(unknown)
    [event] = ended(telemetry)
    times = event.start_time_unix_nano, event.events[0].time_unix_nano
    assert 0 < times[0] <= times[1] <= event.end_time_unix_nano


def test_only_the_first_end_counts_and_nothing_changes_after_it(telemetry, tracer):
    span = tracer.start_span("s", attributes={"a": 1}, start_time=5 * MS)
    span.end(7 * MS)
    span.end(9 * MS)
    span.set_attribute("b", 2)
    span.set_attributes({"c": 3})
    span.add_event("e")
    span.add_link(SAMPLED)
    span.update_name("t")
    span.set_status(Status(StatusCode.ERROR, "late"))
    span.record_exception(ValueError())
    event = only(telemetry)
    assert event.end_time_unix_nano == 7 * MS
    assert (event.name, event.attributes) == ("s", {"a": 1})
    assert (event.events, event.links) == ([], [])
    assert event.status_code is OwnStatusCode.UNSET


def test_attributes_are_those_of_the_start_and_what_was_set_last(telemetry, tracer):
    given = {"a": 1, "b": [1, 2], "c": ("x", "y")}
    with tracer.start_span("s", attributes=given) as span:
        given["a"] = given["d"] = 7
        span.set_attribute("b", True)
        span.set_attributes({"e": 1.5, "f": "text"})
    assert only(telemetry).attributes == {
        "a": 1,
        "b": True,
        "c": ["x", "y"],
        "e": 1.5,
        "f": "text",
    }


def test_links_come_at_the_start_and_later_with_attributes(telemetry, tracer):
    other = SpanContext(6, 8, is_remote=False, trace_flags=TraceFlags(1))
    with tracer.start_span("s", links=[Link(SAMPLED, {"a": 1})]) as span:
        span.add_link(other, {"b": 2})
        span.add_link(trace.INVALID_SPAN_CONTEXT)
    first, second = only(telemetry).links
    assert (first.trace_id[-1], first.span_id[-1], first.attributes) == (5, 9, {"a": 1})
    assert (second.trace_id[-1], second.attributes) == (6, {"b": 2})
    assert (first.flags, second.flags) == (0x301, 0x101)


def test_events_have_a_name_attributes_and_a_time_in_the_order_they_came(
    telemetry, tracer
):
    with tracer.start_span("s") as span:
        span.add_event("a", {"k": "v"}, 7 * MS)
        span.add_event("b", timestamp=5 * MS)
        span.add_event("c")
    first, second, third = only(telemetry).events
    assert (first.name, first.attributes) == ("a", {"k": "v"})
    assert (first.time_unix_nano, second.time_unix_nano) == (7 * MS, 5 * MS)
    assert third.time_unix_nano > 7 * MS


OK, ERROR, UNSET = StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET


@pytest.mark.parametrize(
    ("calls", "code", "description"),
    [
        ([], "UNSET", ""),
        ([(ERROR, "why")], "ERROR", "why"),
        ([(Status(ERROR, "why"), None)], "ERROR", "why"),
        ([(OK, "ignored")], "OK", ""),
        ([(UNSET, "ignored")], "UNSET", ""),
        ([(ERROR, "first"), (ERROR, "second")], "ERROR", "second"),
        ([(ERROR, "why"), (UNSET, None)], "ERROR", "why"),
        ([(ERROR, "why"), (OK, None)], "OK", ""),
        ([(OK, None), (ERROR, "late")], "OK", ""),
        ([(OK, None), (UNSET, None)], "OK", ""),
    ],
)
def test_a_status_follows_the_specifications_order(
    telemetry, tracer, calls, code, description
):
    with tracer.start_span("s") as span:
        for call in calls:
            span.set_status(*call)
    event = only(telemetry)
    assert (event.status_code.name, event.status_message) == (code, description)


def test_an_exception_is_recorded_with_what_the_caller_adds(telemetry, tracer):
    with tracer.start_span("s") as span:
        try:
            fail()
        except ValueError as error:
            span.record_exception(error, {"exception.message": "mine", "k": 1}, 7 * MS)
    (event,) = only(telemetry).events
    assert (event.name, event.time_unix_nano) == ("exception", 7 * MS)
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "mine"
    assert event.attributes["k"] == 1
    assert "in fail" in event.attributes["exception.stacktrace"]
    assert only(telemetry).status_code is OwnStatusCode.UNSET


@pytest.mark.parametrize("end_on_exit", [True, False])
def test_use_span_of_the_api_activates_records_and_ends_ours(
    telemetry, tracer, end_on_exit
):
    span = tracer.start_span("s")

    def work(used):
        assert used is trace.get_current_span() is span
        fail()

    with (
        pytest.raises(ValueError, match="broken"),
        trace.use_span(span, end_on_exit=end_on_exit) as used,
    ):
        work(used)
    assert span.is_recording() is not end_on_exit
    span.end()
    event = only(telemetry)
    assert [each.name for each in event.events] == ["exception"]
    assert event.status_message == "ValueError: broken"


def test_an_error_on_the_way_out_of_two_spans_marks_both(telemetry, tracer):
    with (
        pytest.raises(ValueError, match="broken"),
        tracer.start_as_current_span("outer"),
        tracer.start_as_current_span("inner"),
    ):
        fail()
    assert [span.status_code.name for span in ended(telemetry)] == ["ERROR", "ERROR"]


def test_start_as_current_span_decorates_functions_of_both_kinds(telemetry, tracer):
    @tracer.start_as_current_span("plain", kind=trace.SpanKind.PRODUCER)
    def plain():
        return trace.get_current_span()

    @tracer.start_as_current_span("waiting")
    async def waiting():
        await asyncio.sleep(0)
        return trace.get_current_span()

    inner = [plain(), plain(), asyncio.run(waiting())]
    assert len({span.get_span_context().span_id for span in inner}) == 3
    assert all(isinstance(span, trace.Span) for span in inner)
    assert [span.name for span in ended(telemetry)] == ["plain", "plain", "waiting"]
    assert ended(telemetry)[0].kind is SpanKind.PRODUCER


def test_a_span_of_another_implementation_is_a_parent_like_any_other(telemetry, tracer):
    local = SpanContext(5, 9, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(local)):
        tracer.start_span("s").end()
    event = only(telemetry)
    assert (event.trace_id[-1], event.parent_span_id[-1]) == (5, 9)
    assert event.flags == 0x101


def test_the_apis_stand_ins_work_inside_our_spans(telemetry, tracer):
    stand_in = trace.NoOpTracerProvider().get_tracer("noop")
    with (
        tracer.start_as_current_span("ours") as ours,
        stand_in.start_as_current_span("theirs") as theirs,
    ):
        assert not theirs.is_recording()
        tracer.start_span("inner").end()
    inner, outer = ended(telemetry)
    assert inner.parent_span_id == outer.span_id
    assert outer.span_id == ours.get_span_context().span_id.to_bytes(8, "big")


@pytest.mark.parametrize("wrong", [None, "server", 99, object()])
def test_a_kind_that_is_none_is_said_once_and_counts_as_internal(
    telemetry, tracer, caplog, wrong
):
    complain_of_kind.cache_clear()
    for _ in range(2):
        tracer.start_span("s", kind=wrong).end()
    assert {span.kind for span in ended(telemetry)} == {SpanKind.INTERNAL}
    (record,) = caplog.records
    assert repr(wrong) in record.getMessage()


@pytest.mark.parametrize("ids", [(0, 0), (1 << 200, 1), (1, 1 << 70), (5, 0), (-1, 1)])
def test_an_identity_out_of_range_is_nobodys(telemetry, tracer, ids):
    wrong = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(1))
    tracer.start_span("s", under(wrong), links=[Link(wrong, {"a": 1})]).end()
    event = only(telemetry)
    assert event.parent_span_id == b""
    (link,) = event.links
    assert (link.trace_id, link.span_id) == (b"", b"")
    sent = {}
    telemetry.propagator.inject(sent, under(wrong))
    assert sent == {}


def test_a_link_without_an_identity_stays_if_it_tells_something(telemetry, tracer):
    with tracer.start_span(
        "s", links=[Link(trace.INVALID_SPAN_CONTEXT, {"a": 1})]
    ) as span:
        span.add_link(trace.INVALID_SPAN_CONTEXT, {"b": 2})
        span.add_link(trace.INVALID_SPAN_CONTEXT)
    links = only(telemetry).links
    assert [(link.trace_id, link.attributes) for link in links] == [
        (b"", {"a": 1}),
        (b"", {"b": 2}),
    ]


@pytest.mark.parametrize(
    "work",
    [
        lambda span: span.add_link(None),
        lambda span: span.add_link("other"),
        lambda span: span.set_status("ERROR"),
        lambda span: span.set_status(7),
        lambda span: span.set_status(None),
        lambda span: span.set_attributes([1, 2]),
        lambda span: span.set_attributes(None),
        lambda span: span.end("now"),
    ],
)
def test_what_cannot_be_meant_changes_nothing_and_raises_nothing(
    telemetry, tracer, work
):
    with tracer.start_span("s", attributes={"a": 1}, links=[None, 7]) as span:
        work(span)
    event = only(telemetry)
    assert (event.links, event.status_code.name) == ([], "UNSET")
    assert event.attributes == {"a": 1}
    assert 0 < event.start_time_unix_nano <= event.end_time_unix_nano


def test_names_keys_and_times_of_wrong_types_are_made_right(telemetry, tracer):
    with tracer.start_span(None, attributes={1: "a"}, start_time=1.5e9) as span:
        span.set_attribute(2, "b")
        span.set_attributes({3: "c"})
        span.add_event(None, {4: "d"}, timestamp=2.5e9)
    event = only(telemetry)
    assert event.name == "None"
    assert event.attributes == {"1": "a", "2": "b", "3": "c"}
    assert event.start_time_unix_nano == 1_500_000_000
    (happened,) = event.events
    assert (happened.name, happened.attributes) == ("None", {"4": "d"})
    assert happened.time_unix_nano == 2_500_000_000


@pytest.mark.parametrize("attributes", [[("a", 1)], "text", 7])
def test_attributes_that_are_no_mapping_are_left_out(telemetry, tracer, attributes):
    with tracer.start_span("s", attributes=attributes) as span:
        span.add_event("e", attributes)
    event = only(telemetry)
    assert event.attributes == event.events[0].attributes == {}


def test_what_came_in_a_tracestate_is_what_the_spans_context_tells(tracer):
    parent = SpanContext(
        7, 7, is_remote=True, trace_state=TraceState({"0vendor@a@b": "x"})
    )
    with tracer.start_span("s", under(parent)) as span:
        assert span.get_span_context().trace_state.to_header() == "0vendor@a@b=x"


@pytest.mark.parametrize("links", [5, "text", [Link(SAMPLED), 7]])
def test_links_that_are_none_are_left_out(telemetry, tracer, links):
    tracer.start_span("s", links=links).end()
    assert len(only(telemetry).links) == (1 if isinstance(links, list) else 0)


def test_a_parent_that_is_none_is_no_parent(telemetry, tracer):
    tracer.start_span("s", "context").end()
    assert only(telemetry).parent_span_id == b""


def test_an_identity_that_does_not_say_whether_it_is_remote_is_local(telemetry, tracer):
    parent = SpanContext(7, 7, is_remote=None, trace_flags=TraceFlags(1))
    tracer.start_span("s", under(parent)).end()
    assert only(telemetry).parent_span_id == (7).to_bytes(8, "big")


def test_attributes_of_an_exception_that_are_no_mapping_are_left_out(telemetry, tracer):
    with tracer.start_span("s") as span:
        span.record_exception(ValueError("v"), [1])
    (event,) = only(telemetry).events
    assert event.attributes["exception.message"] == "v"
