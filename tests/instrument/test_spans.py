from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from instrument.taken import finished
from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    TraceFlags,
    TraceState,
)

from sluiceway.events import Span, SpanKind, StatusCode
from sluiceway.instrument import Telemetry
from sluiceway.instrument.context import ApiContext

REMOTE = SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C,
    0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(1),
    trace_state=TraceState([("vendor", "x")]),
)


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def tracer(telemetry):
    return telemetry.tracer("shop.cart", "1.2")


def test_a_finished_span_tells_what_when_and_who(telemetry, tracer):
    with tracer.span("checkout", attributes={"cart.items": 3}) as span:
        span.set_attribute("card", "visa")
    (event,) = finished(telemetry)
    assert event.name == "checkout"
    assert event.attributes == {"cart.items": 3, "card": "visa"}
    assert 0 < event.start_time_unix_nano <= event.end_time_unix_nano
    assert (len(event.trace_id), len(event.span_id)) == (16, 8)
    assert event.parent_span_id == b""
    assert event.flags == 0x103
    assert event.kind is SpanKind.INTERNAL
    assert event.status_code is StatusCode.UNSET
    assert event.resource is telemetry.resource
    assert (event.scope.name, event.scope.version) == ("shop.cart", "1.2")


def test_a_span_inside_another_one_is_its_child(telemetry, tracer):
    with tracer.span("outer"), tracer.span("inner"):
        pass
    with tracer.span("other"):
        pass
    inner, outer, other = finished(telemetry)
    assert inner.trace_id == outer.trace_id
    assert inner.parent_span_id == outer.span_id
    assert other.trace_id != outer.trace_id


def test_our_spans_and_the_apis_form_one_trace(telemetry, tracer):
    with tracer.span("ours") as ours:
        assert trace.get_current_span() is ours
        assert isinstance(get_current(), Context)
        started = tracer.start_span("api")
        assert trace.get_current_span() is ours
        with trace.use_span(started, end_on_exit=True), tracer.span("ours again"):
            pass
    again, api, first = finished(telemetry)
    assert api.parent_span_id == first.span_id
    assert again.parent_span_id == api.span_id
    assert again.trace_id == api.trace_id == first.trace_id
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_start_as_current_span_is_the_same_in_the_apis_spelling(telemetry, tracer):
    kind = trace.SpanKind.SERVER
    with tracer.start_as_current_span("a", kind=kind, start_time=5) as span:
        assert trace.get_current_span() is span
    (event,) = finished(telemetry)
    assert event.kind is SpanKind.SERVER
    assert event.start_time_unix_nano == 5


def test_a_span_can_outlast_its_block(telemetry, tracer):
    with tracer.start_as_current_span("long", end_on_exit=False) as span:
        pass
    assert span.is_recording()
    span.end()
    assert [event.name for event in finished(telemetry)] == ["long"]


@pytest.mark.parametrize("kind", list(trace.SpanKind))
def test_each_kind_of_the_api_keeps_its_meaning(telemetry, tracer, kind):
    tracer.start_span("a", kind=kind).end()
    assert finished(telemetry)[0].kind.name == kind.name


def test_an_exception_is_recorded_as_text_and_passes_unchanged(telemetry, tracer):
    error = ValueError("no such card")
    with pytest.raises(ValueError, match="card") as caught, tracer.span("checkout"):
        raise error
    assert caught.value is error
    (span,) = finished(telemetry)
    assert span.status_code is StatusCode.ERROR
    assert span.status_message == "ValueError: no such card"
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "no such card"
    assert "in test_an_exception" in event.attributes["exception.stacktrace"]
    assert {type(value) for value in event.attributes.values()} == {str}


class RefusingError(Exception):
    """Cannot even be printed."""

    def __str__(self):
        raise RuntimeError

    @property
    def __cause__(self):
        raise RuntimeError


def test_an_exception_that_refuses_to_be_told_passes_unchanged(telemetry, tracer):
    with pytest.raises(RefusingError), tracer.span("a"):
        raise RefusingError
    (span,) = finished(telemetry)
    assert span.status_code is StatusCode.ERROR
    told = span.events[0].attributes
    assert told["exception.message"] == "<unprintable RefusingError>"


def test_the_qualified_name_tells_an_exceptions_type(telemetry, tracer):
    with pytest.raises(asyncio.QueueFull), tracer.span("a"):
        raise asyncio.QueueFull
    told = finished(telemetry)[0].events[0].attributes["exception.type"]
    assert told == "asyncio.queues.QueueFull"


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError, GeneratorExit, KeyboardInterrupt]
)
def test_being_cancelled_or_closed_is_no_error(telemetry, tracer, error):
    with pytest.raises(error), tracer.span("a"):
        raise error
    (span,) = finished(telemetry)
    assert span.status_code is StatusCode.UNSET
    assert span.events == []


def test_a_caller_decides_what_an_exception_does(telemetry, tracer):
    silent = tracer.start_as_current_span("a", record_exception=False)
    with pytest.raises(KeyError), silent:
        raise KeyError
    unjudged = tracer.start_span("b", set_status_on_exception=False)
    with pytest.raises(KeyError), unjudged:
        raise KeyError
    a, b = finished(telemetry)
    assert (a.events, a.status_code) == ([], StatusCode.ERROR)
    assert (len(b.events), b.status_code) == (1, StatusCode.UNSET)


def test_ok_is_final_and_a_description_belongs_to_errors(telemetry, tracer):
    with tracer.span("ok") as span:
        span.set_status(trace.StatusCode.OK, "ignored")
        span.set_status(Status(trace.StatusCode.ERROR, "too late"))
    with tracer.span("error") as span:
        span.set_status(Status(trace.StatusCode.ERROR, "first"))
        span.set_status(StatusCode.ERROR, "second")
        span.set_status(trace.StatusCode.UNSET)
    ok, error = finished(telemetry)
    assert (ok.status_code, ok.status_message) == (StatusCode.OK, "")
    assert (error.status_code, error.status_message) == (StatusCode.ERROR, "second")


def test_a_status_that_was_set_outlives_an_exception(telemetry, tracer):
    span = tracer.start_span("a")
    span.set_status(trace.StatusCode.OK)
    with pytest.raises(OSError, match="late"), span:
        raise OSError("late")
    assert finished(telemetry)[0].status_code is StatusCode.OK


def test_a_remote_parent_is_continued_with_its_tracestate(telemetry, tracer):
    context = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    with tracer.start_as_current_span("served", context=context) as span:
        assert span.get_span_context().trace_state.to_header() == "vendor=x"
        with tracer.span("inside"):
            pass
    inside, served = finished(telemetry)
    assert served.trace_id == REMOTE.trace_id.to_bytes(16, "big")
    assert served.parent_span_id == REMOTE.span_id.to_bytes(8, "big")
    assert (served.flags, inside.flags) == (0x301, 0x101)
    assert inside.trace_state == served.trace_state == "vendor=x"


@pytest.mark.parametrize("flags", [0, 2])
def test_a_parent_that_is_not_sampled_is_followed(telemetry, tracer, flags):
    parent = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(flags))
    with tracer.span("a", parent=parent) as span:
        assert not span.is_recording()
        span.set_attribute("a", 1)
        span.add_event("e")
        context = trace.get_current_span().get_span_context()
        assert context.trace_id == 1
        assert context.span_id != 2
        assert context.trace_flags == flags
        with tracer.span("b") as child:
            assert not child.is_recording()
    assert finished(telemetry) == []


def test_an_invalid_parent_starts_a_new_trace(telemetry, tracer):
    with tracer.span("a", parent=trace.INVALID_SPAN):
        pass
    (event,) = finished(telemetry)
    assert event.parent_span_id == b""
    assert event.trace_id != bytes(16)


@pytest.mark.parametrize("form", ["span", "identity", "context"])
def test_a_parent_is_given_as_a_span_an_identity_or_a_context(telemetry, tracer, form):
    root = tracer.start_span("root")
    parent = {
        "span": root,
        "identity": root.get_span_context(),
        "context": trace.set_span_in_context(root),
    }[form]
    with tracer.span("a", parent=parent):
        pass
    assert finished(telemetry)[0].parent_span_id == root.identity[1]


def test_after_its_end_a_span_changes_no_more(telemetry, tracer):
    span = tracer.start_span("a")
    span.end(end_time=2**62)
    span.end()
    span.set_attribute("late", 1)
    span.set_attributes({"late": 1})
    span.add_event("late")
    span.add_link(REMOTE)
    span.update_name("late")
    span.set_status(trace.StatusCode.ERROR)
    span.record_exception(ValueError())
    assert not span.is_recording()
    (event,) = finished(telemetry)
    assert event.name == "a"
    assert event.end_time_unix_nano == 2**62
    assert (event.attributes, event.events, event.links) == ({}, [], [])
    assert event.status_code is StatusCode.UNSET
    assert span.get_span_context().span_id.to_bytes(8, "big") == event.span_id


def test_a_span_never_ends_before_it_started(telemetry, tracer):
    span = tracer.start_span("a", start_time=2**62)
    span.end()
    (event,) = finished(telemetry)
    assert event.start_time_unix_nano == event.end_time_unix_nano == 2**62


def test_links_come_from_the_start_or_later(telemetry, tracer):
    with tracer.span("a", links=[Link(REMOTE, {"why": "batch"})]) as span:
        span.add_link(SpanContext(7, 8, is_remote=False))
        span.add_link(trace.INVALID_SPAN_CONTEXT)
    first, second = finished(telemetry)[0].links
    assert first.trace_id == REMOTE.trace_id.to_bytes(16, "big")
    assert (first.attributes, first.flags) == ({"why": "batch"}, 0x301)
    assert first.trace_state == "vendor=x"
    assert (second.span_id, second.flags) == (bytes(7) + b"\x08", 0x100)


def test_events_and_names_can_be_added_while_it_runs(telemetry, tracer):
    with tracer.span("a") as span:
        span.add_event("paid", {"sum": 3.5}, timestamp=17)
        span.add_event("sent")
        span.update_name("b")
    (event,) = finished(telemetry)
    paid, sent = event.events
    assert (paid.name, paid.attributes, paid.time_unix_nano) == (
        "paid",
        {"sum": 3.5},
        17,
    )
    assert event.start_time_unix_nano <= sent.time_unix_nano <= event.end_time_unix_nano
    assert event.name == "b"


class Secretive:
    def __str__(self):
        raise RuntimeError


def test_attributes_hold_no_object_of_the_application(telemetry, tracer):
    things = [1, "two"]
    given = {"list": things, "path": SpanKind.SERVER, "odd": Secretive(), "none": None}
    with tracer.span("a", attributes=given) as span:
        span.set_attribute("set", {1})
        span.set_attributes({"nested": {"a": (b"x",)}, "complex": 1j})
        things.append(3)
        given["late"] = True
    attributes = finished(telemetry)[0].attributes
    assert attributes == {
        "list": [1, "two"],
        "path": 2,
        "odd": "<unprintable Secretive>",
        "none": None,
        "set": [1],
        "nested": {"a": [b"x"]},
        "complex": "1j",
    }
    assert type(attributes["path"]) is int


def test_a_list_inside_itself_is_no_attribute_that_hangs(telemetry, tracer):
    loop = []
    loop.append(loop)
    with tracer.span("a", attributes={"loop": loop}):
        pass
    assert isinstance(finished(telemetry)[0].attributes["loop"], list)


def test_leaving_in_another_context_is_no_error(telemetry, tracer):
    async def main():
        span = tracer.span("a")
        await asyncio.create_task(enter(span))
        span.__exit__(None, None, None)
        assert trace.get_current_span() is trace.INVALID_SPAN

    async def enter(span):
        span.__enter__()

    asyncio.run(main())
    assert [event.name for event in finished(telemetry)] == ["a"]


def test_another_runtime_context_is_used_through_the_api():
    current = ApiContext()
    token = current.set(trace.set_span_in_context(NonRecordingSpan(REMOTE)))
    assert current.get() is get_current()
    assert trace.get_current_span().get_span_context() is REMOTE
    current.reset(token)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_tasks_made_in_a_span_are_its_children(telemetry, tracer):
    async def work(name):
        await asyncio.sleep(0)
        with tracer.span(name):
            await asyncio.sleep(0)

    async def main():
        with tracer.span("parent"):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(main())
    a, b, parent = finished(telemetry)
    assert {a.parent_span_id, b.parent_span_id} == {parent.span_id}


def test_an_ended_span_keeps_no_span_alive(telemetry, tracer):
    with tracer.span("parent") as parent, tracer.span("child") as child:
        pass
    assert len(finished(telemetry)) == 2
    gone = weakref.ref(parent)
    del parent
    gc.collect()
    assert gone() is None
    assert not child.is_recording()


def test_ready_events_pass_too(telemetry):
    event = Span(name="made elsewhere", trace_id=bytes(16), span_id=bytes(8))
    telemetry.spans.emit_nowait(event)
    assert finished(telemetry)[0] is event


def test_a_span_after_the_stop_is_refused_and_counted(telemetry, tracer):
    telemetry.spans.stop()
    with tracer.span("late"):
        pass
    assert telemetry.spans.refused() == {"closed": 1}
