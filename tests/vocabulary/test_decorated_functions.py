"""Decorated functions: still functions, and stages with settings."""

import asyncio

import pytest
from waiting import until

from sluiceway import (
    BatchBy,
    Pipeline,
    Queue,
    Retry,
    Sampler,
    Sink,
    Source,
    processor,
    sampler,
    sink,
    source,
)
from sluiceway.testing import CollectingSink, run


def test_calling_a_decorated_function_calls_the_function():
    @processor
    def double(event):
        """Twice as much."""
        return event * 2

    @processor
    async def later(event):
        return event * 2

    @sampler
    def odd(event):
        return event % 2 == 1

    assert double(4) == 8
    assert asyncio.run(later(4)) == 8
    assert odd(3)
    assert not odd(4)
    assert double.__doc__ == "Twice as much."
    assert double.name == double.__name__ == "double"


def test_settings_are_given_by_keyword():
    @sink(queue=Queue(5), batch=BatchBy(3), retry=Retry(), timeout=2, max_in_flight=4)
    async def write(events):
        pass

    assert isinstance(write, Sink)
    assert write.queue.capacity == 5
    assert write.batch.max_events == 3
    assert (write.timeout, write.max_in_flight) == (2, 4)
    assert write.retry == Retry()

    @source(name="reader", wants_delivery=True)
    async def read():
        yield 1

    assert isinstance(read, Source)
    assert (read.name, read.wants_delivery) == ("reader", True)

    @sampler(workers=2)
    def keep(event):
        return True

    assert isinstance(keep, Sampler)
    assert keep.workers == 2


def generator():
    yield 1
    yield [2, 3]


async def async_generator():
    yield 1
    yield [2, 3]


def plain():
    return [1, [2, 3]]


async def later():
    return iter([1, [2, 3]])


@pytest.mark.parametrize("function", [generator, async_generator, plain, later])
def test_a_source_is_any_function_of_events_or_lists_of_events(function):
    end = CollectingSink()
    asyncio.run(Pipeline(source(function) >> end).run())
    assert end.batches == [[1], [2, 3]]


def test_a_source_is_given_arguments_by_calling_it():
    @source
    def count(start, *, stop):
        yield from range(start, stop)

    assert asyncio.run(run(count(2, stop=5))).outputs == [2, 3, 4]


def test_an_async_generator_is_closed_when_the_pipeline_stops():
    closed = []

    @source
    async def endless():
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def main():
        end = CollectingSink()
        async with Pipeline(endless >> end):
            await end.wait_for(3)
        assert closed == [True]

    asyncio.run(main())


def test_a_list_is_a_list_of_events_and_an_empty_one_filters():
    @processor
    def spread(event):
        return [event] * event

    result = asyncio.run(run(spread, [0, 1, 2]))
    assert result.outputs == [1, 2, 2]


def test_an_event_that_is_a_list_may_be_returned_as_it_is():
    @processor
    def same(event):
        return event

    assert asyncio.run(run(same, [[1, 2], []])).outputs == [[1, 2], []]


@pytest.mark.parametrize("answer", [(1, 2), {"a": 1}, "text", 0, False, 0.0, set()])
def test_any_other_value_is_one_event(answer):
    @processor
    def gives(event):
        return answer

    assert asyncio.run(run(gives, [1])).outputs == [answer]


def test_a_sync_sink_function_is_called_with_the_list():
    seen = []

    @sink
    def write(events):
        seen.append(events)

    asyncio.run(Pipeline(source(plain) >> write).run())
    assert seen == [[1], [2, 3]]


def test_a_sink_that_blocks_runs_on_a_thread_and_the_loop_goes_on():
    import threading

    at_work, let_go, beats = threading.Event(), threading.Event(), 0

    @sink(blocking=True)
    def write(events):
        assert threading.current_thread() is not threading.main_thread()
        at_work.set()
        assert let_go.wait(5)

    async def main():
        nonlocal beats
        async with Pipeline(source(plain) >> write) as pipeline:
            await until(at_work.is_set)
            for _ in range(100):
                beats += 1
                await asyncio.sleep(0)
            let_go.set()
            await pipeline.wait()
        assert pipeline.ledger().delivered == 3

    asyncio.run(main())
    assert beats == 100
