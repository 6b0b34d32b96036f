"""Work that a function has only begun: it is traced and timed until it is done."""

from __future__ import annotations

import asyncio
import functools
import logging

import pytest
from opentelemetry import baggage
from opentelemetry.context import attach

from sluiceway.instrument import Telemetry
from sluiceway.notes import event_of
from sluiceway.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def tracer(telemetry):
    return telemetry.tracer("t")


def ended(telemetry):
    return {span.name: span for span in map(event_of, telemetry.spans._buffer)}


def seconds(span):
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


def wrapped(function):
    """What every decorator does that does not know of coroutines."""

    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


class Callable:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


def kinds(clock, inside):
    """The three kinds of function; each takes 2 seconds and does something inside."""

    async def coroutine():
        clock.move(1)
        inside()
        clock.move(1)

    async def async_generator():
        clock.move(1)
        yield inside()
        clock.move(1)

    def generator():
        clock.move(1)
        yield inside()
        clock.move(1)

    return {
        "coroutine": coroutine,
        "async generator": async_generator,
        "generator": generator,
    }


async def exhaust(begun):
    if hasattr(begun, "__aiter__"):
        return [item async for item in begun]
    if hasattr(begun, "__await__"):
        return await begun
    return list(begun)


HIDDEN = pytest.mark.parametrize("hide", [wrapped, Callable])
KIND = pytest.mark.parametrize("kind", ["coroutine", "async generator", "generator"])


@HIDDEN
@KIND
def test_a_span_lasts_until_what_was_begun_is_done(
    telemetry, tracer, clock, hide, kind
):
    def inside():
        with tracer.span("inside"):
            pass

    function = tracer.span("outside")(hide(kinds(clock, inside)[kind]))
    asyncio.run(exhaust(function()))
    spans = ended(telemetry)
    assert seconds(spans["outside"]) == 2
    assert spans["inside"].parent_span_id == spans["outside"].span_id


@HIDDEN
@KIND
def test_a_time_lasts_until_what_was_begun_is_done(telemetry, clock, hide, kind):
    histogram = telemetry.meter("m").histogram("job.duration", "s")
    function = histogram.time()(hide(kinds(clock, lambda: None)[kind]))
    asyncio.run(exhaust(function()))
    (point,) = telemetry.collect()
    assert (point.value.count, point.value.sum) == (1, 2)


def test_an_exception_of_what_was_begun_is_that_of_the_span(telemetry, tracer):
    async def fail():
        raise ValueError("no card")

    with pytest.raises(ValueError, match="no card"):
        asyncio.run(tracer.span("outside")(wrapped(fail))())
    assert ended(telemetry)["outside"].status_message == "ValueError: no card"


def test_an_exception_before_anything_was_begun_ends_the_span(telemetry, tracer):
    with pytest.raises(ZeroDivisionError):
        tracer.span("outside")(lambda: 1 / 0)()
    assert ended(telemetry)["outside"].status_code.name == "ERROR"


@pytest.mark.parametrize("kind", ["async generator", "generator"])
def test_what_is_current_at_a_yield_is_so_after_it_and_nowhere_else(
    telemetry, tracer, kind
):
    log = logging.getLogger("tests.cursor")
    log.setLevel(logging.INFO)
    log.addHandler(telemetry.log_handler)
    seen = []

    def step(number):
        log.info("row %d", number)
        seen.append(baggage.get_baggage("tenant"))

    def rows():
        attach(baggage.set_baggage("tenant", "a"))
        with tracer.span("cursor"):
            for number in range(3):
                step(number)
                yield number
        with tracer.span("after"):
            pass

    async def rows_later():
        attach(baggage.set_baggage("tenant", "a"))
        with tracer.span("cursor"):
            for number in range(3):
                step(number)
                yield number
        with tracer.span("after"):
            pass

    function = tracer.span("stream")(rows if kind == "generator" else rows_later)

    async def consume():
        with tracer.span("consumer"):
            begun = function()
            if kind == "generator":
                for _ in begun:
                    with tracer.span("own"):
                        assert baggage.get_baggage("tenant") is None
            else:
                async for _ in begun:
                    with tracer.span("own"):
                        assert baggage.get_baggage("tenant") is None

    asyncio.run(consume())
    log.removeHandler(telemetry.log_handler)
    spans = ended(telemetry)
    assert spans["cursor"].parent_span_id == spans["stream"].span_id
    assert spans["after"].parent_span_id == spans["stream"].span_id
    assert spans["own"].parent_span_id == spans["consumer"].span_id
    records = list(telemetry.logs._buffer)
    assert {record.span_id for record in records} == {spans["cursor"].span_id}
    assert seen == ["a"] * 3


def test_a_span_that_is_entered_twice_is_left_once(telemetry, tracer):
    with tracer.span("above") as above:
        span = tracer.span("twice")
        with span, span:
            pass
        with tracer.span("after"):
            pass
    spans = ended(telemetry)
    assert spans["after"].parent_span_id == above.identity[1]
    assert len(spans) == 3
