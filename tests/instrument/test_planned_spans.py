"""Spans that ask a sampler: when they begin, and never before."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from sluiceway.instrument import Telemetry
from sluiceway.notes import event_of
from sluiceway.samplers import (
    AlwaysOnSampler,
    ParentBasedSampler,
    RateLimitSampler,
    Rule,
    RuleSampler,
)

SAMPLERS = {
    "for roots": lambda: RateLimitSampler(0, burst=1),
    "that chooses": lambda: RuleSampler(
        [Rule(RateLimitSampler(0, burst=1), name="s")], AlwaysOnSampler()
    ),
}
FORMS = {
    "span": lambda tracer, **more: tracer.span("s", **more),
    "the API's": lambda tracer, **more: tracer.start_as_current_span("s", **more),
}
samplers = pytest.mark.parametrize("sampler", SAMPLERS)
forms = pytest.mark.parametrize("form", FORMS)


def telemetry_with(sampler):
    return Telemetry("shop", sampler=SAMPLERS[sampler]())


def names(telemetry):
    return [event_of(span).name for span in telemetry.spans._buffer]


@forms
@samplers
def test_to_decorate_a_function_spends_nothing_and_each_call_asks(sampler, form):
    telemetry = telemetry_with(sampler)

    @FORMS[form](telemetry.tracer("t"))
    def work():
        return trace.get_current_span().is_recording()

    assert [work(), work()] == [True, False]
    assert names(telemetry) == ["s"]


@samplers
@pytest.mark.parametrize("kind", ["async def", "generator", "async generator"])
def test_so_do_functions_of_every_kind(sampler, kind):
    telemetry = telemetry_with(sampler)
    tracer = telemetry.tracer("t")

    def recording():
        return trace.get_current_span().is_recording()

    @tracer.span("s")
    async def later():
        return [recording()]

    @tracer.span("s")
    def some():
        yield recording()

    @tracer.span("s")
    async def some_later():
        yield recording()

    async def once():
        if kind == "async def":
            return await later()
        if kind == "generator":
            return [*some()]
        return [found async for found in some_later()]

    async def main():
        return await once() + await once()

    assert asyncio.run(main()) == [True, False]


@forms
@samplers
def test_a_span_that_never_begins_spends_nothing(sampler, form):
    telemetry = telemetry_with(sampler)
    tracer = telemetry.tracer("t")
    FORMS[form](tracer)
    with FORMS[form](tracer) as span:
        assert span.is_recording()
    assert names(telemetry) == ["s"]


@forms
@samplers
def test_a_call_decides_by_the_parent_that_it_has(sampler, form):
    telemetry = Telemetry("shop", sampler=ParentBasedSampler(SAMPLERS[sampler]()))

    @FORMS[form](telemetry.tracer("t"))
    def work():
        span = trace.get_current_span()
        return span.is_recording(), span.get_span_context().trace_id

    def under(flags):
        above = SpanContext(5, 9, is_remote=True, trace_flags=TraceFlags(flags))
        with trace.use_span(NonRecordingSpan(above)):
            return work()

    assert under(0) == (False, 5)
    assert under(1) == (True, 5)
    assert under(1) == (True, 5)
    assert work()[0]
    assert not work()[0]


@forms
@samplers
def test_who_looks_at_a_span_before_it_begins_sees_the_one_that_will(sampler, form):
    telemetry = telemetry_with(sampler)
    span = FORMS[form](telemetry.tracer("t"), attributes={"a": 1})
    seen = span.get_span_context()
    span.set_attribute("b", 2)
    with span:
        assert trace.get_current_span().get_span_context() == seen
    (event,) = [event_of(notes) for notes in telemetry.spans._buffer]
    assert event.attributes == {"a": 1, "b": 2}
    assert event.span_id == seen.span_id.to_bytes(8, "big")
    assert not span.is_recording()
    span.set_attribute("late", 3)
    with pytest.raises(AttributeError, match="has no nonsense"):
        span.nonsense  # noqa: B018 - asking is the test


@samplers
def test_a_span_that_was_looked_at_can_still_decorate(sampler):
    telemetry = Telemetry("shop", sampler=SAMPLERS[sampler]())
    tracer = telemetry.tracer("t")
    span = tracer.span("other" if sampler == "that chooses" else "s")
    assert span.is_recording()

    @span
    def work():
        return trace.get_current_span().is_recording()

    assert work() is (sampler == "that chooses")


@samplers
def test_attributes_are_those_of_the_decoration(sampler):
    telemetry = telemetry_with(sampler)
    attributes = {"a": 1}

    @telemetry.tracer("t").span("s", attributes=attributes)
    def work():
        pass

    attributes["a"] = 2
    work()
    (event,) = [event_of(notes) for notes in telemetry.spans._buffer]
    assert event.attributes == {"a": 1}


@samplers
def test_what_an_exception_does_is_as_it_was_asked_for(sampler):
    telemetry = telemetry_with(sampler)

    @telemetry.tracer("t").start_as_current_span("s", record_exception=False)
    def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    (event,) = [event_of(notes) for notes in telemetry.spans._buffer]
    assert event.events == []
    assert event.status_message == "ValueError: no"
