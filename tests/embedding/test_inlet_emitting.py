"""What an application meets when it emits: room, order, threads, before and after."""

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import turns

from sluiceway import BatchBy, Inlet, Pipeline, Queue
from sluiceway.testing import CollectingSink, SlowSink

THREADS = 8


def in_threads(work):
    """Run ``work(number)`` on eight threads at once; what each returned."""
    results = [None] * THREADS
    start = threading.Barrier(THREADS)

    def call(number):
        start.wait()
        results[number] = work(number)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_eight_threads_emit_while_the_loop_runs_and_every_event_is_counted(run):
    each = 5000

    async def main():
        inlet, end = Inlet(capacity=THREADS * each), CollectingSink()
        async with Pipeline(inlet >> end) as pipeline:

            def emit(number):
                return sum(inlet.emit_nowait((number, n)) for n in range(each))

            taken = await asyncio.to_thread(in_threads, emit)
        assert taken == [each] * THREADS
        assert len(end.events) == THREADS * each
        for number in range(THREADS):
            own = [n for thread, n in end.events if thread == number]
            assert own == [*range(each)], "each thread's order is kept"
        assert pipeline.ledger().balanced

    run(main())


def test_eight_threads_emit_into_a_small_inlet_and_the_refused_are_counted(run):
    each = 3000

    async def main():
        inlet, end = Inlet(capacity=50), CollectingSink()
        async with Pipeline(inlet >> end) as pipeline:

            def emit(number):
                return sum(inlet.emit_nowait(n) for n in range(each))

            taken = sum(await asyncio.to_thread(in_threads, emit))
        ledger = pipeline.ledger()
        assert len(end.events) == taken
        assert ledger["inlet"].dropped.get("queue_full", 0) == THREADS * each - taken
        assert ledger["inlet"].created == THREADS * each
        assert ledger.balanced

    run(main())


def test_eight_threads_with_loops_of_their_own_wait_for_room(run):
    each = 300

    async def main():
        inlet, end = Inlet(capacity=3), CollectingSink()
        async with Pipeline(inlet >> end) as pipeline:

            async def emit_all(number):
                for n in range(each):
                    assert await inlet.emit((number, n))

            await asyncio.to_thread(in_threads, lambda n: asyncio.run(emit_all(n)))
        assert len(end.events) == THREADS * each
        assert pipeline.ledger().lost == 0

    run(main())


def test_before_the_start_an_inlet_buffers_to_its_capacity(run):
    async def main():
        inlet, end = Inlet(capacity=3), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        assert [inlet.emit_nowait(n) for n in range(5)] == [True] * 3 + [False] * 2
        ledger = pipeline.ledger()
        assert ledger["inlet"].held == 3
        assert ledger["inlet"].dropped == {"queue_full": 2}
        assert ledger.balanced
        async with pipeline:
            await end.wait_for(3)
        assert end.events == [0, 1, 2]
        assert pipeline.ledger().balanced

    run(main())


def test_an_emit_before_the_start_waits_for_the_start(run):
    async def main():
        inlet, end = Inlet(capacity=1), CollectingSink()
        emitting = asyncio.create_task(inlet.emit_many(range(5)))
        await asyncio.sleep(0)
        assert not emitting.done()
        async with Pipeline(inlet >> end):
            assert await emitting == 5
        assert end.events == [*range(5)]

    run(main())


def test_after_the_stop_an_inlet_refuses_and_says_so(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            assert inlet.emit_nowait(1)
        assert not inlet.emit_nowait(2)
        assert await inlet.emit(3) is False
        assert await inlet.emit_many([4, 5]) == 0
        assert end.events == [1]
        ledger = pipeline.ledger()
        assert ledger["inlet"].dropped == {"closed": 4}
        assert ledger.balanced
        assert ledger.lost == 4

    run(main())


@pytest.mark.parametrize("many", [False, True])
def test_who_emits_without_end_does_not_keep_the_pipeline_from_stopping(run, many):
    async def scenario():
        inlet = Inlet(capacity=10)

        async def emit():
            while True:
                await (inlet.emit_many([1, 2]) if many else inlet.emit(1))

        async with Pipeline(inlet >> CollectingSink()) as pipeline:
            emitting = asyncio.create_task(emit())
            await asyncio.sleep(0)
            report = await pipeline.stop()
            emitting.cancel()
        return report.drained, pipeline.ledger()["inlet"].dropped

    drained, dropped = run(scenario())
    assert drained
    assert {*dropped} <= {"closed", "stopped"}


def test_emitters_that_wait_when_the_pipeline_stops_are_told_no(run):
    async def main():
        inlet, end = Inlet(capacity=2), SlowSink(queue=Queue(capacity=1))
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            await inlet.emit(0)
            await end.wait_writing()
            emitting = [asyncio.create_task(inlet.emit(n)) for n in range(1, 9)]
            many = asyncio.create_task(inlet.emit_many(range(10, 15)))
            await turns(20)
            stopping = asyncio.create_task(pipeline.stop())
            results = await asyncio.gather(*emitting)
            taken = await many
            end.release()
            await stopping
        assert sorted(end.events) == [
            0,
            *[n for n, yes in enumerate(results, 1) if yes],
            *range(10, 10 + taken),
        ]
        ledger = pipeline.ledger()
        assert ledger["inlet"].dropped == {"closed": results.count(False) + 5 - taken}
        assert ledger.balanced

    run(main())


def test_awaiting_emit_is_the_backpressure(run):
    async def main():
        inlet, end = Inlet(capacity=4), SlowSink(queue=Queue(capacity=2))
        emitted = 0

        async def emit():
            nonlocal emitted
            for n in range(100):
                await inlet.emit(n)
                emitted += 1

        async with Pipeline(inlet >> end):
            emitting = asyncio.create_task(emit())
            await end.wait_writing()
            await turns(100)
            assert emitted <= 4 + 4 + 4, "in the inlet, on the way and in the sink"
            end.release()
            await emitting
        assert end.events == [*range(100)]

    run(main())


def test_an_emit_that_is_cancelled_has_emitted_nothing_and_blocks_nobody(run):
    async def main():
        inlet, end = Inlet(capacity=1), CollectingSink()
        assert inlet.emit_nowait("first")
        waiting = [asyncio.create_task(inlet.emit(n)) for n in range(4)]
        await asyncio.sleep(0)
        for task in waiting[:3]:
            task.cancel()
        await asyncio.wait(waiting[:3])
        async with Pipeline(inlet >> end):
            async with asyncio.timeout(2):
                assert await waiting[3]
        assert end.events == ["first", 3]

    run(main())


@settings(max_examples=60)
@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("enc"), st.integers(0, 3)), max_size=40),
)
def test_whenever_an_emit_is_cancelled_nobody_else_waits_for_ever(capacity, steps):
    async def main():
        inlet, end = Inlet(capacity=capacity), CollectingSink()
        tasks, taken, number = [], [], 0
        async with Pipeline(inlet >> end) as pipeline:
            for step, count in steps:
                number += 1
                if step == "e":
                    tasks.append((number, asyncio.create_task(inlet.emit(number))))
                elif step == "n" and inlet.emit_nowait(number):
                    taken.append(number)
                elif step == "c" and tasks:
                    tasks[count * 7 % len(tasks)][1].cancel()
                await turns(count)
            async with asyncio.timeout(3):
                await asyncio.gather(*(t for _, t in tasks), return_exceptions=True)
        taken += [n for n, task in tasks if not task.cancelled()]
        assert sorted(end.events) == sorted(taken)
        assert pipeline.ledger().balanced

    asyncio.run(main())


def test_an_inlet_passes_a_lonely_event_without_further_ones(run):
    """The wake-up of a sleeping loop by another thread is not lost."""

    async def main():
        inlet, end = Inlet(), CollectingSink()
        async with Pipeline(inlet >> end):
            for n in range(1, 30):
                if n % 3:
                    await asyncio.to_thread(inlet.emit_nowait, n)
                else:
                    inlet.emit_nowait(n)
                await end.wait_for(n, timeout=2)
        assert len(end.events) == 29

    run(main())


def test_several_pipelines_run_in_one_process_side_by_side(run):
    async def main():
        inlets = [Inlet() for _ in range(5)]
        ends = [CollectingSink() for _ in range(5)]
        pipelines = [
            Pipeline(a >> BatchBy(3) >> b, name=f"p{n}")
            for n, (a, b) in enumerate(zip(inlets, ends, strict=True))
        ]
        for pipeline in pipelines:
            await pipeline.start()
        for n, inlet in enumerate(inlets):
            await inlet.emit_many([n] * 10)
        await asyncio.gather(*(pipeline.stop() for pipeline in pipelines))
        assert [end.events for end in ends] == [[n] * 10 for n in range(5)]
        assert all(pipeline.ledger().balanced for pipeline in pipelines)

    run(main())


class Forwards(CollectingSink):
    def __init__(self, inlet):
        super().__init__()
        self.inlet = inlet

    async def write(self, events):
        taken = await self.inlet.emit_many(events)
        if taken < len(events):
            raise ValueError("the other pipeline has stopped")
        self.collect(events)


def test_one_pipelines_sink_feeds_another_ones_inlet(run):
    async def main():
        first, second, end = Inlet(), Inlet(capacity=3), CollectingSink()
        async with Pipeline(second >> end), Pipeline(first >> Forwards(second)):
            await first.emit_many(range(500))
        assert end.events == [*range(500)]

    run(main())


@pytest.mark.parametrize("capacity", [3, 5000])
def test_one_pipelines_sink_feeds_another_ones_inlet_on_another_thread(run, capacity):
    second, end = Inlet(capacity=capacity), CollectingSink()
    behind = Pipeline(second >> end, name="behind")

    async def main():
        first = Inlet()
        async with Pipeline(first >> Forwards(second)):
            await first.emit_many(range(500))

    with behind.background():
        run(main())
    assert end.events == [*range(500)]
    assert behind.ledger().balanced


def test_what_comes_too_late_for_the_second_pipeline_is_lost_by_name(run):
    async def main():
        first, second, end = Inlet(), Inlet(), CollectingSink()
        behind, before = Pipeline(second >> end), Pipeline(first >> Forwards(second))
        async with before, behind:
            await first.emit(1)
            await end.wait_for(1)
            await behind.stop()
            await first.emit_many([2, 3])
        assert before.ledger()["forwards"].rejected == {"ValueError": 2}
        assert behind.ledger()["inlet"].dropped == {"closed": 2}
        assert before.ledger().balanced
        assert behind.ledger().balanced

    run(main())
