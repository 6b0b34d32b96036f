from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import BatchBy, Inlet, Pipeline
from sluiceway.clock import Clock
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink, ManualClock


def test_time_stands_still_until_the_test_moves_it():
    clock: Clock = ManualClock(100.0, time_ns=5_000)
    assert (clock.now(), clock.time_ns()) == (100.0, 5_000)
    clock.move(1.5)
    assert (clock.now(), clock.time_ns()) == (101.5, 1_500_005_000)
    clock.set(200.0)
    assert clock.now() == 200.0


def test_it_never_goes_back():
    clock = ManualClock(10)
    with pytest.raises(ValueError, match="cannot go to 9"):
        clock.set(9)
    with pytest.raises(ValueError, match="cannot go to 9"):
        clock.move(-1)
    with pytest.raises(ValueError, match="cannot go to"):
        asyncio.run(clock.advance(-1))
    with pytest.raises(ValueError, match="cannot go to inf"):
        asyncio.run(clock.advance(float("inf")))


def test_a_sleeper_wakes_exactly_when_its_time_has_come():
    async def main():
        clock = ManualClock()
        woken = []

        async def sleeper(seconds):
            await clock.sleep(seconds)
            woken.append((seconds, clock.now()))

        tasks = [asyncio.create_task(sleeper(s)) for s in (3, 1, 2, 0, 9)]
        await clock.advance(2.5)
        first = list(woken)
        await clock.advance(0.5)
        tasks[-1].cancel()
        await asyncio.wait(tasks)
        return first, woken

    first, woken = asyncio.run(main())
    assert first == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert woken[3:] == [(3, 3.0)]


def test_a_timer_that_a_timer_sets_fires_in_the_same_advance():
    async def main():
        clock = ManualClock()
        times = []

        async def ticker():
            while True:
                await clock.sleep(1)
                times.append(clock.now())

        task = asyncio.create_task(ticker())
        await clock.advance(5)
        task.cancel()
        return times

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_a_chain_of_tasks_has_settled_before_the_next_timer():
    async def main():
        clock = ManualClock()
        seen = []
        queues = [asyncio.Queue() for _ in range(30)]

        async def forward(source, target):
            while True:
                await target.put(await source.get())

        tasks = [asyncio.create_task(forward(a, b)) for a, b in pairwise(queues)]
        clock.call_at(1, lambda: queues[0].put_nowait("event"))
        clock.call_at(2, lambda: seen.append(queues[-1].qsize()))
        await clock.advance(2)
        for task in tasks:
            task.cancel()
        return seen

    assert asyncio.run(main()) == [1]


def test_a_cancelled_timer_and_a_cancelled_sleeper_leave_nothing():
    async def main():
        clock = ManualClock()
        fired = []
        timer = clock.call_at(1, lambda: fired.append(1))
        sleeper = asyncio.create_task(clock.sleep(2))
        await clock.advance(0)
        assert clock.next_timer() == 1
        timer.cancel()
        sleeper.cancel()
        await asyncio.wait({sleeper})
        await clock.advance(5)
        return fired, clock.next_timer()

    assert asyncio.run(main()) == ([], None)


def test_a_timer_in_the_past_is_called_at_the_loops_next_turn():
    async def main():
        clock, fired = ManualClock(10), []
        clock.call_at(5, lambda: fired.append(clock.now()))
        early = list(fired)
        await asyncio.sleep(0)
        return early, fired

    assert asyncio.run(main()) == ([], [10])


def test_moving_the_hands_fires_nothing_until_the_next_advance():
    async def main():
        clock, fired = ManualClock(), []
        clock.call_at(1, lambda: fired.append(clock.now()))
        clock.move(3)
        early = list(fired)
        await clock.advance()
        return early, fired

    assert asyncio.run(main()) == ([], [3])


def test_a_task_that_spins_does_not_hang_the_test():
    async def main():
        async def spin():
            while clock.now() < 2:  # noqa: ASYNC110 - spinning is the point
                await asyncio.sleep(0)

        clock = ManualClock()
        task = asyncio.create_task(spin())
        await clock.advance(1)
        clock.move(1)
        await task
        return clock.now()

    assert asyncio.run(main()) == 2


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0, 100))
def test_all_due_timers_fire_in_order_and_no_other(times, goal):
    async def main():
        clock, fired = ManualClock(), []
        for when in times:
            clock.call_at(when, lambda when=when: fired.append((when, clock.now())))
        await clock.advance(goal)
        return fired

    fired = asyncio.run(main())
    assert fired == [(when, when) for when in sorted(t for t in times if t <= goal)]


def test_its_repr_shows_the_time_and_the_waiting_timers():
    async def main():
        clock = ManualClock()
        clock.call_at(1, list)
        clock.call_at(1, list).cancel()
        return repr(clock)

    assert asyncio.run(main()) == "<ManualClock now=0 timers=1>"


def test_what_was_emitted_is_in_the_pipeline_before_time_passes():
    async def main(emit, start):
        clock, end = ManualClock(), CollectingSink()
        async with Pipeline(
            start >> BatchBy(100, flush_interval=2) >> end, clock=clock
        ):
            for _ in range(3):
                emit()
                await clock.advance(1.9)
                assert end.events == []
                await clock.advance(0.1)
                assert len(end.events) == 1
                end.clear()

    inlet, telemetry = Inlet(), Telemetry("shop")
    asyncio.run(main(lambda: inlet.emit_nowait("event"), inlet))
    span = telemetry.tracer("tests").span("work")(int)
    asyncio.run(main(span, telemetry.spans))
