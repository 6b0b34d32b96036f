from __future__ import annotations

import asyncio
import threading

import pytest

from sluiceway.errors import ConfigurationError, PartialError, TransientError
from sluiceway.testing import (
    CollectingSink,
    FailingSink,
    HangingSink,
    ManualClock,
    SlowSink,
    check_sink,
    stage_context,
)


def outcomes(sink, *batches):
    """What each write did: None, or its error."""

    async def attempt(batch):
        try:
            await sink.write(batch)
        except Exception as error:  # noqa: BLE001 - looked at
            return error
        return None

    async def main():
        return [await attempt(batch) for batch in batches]

    return asyncio.run(main())


def test_a_collecting_sink_keeps_events_and_batches():
    sink = CollectingSink(name="all")
    mine = [1, 2]
    outcomes(sink, mine, [3])
    mine.append(9)
    assert sink.name == "all"
    assert sink.events == [1, 2, 3]
    assert sink.batches == [[1, 2], [3]]
    assert repr(sink) == "<CollectingSink 3 events in 2 batches>"
    sink.clear()
    assert (sink.events, sink.batches) == ([], [])


def test_waiting_ends_when_enough_events_were_written():
    async def main():
        sink = CollectingSink()
        waiting = asyncio.create_task(sink.wait_for(3))
        await sink.write([1, 2])
        await asyncio.sleep(0)
        early = waiting.done()
        await sink.write([3])
        return early, await waiting

    assert asyncio.run(main()) == (False, [1, 2, 3])


def test_waiting_in_vain_says_what_came():
    async def main():
        sink = CollectingSink()
        await sink.write([1])
        with pytest.raises(TimeoutError, match="1 of 2 events were written"):
            await sink.wait_for(2, timeout=0.01)

    asyncio.run(main())
    assert True


def test_another_thread_may_wait_or_write():
    async def main():
        sink = CollectingSink()
        thread = threading.Thread(target=lambda: outcomes(sink, [1], [2]))
        waiting = asyncio.create_task(sink.wait_for(2))
        await asyncio.sleep(0)
        thread.start()
        found = await waiting
        await asyncio.to_thread(thread.join)
        return found

    assert asyncio.run(main()) == [1, 2]


def test_a_failing_sink_fails_always_by_default():
    sink = FailingSink()
    errors = outcomes(sink, [1], [2])
    assert [type(error) for error in errors] == [TransientError] * 2
    assert (sink.events, sink.attempts, sink.failures) == ([], 2, 2)


@pytest.mark.parametrize("error", [OSError("x"), OSError, lambda: OSError("x")])
def test_the_error_may_be_given_made_or_named(error):
    assert isinstance(outcomes(FailingSink(error), [1])[0], OSError)


def test_it_fails_so_many_times():
    sink = FailingSink(times=2)
    assert [error is None for error in outcomes(sink, [1], [2], [3])] == [0, 0, 1]
    assert sink.events == [3]


def test_it_fails_every_nth_time():
    sink = FailingSink(every=2)
    assert [error is None for error in outcomes(sink, [1], [2], [3], [4])] == [
        1,
        0,
        1,
        0,
    ]
    assert sink.events == [1, 3]


def test_it_fails_some_indices_and_takes_the_others():
    sink = FailingSink(TransientError, indices=[1, 7], times=1)
    errors = outcomes(sink, ["a", "b", "c"], ["d", "e"])
    assert isinstance(errors[0], PartialError)
    assert list(errors[0].failed) == [1]
    assert isinstance(errors[0].failed[1], TransientError)
    assert errors[1] is None
    assert sink.batches == [["a", "c"], ["d", "e"]]


def test_a_slow_sink_takes_its_time_on_the_clock():
    async def main():
        clock, sink = ManualClock(), SlowSink(2.0)
        await sink.open(stage_context(clock))
        writing = asyncio.create_task(sink.write([1]))
        await clock.advance(1.9)
        early = list(sink.events)
        await clock.advance(0.1)
        await writing
        return early, sink.events

    assert asyncio.run(main()) == ([], [1])


def test_a_gated_sink_waits_for_release_and_counts_writes_under_way():
    async def main():
        sink = SlowSink(max_in_flight=3)
        writes = [asyncio.create_task(sink.write([n])) for n in range(3)]
        await sink.wait_writing(3)
        before = (sink.writing, sink.peak, list(sink.events))
        sink.release()
        await asyncio.wait(writes)
        sink.hold()
        held = asyncio.create_task(sink.write([9]))
        await sink.wait_writing()
        held.cancel()
        await asyncio.wait({held})
        with pytest.raises(TimeoutError, match="0 of 1 writes"):
            await sink.wait_writing(timeout=0.01)
        return before, sink.events, sink.writing

    before, events, writing = asyncio.run(main())
    assert before == (3, 3, [])
    assert (sorted(events), writing) == ([0, 1, 2], 0)


@pytest.mark.parametrize("swallow", [True, False])
def test_a_hanging_sink_hangs_and_may_swallow_its_cancellation(swallow):
    async def main():
        sink = HangingSink(swallow_cancellation=swallow)
        writing = asyncio.create_task(sink.write([1]))
        await sink.wait_writing()
        writing.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hangs = not writing.done()
        sink.release()
        await asyncio.wait({writing})
        return hangs, sink.cancellations

    assert asyncio.run(main()) == (swallow, 1)


def test_settings_are_given_by_keyword_and_wrong_ones_named():
    assert SlowSink(1.0, max_in_flight=4, timeout=2.0).max_in_flight == 4
    with pytest.raises(ConfigurationError, match="did you mean 'timeout'"):
        CollectingSink(timout=1)


def test_the_collecting_sink_conforms():
    check_sink(CollectingSink, [1, 2, 3], arrived=lambda sink: sink.events)
    check_sink(lambda: SlowSink(0.001), [1, 2, 3])
