"""The head sampler is asked about spans that begin: not for decorating, nor for others.

The bucket of a rate limit shows each question, since each costs a token.
"""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from sluiceway.instrument import Telemetry
from sluiceway.notes import event_of
from sluiceway.samplers import (
    AlwaysOnSampler,
    ParentBasedSampler,
    RateLimitSampler,
    RuleSampler,
)
from sluiceway.testing import ManualClock

NEVER_FILLED = 1e-9


def once():
    return RateLimitSampler(NEVER_FILLED, burst=1)


# One that chooses is asked by another way than one that decides.
SAMPLERS = {"alone": once, "chosen": lambda: RuleSampler([], otherwise=once())}
WAYS = {
    "span": lambda tracer: tracer.span("s"),
    "start_as_current_span": lambda tracer: tracer.start_as_current_span("s"),
    "open": lambda tracer: tracer.start_as_current_span("s", end_on_exit=False),
}


@pytest.fixture(params=SAMPLERS)
def telemetry(request):
    return Telemetry("shop", sampler=SAMPLERS[request.param](), clock=ManualClock())


@pytest.fixture
def tracer(telemetry):
    return telemetry.tracer("t")


@pytest.fixture(params=WAYS)
def make(request, tracer):
    return lambda: WAYS[request.param](tracer)


def is_recording():
    return trace.get_current_span().is_recording()


def plain(decorate):
    return decorate(is_recording)


def coroutine(decorate):
    @decorate
    async def call():
        await asyncio.sleep(0)
        return is_recording()

    return lambda: asyncio.run(call())


def generator(decorate):
    @decorate
    def call():
        yield is_recording()

    return lambda: next(iter([*call()]))


def async_generator(decorate):
    @decorate
    async def call():
        await asyncio.sleep(0)
        yield is_recording()

    async def only():
        (item,) = [item async for item in call()]
        return item

    return lambda: asyncio.run(only())


KINDS = pytest.mark.parametrize(
    "kind",
    [plain, coroutine, generator, async_generator],
    ids=lambda kind: kind.__name__,
)


@KINDS
def test_to_decorate_a_function_spends_nothing(make, kind):
    functions = [kind(make()) for _ in range(5)]
    assert [function() for function in functions] == [True, *[False] * 4]


@KINDS
def test_each_call_is_decided_for_itself(make, kind):
    function = kind(make())
    assert [function() for _ in range(3)] == [True, False, False]


@KINDS
def test_a_call_follows_the_parent_that_it_has_when_it_is_called(make, tracer, kind):
    function = kind(make())
    for flags, is_remote in [(1, True), (0, True), (1, False), (0, False)]:
        above = NonRecordingSpan(SpanContext(5, 9, is_remote, TraceFlags(flags)))
        with trace.use_span(above):
            assert function() is bool(flags)
    assert [function(), function()] == [True, False]
    with tracer.span("not kept"):
        assert function() is False


def test_a_call_is_made_in_the_callers_context_and_not_in_the_decorations(make):
    above = NonRecordingSpan(SpanContext(5, 9, False, TraceFlags(1)))
    with trace.use_span(above):
        function = plain(make())
        elsewhere = contextvars.copy_context()
    assert [function(), function()] == [True, False]
    assert elsewhere.run(function) is True


def test_one_that_is_made_under_an_unsampled_span_decorates_for_all(make, tracer):
    above = NonRecordingSpan(SpanContext(5, 9, True, TraceFlags(0)))
    with trace.use_span(above):
        function = plain(make())
    assert function() is True


def test_a_span_that_is_abandoned_before_it_begins_spends_nothing(make, telemetry):
    for _ in range(3):
        make()
    with make() as span:
        assert span.is_recording()
    span.end()
    assert len(telemetry.spans._buffer) == 1


def test_a_span_that_is_used_again_is_decided_once(make, telemetry):
    span = make()
    with span, span:
        assert span.is_recording()
    span.end()
    with span:
        assert not span.is_recording()
    with make() as other:
        assert not other.is_recording()
    assert len(telemetry.spans._buffer) == 1


def test_nested_spans_ask_for_the_outermost_alone(make, telemetry):
    with make() as outer, make() as inner, make() as innermost:
        assert inner.is_recording()
        assert innermost.is_recording()
        assert innermost.identity[0] == outer.identity[0]
    for span in (innermost, inner, outer):
        span.end()
    assert len(telemetry.spans._buffer) == 3


LOOKS = {
    "is_recording": lambda span: span.is_recording(),
    "get_span_context": lambda span: span.get_span_context(),
    "set_attribute": lambda span: span.set_attribute("a", 1),
    "end": lambda span: span.end(),
    "child": lambda span: span._tracer.span("child", parent=span),
}


@pytest.mark.parametrize("look", LOOKS)
def test_who_looks_at_a_span_before_it_begins_sees_what_it_will_be(make, look):
    first, second = make(), make()
    LOOKS[look](first)
    with second:
        assert not second.is_recording()
        assert not second.get_span_context().trace_flags.sampled
    told = first.get_span_context()
    with first:
        assert first.is_recording() == (look != "end")
        assert first.get_span_context() is told
        assert told.trace_flags.sampled


def test_what_is_set_before_the_block_is_kept(make, telemetry):
    span = make()
    span.set_attribute("early", 1)
    span.update_name("renamed")
    with span:
        pass
    span.end()
    (event,) = map(event_of, telemetry.spans._buffer)
    assert (event.name, event.attributes) == ("renamed", {"early": 1})


def test_its_repr_decides_nothing(make):
    first = make()
    assert "undecided" in repr(first)
    with make() as second:
        assert second.is_recording()


def test_start_span_is_a_beginning(tracer):
    assert tracer.start_span("a").is_recording()
    assert not tracer.start_span("b").is_recording()


class Counting:
    """A sampler of the application."""

    def __init__(self):
        self.asked = []

    def should_sample(self, trace_id, parent_context, name, attributes=None):
        self.asked.append((name, attributes))
        return True


def test_an_own_sampler_hears_of_calls_with_what_they_start_with():
    sampler = Counting()
    tracer = Telemetry("shop", sampler=sampler).tracer("t")
    function = tracer.span("f", attributes={"a": 1})(is_recording)
    assert sampler.asked == []
    assert [function(), function()] == [True, True]
    assert sampler.asked == [("f", {"a": 1})] * 2


def test_where_every_span_is_asked_about_so_are_calls_below_others():
    sampler = ParentBasedSampler(root=AlwaysOnSampler(), local_parent_sampled=once())
    telemetry = Telemetry("shop", sampler=sampler, clock=ManualClock())
    tracer = telemetry.tracer("t")
    with tracer.span("root"):
        function = tracer.span("f")(is_recording)
        assert [function(), function()] == [True, False]


def test_a_span_that_was_looked_at_can_still_decorate(make):
    span = make()
    assert span.is_recording()
    function = plain(span)
    assert [function(), function()] == [False, False]


def test_what_an_exception_does_is_as_it_was_asked_for(telemetry, tracer):
    @tracer.start_as_current_span("s", record_exception=False)
    def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    (event,) = map(event_of, telemetry.spans._buffer)
    assert event.events == []
    assert event.status_message == "ValueError: no"
