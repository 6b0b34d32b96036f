from __future__ import annotations

import asyncio
import inspect

import pytest
from instrument.taken import finished
from opentelemetry import trace

from sluiceway.events import StatusCode
from sluiceway.instrument import SpanLimits, Telemetry
from sluiceway.samplers.probability import ProbabilitySampler
from sluiceway.testing import ManualClock


def seconds(span):
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def tracer(telemetry):
    return telemetry.tracer("t")


def test_each_call_of_a_function_is_a_span(telemetry, tracer):
    @tracer.span("add", attributes={"a": 1})
    def add(left, right=2):
        """Adds."""
        trace.get_current_span().set_attribute("left", left)
        return left + right

    assert [add(1), add(3, right=4)] == [3, 7]
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    one, two = finished(telemetry)
    assert one.attributes == {"a": 1, "left": 1}
    assert two.attributes == {"a": 1, "left": 3}
    assert one.trace_id != two.trace_id


def test_a_coroutine_is_timed_until_it_has_been_awaited(telemetry, tracer, clock):
    @tracer.span("work")
    async def work():
        await asyncio.sleep(0)
        clock.move(3)
        return 5

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(work()) == 5
    (span,) = finished(telemetry)
    assert seconds(span) == 3


def test_an_object_with_an_async_call_is_awaited_too(telemetry, tracer, clock):
    class Work:
        async def __call__(self):
            clock.move(2)

    asyncio.run(tracer.span("work")(Work())())
    assert seconds(finished(telemetry)[0]) == 2


def test_a_generator_is_timed_until_it_is_exhausted(telemetry, tracer, clock):
    @tracer.span("count")
    def count():
        inside = trace.get_current_span()
        got = yield 1
        clock.move(1)
        assert trace.get_current_span() is inside
        yield got
        return "end"

    generator = count()
    assert next(generator) == 1
    assert trace.get_current_span() is trace.INVALID_SPAN
    clock.move(2)
    assert generator.send("sent") == "sent"
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "end"
    (span,) = finished(telemetry)
    assert seconds(span) == 3


def test_a_closed_generator_ends_its_span_without_an_error(telemetry, tracer):
    closed = []

    @tracer.span("count")
    def count():
        try:
            yield 1
        finally:
            closed.append(trace.get_current_span().is_recording())

    for _ in count():
        break
    (span,) = finished(telemetry)
    assert closed == [True]
    assert span.status_code is StatusCode.UNSET


def test_what_is_thrown_into_a_generator_reaches_it(telemetry, tracer):
    @tracer.span("count")
    def count():
        try:
            yield 1
        except KeyError:
            yield 2
        raise ValueError("two is enough")

    generator = count()
    next(generator)
    assert generator.throw(KeyError()) == 2
    with pytest.raises(ValueError, match="enough"):
        next(generator)
    assert finished(telemetry)[0].status_code is StatusCode.ERROR


def test_a_span_inside_a_generator_is_a_child_of_the_generators(telemetry, tracer):
    @tracer.span("outer")
    def outer():
        with tracer.span("inner"):
            pass
        yield 1

    assert list(outer()) == [1]
    inner, span = finished(telemetry)
    assert inner.parent_span_id == span.span_id


def test_an_async_generator_is_timed_until_it_is_exhausted(telemetry, tracer, clock):
    @tracer.span("count")
    async def count():
        for number in range(3):
            await asyncio.sleep(0)
            assert trace.get_current_span() is not trace.INVALID_SPAN
            clock.move(1)
            yield number

    async def main():
        got = []
        async for number in count():
            assert trace.get_current_span() is trace.INVALID_SPAN
            got.append(number)
        return got

    assert inspect.isasyncgenfunction(count)
    assert asyncio.run(main()) == [0, 1, 2]
    (span,) = finished(telemetry)
    assert seconds(span) == 3


def test_an_async_generator_may_be_closed_by_another_task(telemetry, tracer, caplog):
    @tracer.span("count")
    async def count():
        with tracer.span("inside"):
            yield 1
            yield 2

    async def main():
        generator = count()
        assert await anext(generator) == 1
        await asyncio.create_task(generator.aclose())

    asyncio.run(main())
    inside, span = finished(telemetry)
    assert (inside.status_code, span.status_code) == (StatusCode.UNSET,) * 2
    assert inside.parent_span_id == span.span_id
    assert caplog.records == []


def test_what_is_sent_to_an_async_generator_reaches_it(telemetry, tracer):
    @tracer.span("echo")
    async def echo():
        got = yield None
        try:
            yield got
        except KeyError:
            yield "caught"

    async def main():
        generator = echo()
        await generator.asend(None)
        assert await generator.asend("x") == "x"
        assert await generator.athrow(KeyError()) == "caught"
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    asyncio.run(main())
    assert finished(telemetry)[0].status_code is StatusCode.UNSET


def test_a_cancelled_coroutine_ends_its_span_without_an_error(telemetry, tracer):
    @tracer.span("wait")
    async def wait():
        await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    (span,) = finished(telemetry)
    assert (span.status_code, span.events) == (StatusCode.UNSET, [])


def test_a_method_is_decorated_like_a_function(telemetry, tracer):
    class Cart:
        @tracer.start_as_current_span("fill", record_exception=False)
        def fill(self):
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        Cart().fill()
    (span,) = finished(telemetry)
    assert (span.events, span.status_code) == ([], StatusCode.ERROR)


@pytest.mark.parametrize("sampler", [None, ProbabilitySampler(0.5)])
def test_a_decoration_without_a_name_says_how_to_write_it(sampler):
    tracer = Telemetry("shop", sampler=sampler).tracer("t")

    def pay():
        return 1

    with pytest.raises(
        TypeError, match=r'for a name; expected @tracer\.span\(".*pay"\)'
    ):
        tracer.span(pay)


def test_the_sampler_is_asked_for_each_call_not_for_the_decoration():
    telemetry = Telemetry("shop", sampler=ProbabilitySampler(0.5))
    tracer = telemetry.tracer("t")
    functions = [tracer.span("f", attributes={"a": 1})(int) for _ in range(20)]
    for function in functions:
        for _ in range(20):
            assert function() == 0
    assert 100 < len(finished(telemetry)) < 300


def test_a_given_parent_and_links_hold_for_every_call(telemetry, tracer):
    root = tracer.start_span("root")
    link = trace.Link(root.get_span_context())

    @tracer.span("f", parent=root, links=[link])
    def function():
        pass

    function()
    function()
    for span in finished(telemetry):
        assert span.parent_span_id == root.identity[1]
        assert [one.span_id for one in span.links] == [root.identity[1]]


def test_each_call_has_the_attributes_of_the_decoration(telemetry, tracer):
    attributes = {"a": 1}
    span = tracer.span("s", attributes=attributes)
    function = span(lambda: None)
    attributes["a"] = 2
    span.set_attribute("b", 3)
    function()
    with span:
        pass
    function()
    found = [span.attributes for span in finished(telemetry)]
    assert found == [{"a": 1}, {"a": 1, "b": 3}, {"a": 1}]


def test_a_span_that_has_ended_still_decorates(telemetry, tracer):
    span = tracer.span("s", attributes={"a": 1})
    with span:
        pass
    assert span(lambda: 5)() == 5
    assert [span.name for span in finished(telemetry)] == ["s", "s"]


def test_the_attributes_that_a_decoration_drops_are_counted_for_each_call():
    telemetry = Telemetry("shop", limits=SpanLimits(attributes=1))
    decorate = telemetry.tracer("t").span("s", attributes={"a": 1, "b": 2, "c": 3})
    function = decorate(lambda: None)
    function()
    function()
    assert [span.dropped_attributes_count for span in finished(telemetry)] == [2, 2]
