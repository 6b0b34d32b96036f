from __future__ import annotations

import asyncio

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.sources import IterableSource
from sluiceway.testing import ManualClock, check_source, run, stage_context
from sluiceway.testing.running import delivered


async def numbers(count):
    for number in range(count):
        yield number


def batches_of(source, clock=None):
    sent = []

    async def send(events):
        sent.append(list(events))
        return delivered(len(sent[-1]))

    async def main():
        await source.open(stage_context(clock or ManualClock()))
        await source.run(send)

    asyncio.run(main())
    return sent


def test_a_sync_iterables_events_are_gathered_into_batches():
    assert batches_of(IterableSource(range(5), batch_size=2)) == [[0, 1], [2, 3], [4]]


def test_an_async_iterables_events_are_sent_as_they_come():
    assert batches_of(IterableSource(numbers(3))) == [[0], [1], [2]]


def test_lists_are_batches_of_their_own_and_order_is_kept():
    sent = batches_of(IterableSource([1, 2, [3, 4], 5, [], 6]))
    assert sent == [[1, 2], [3, 4], [5], [6]]


def test_async_lists_are_sent_whole():
    async def lists():
        yield [1, 2]
        yield []
        yield 3

    assert batches_of(IterableSource(lists())) == [[1, 2], [3]]


def test_the_lists_of_the_iterable_stay_the_users():
    mine = [1, 2]
    (sent,) = batches_of(IterableSource([mine]))
    sent.append(3)
    assert mine == [1, 2]


@pytest.mark.parametrize("make", [lambda: range(10**9), lambda: numbers(10**9)])
def test_others_on_the_loop_get_their_turns_while_an_endless_iterable_runs(make):
    async def main():
        async def send(events):
            return delivered(len(events))

        source = IterableSource(make())
        await source.open(stage_context())
        running = asyncio.create_task(source.run(send))
        for _ in range(20):
            await asyncio.sleep(0)
        still_running = not running.done()
        if not source.stop():
            running.cancel()
        await asyncio.wait({running})
        return still_running

    assert asyncio.run(main())


def test_a_slow_generator_is_sent_before_its_batch_is_full():
    clock = ManualClock()

    def slow():
        for number in range(4):
            clock.move(0.003)
            yield number

    sent = batches_of(IterableSource(slow()), clock)
    assert sent == [[0, 1], [2, 3]]


def test_what_came_before_a_failure_is_sent():
    def broken():
        yield 1
        yield 2
        raise OSError("gone")

    result = asyncio.run(run(IterableSource(broken())))
    assert result.outputs == [1, 2]
    assert isinstance(result.error, OSError)


def test_a_stop_lets_the_batch_under_way_pass_and_a_new_start_goes_on():
    source = IterableSource(iter(range(10)), batch_size=3)
    first = asyncio.run(run(source, limit=3)).outputs
    second = asyncio.run(run(source)).outputs
    assert first + second == list(range(10))
    assert len(first) < 10


@pytest.mark.parametrize("value", [None, 5, "text", b"bytes", {"a": 1}])
def test_what_is_no_iterable_of_events_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"IterableSource\.iterable"):
        IterableSource(value)


def test_a_wrong_batch_size_is_refused():
    with pytest.raises(ConfigurationError, match=r"IterableSource\.batch_size"):
        IterableSource([], batch_size=0)


@pytest.mark.parametrize(
    "make", [lambda: IterableSource([1, [2, 3]]), lambda: IterableSource(range(3000))]
)
def test_it_conforms(make):
    expected = [1, 2, 3] if len(list(make().iterable)) == 2 else list(range(3000))
    check_source(make, expected)


def test_an_async_iterable_conforms_too():
    check_source(lambda: IterableSource(Again()), [0, 1, 2])


class Again:
    def __aiter__(self):
        return numbers(3)
