from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

from sluiceway.instrument import Telemetry
from sluiceway.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def histogram(telemetry):
    return telemetry.meter("m").histogram("job.duration", "s")


def times(telemetry):
    return [(p.value.count, p.value.sum) for p in telemetry.collect()]


def test_a_block_is_timed(telemetry, histogram, clock):
    with histogram.time({"job": "a"}):
        clock.move(2)
    (point,) = telemetry.collect()
    assert (point.value.sum, point.attributes) == (2, {"job": "a"})


def test_a_block_that_raises_is_timed_and_the_exception_passes(
    telemetry, histogram, clock
):
    @histogram.time()
    def work():
        clock.move(3)
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        work()
    assert times(telemetry) == [(1, 3)]


@pytest.mark.parametrize(
    ("unit", "wanted"), [("s", 3), ("ms", 3000), ("us", 3e6), ("min", 0.05), ("", 3)]
)
def test_the_time_is_in_the_histograms_unit(telemetry, clock, unit, wanted):
    with telemetry.meter("m").histogram("h", unit).time():
        clock.move(3)
    assert times(telemetry)[0][1] == pytest.approx(wanted)


def test_one_timing_may_be_entered_again_inside_itself(telemetry, histogram, clock):
    timing = histogram.time()
    with timing:
        clock.move(1)
        with timing:
            clock.move(1)
    assert times(telemetry) == [(2, 3)]


def test_a_function_is_timed_at_each_call_and_keeps_its_face(
    telemetry, histogram, clock
):
    @histogram.time()
    def work(seconds):
        """What it does."""
        clock.move(seconds)
        return seconds

    assert (work(1), work(2)) == (1, 2)
    assert (work.__name__, work.__doc__) == ("work", "What it does.")
    assert times(telemetry) == [(2, 3)]


def test_a_coroutine_function_is_timed_until_it_has_been_awaited(
    telemetry, histogram, clock, run
):
    @histogram.time()
    async def work(seconds):
        await clock.sleep(seconds)
        return seconds

    async def main():
        first, second = asyncio.create_task(work(2)), asyncio.create_task(work(5))
        await clock.advance(10)
        return await first, await second

    assert inspect.iscoroutinefunction(work)
    assert run(main()) == (2, 5)
    assert times(telemetry) == [(2, 7)]


def test_a_cancelled_call_is_timed_too(telemetry, histogram, clock, run):
    work = histogram.time()(functools.partial(clock.sleep, 9))

    async def main():
        task = asyncio.create_task(work())
        await clock.advance(4)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main())
    assert times(telemetry) == [(1, 4)]


def test_a_generator_is_timed_until_it_is_exhausted(telemetry, histogram, clock):
    @histogram.time()
    def work():
        clock.move(1)
        got = yield 1
        clock.move(got)
        return "end"

    generator = work()
    assert times(telemetry) == []
    next(generator)
    with pytest.raises(StopIteration, match="end"):
        generator.send(5)
    assert times(telemetry) == [(1, 6)]


def test_an_async_generator_is_timed_until_it_is_exhausted_or_closed(
    telemetry, histogram, clock, run
):
    closed = []

    @histogram.time()
    async def work():
        try:
            got = yield 1
            clock.move(got)
            try:
                yield 2
            except ValueError:
                clock.move(10)
                yield 3
        finally:
            closed.append(1)

    async def main():
        whole = work()
        assert await anext(whole) == 1
        assert await whole.asend(5) == 2
        assert await whole.athrow(ValueError()) == 3
        with pytest.raises(StopAsyncIteration):
            await anext(whole)
        partly = work()
        await anext(partly)
        clock.move(1)
        await partly.aclose()

    run(main())
    assert closed == [1, 1]
    assert times(telemetry) == [(2, 16)]


def test_a_decoration_without_parentheses_says_how_to_write_it(histogram):
    def work():
        return 1

    with pytest.raises(TypeError, match=r"work.*; expected @histogram\.time\(\)"):
        histogram.time(work)
