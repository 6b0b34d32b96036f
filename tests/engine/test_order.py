"""Order: kept end to end with one worker, given up with more, and said so."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import turns

from sluiceway import BatchBy, Inlet, Pipeline, Queue, Sampler, best_effort, processor
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, SlowSink


@processor
async def slowly(event):
    await asyncio.sleep(0)
    return event


@processor
def negated(event):
    return -event


@processor(queue=Queue(capacity=3))
def behind_a_queue(event):
    return event


@processor(blocking=True)
def on_a_thread(event):
    return event


class All(Sampler):
    def sample(self, events, now):
        return events


STAGES = st.lists(
    st.one_of(
        st.sampled_from([slowly, behind_a_queue]),
        st.builds(All),
        st.builds(BatchBy, st.integers(1, 9), flush_interval=st.just(0.001)),
    ),
    max_size=4,
)


@settings(max_examples=60)
@given(
    STAGES,
    st.lists(st.lists(st.integers(), max_size=7), max_size=8),
    st.none() | st.builds(BatchBy, st.integers(1, 5), flush_interval=st.just(0.001)),
)
def test_with_one_worker_order_is_kept_end_to_end(stages, batches, batch):
    end = CollectingSink(batch=batch)
    chain = IterableSource(batches)
    for stage in stages:
        chain = chain >> stage
    pipeline = Pipeline(chain >> end)
    asyncio.run(pipeline.run())
    assert end.events == [event for batch in batches for event in batch]
    assert pipeline.ledger().balanced


def test_order_is_kept_through_a_thread_of_a_blocking_stage(run):
    end = CollectingSink()
    run(Pipeline(IterableSource(range(200), batch_size=7) >> on_a_thread >> end).run())
    assert end.events == [*range(200)]


def test_order_is_kept_in_every_branch_of_a_fan_out(run):
    left, right, spare = CollectingSink(), CollectingSink(), CollectingSink()
    chain = IterableSource(range(300), batch_size=7) >> [
        negated >> left,
        right,
        best_effort(spare),
    ]
    run(Pipeline(chain).run())
    assert left.events == [-n for n in range(300)]
    assert right.events == spare.events == [*range(300)]


def test_more_than_one_worker_works_at_the_same_time_and_gives_up_order(run):
    """The first batch waits for the second, which only works side by side."""
    second_came = asyncio.Event()

    @processor(workers=2)
    async def crossing(event):
        if event == 1:
            await second_came.wait()
        second_came.set()
        return event

    end = CollectingSink()
    run(Pipeline(IterableSource([[1], [2]]) >> crossing >> end).run())
    assert end.events == [2, 1]


def test_more_than_one_write_in_flight_gives_up_order(run):
    class Crossing(CollectingSink):
        async def write(self, events):
            if 1 in events:
                await second_came.wait()
            second_came.set()
            self.collect(events)

    second_came = asyncio.Event()
    end = Crossing(max_in_flight=2)
    run(Pipeline(IterableSource([[1], [2]]) >> end).run())
    assert end.events == [2, 1]


def test_as_many_batches_are_worked_on_as_there_are_workers(run):
    working, most, everybody = 0, 0, asyncio.Event()

    @processor(workers=3)
    async def counted(event):
        nonlocal working, most
        working += 1
        most = max(most, working)
        if working == 3:
            everybody.set()
        await everybody.wait()
        working -= 1
        return event

    end = CollectingSink()
    run(Pipeline(IterableSource([[n] for n in range(9)]) >> counted >> end).run())
    assert most == 3
    assert sorted(end.events) == [*range(9)]


def test_what_emitters_hand_over_one_after_the_other_arrives_in_that_order(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        async with Pipeline(inlet >> end):
            for n in range(5000):
                await inlet.emit(n)
        assert end.events == [*range(5000)]

    run(main())


def test_a_full_branch_blocks_its_siblings(run):
    """Backpressure reaches the source: nothing is lost and nothing runs ahead."""

    async def main():
        slow, fast = SlowSink(queue=Queue(capacity=2)), CollectingSink()
        chain = IterableSource([[n] for n in range(50)]) >> [slow, fast]
        async with Pipeline(chain) as pipeline:
            await slow.wait_writing()
            await turns(200)
            assert len(fast.events) <= 4
            assert pipeline.ledger()["iterable_source"].created <= 5
            slow.release()
            await pipeline.wait()
        assert slow.events == fast.events == [*range(50)]

    run(main())
