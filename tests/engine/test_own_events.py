"""What a pipeline tells of itself is in the ledger and in no figure that it tells."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until

from sluiceway import (
    Accumulator,
    BatchBy,
    Pipeline,
    Queue,
    Retry,
    Sink,
    Source,
    TransientError,
    best_effort,
    merge,
    processor,
    route,
    sampler,
)
from sluiceway.testing import CollectingSink, ManualClock, SlowSink

OWN = 1000  # and above: what the pipeline tells of itself


class Sends(Source):
    """Sends these batches."""

    def __init__(self, batches, own=False):
        self.batches = batches
        self.tells_of_pipeline = own
        self.name = "own" if own else None

    async def run(self, send):
        for batch in self.batches:
            await send(batch)
            await asyncio.sleep(0)


class Stays(Sends):
    """Goes on until it is asked to stop."""

    async def run(self, send):
        await super().run(send)
        await asyncio.Event().wait()


def own(*sizes):
    return Sends([[OWN + index for index in range(size)] for size in sizes], own=True)


@processor
def odd_only(event):
    return event if event % 2 else []


@processor(workers=2)
async def three_of_each(event):
    await asyncio.sleep(0)
    return [event, event, event]


@sampler
def not_third(event):
    return event % 3 != 0


@processor
def wrong_for_fifth(event):
    if event % 5 == 0:
        raise ValueError(event)
    return event


class Fails(Sink):
    """Takes no even event."""

    retry = Retry(initial=0.0, maximum=0.0, deadline=0.0)

    async def write(self, events):
        if events[0] % 2 == 0:
            raise TransientError("even", reason="even")


def stages_of(numbers):
    known = [odd_only, three_of_each, not_third, wrong_for_fifth]
    return [known[number] if number < 4 else BatchBy(3) for number in numbers]


def shape(kind, numbers, sizes, extra):
    """A pipeline, and with ``extra`` the same one that also tells of itself."""
    source = Sends([[*range(size)] for size in sizes])
    start = merge(source, own(*extra)) if extra else source
    for stage in stages_of(numbers):
        start = start >> stage
    first, second = CollectingSink(name="first"), Fails()
    first.batch = BatchBy(4, flush_interval=1000)
    if kind == "fan-out":
        return Pipeline(start >> [first, not_third >> second])
    if kind == "best effort":
        return Pipeline(start >> [first, best_effort(second)])
    if kind == "route":
        ways = {"0": first, "1": second}
        return Pipeline(start >> route(lambda event: str(event % 2), ways))
    return Pipeline(start >> second)


def told(pipeline):
    """All figures but times, by stage."""
    return {
        stage.name: (
            (stage.incoming, stage.outgoing, stage.left_out, stage.lost, stage.held),
            (stage.calls.count, stage.waits.count, stage.retries, stage.queue_used),
            {reason: taken.count for reason, taken in stage.failures.items()},
            {word: dict(reasons) for word, reasons in stage.losses.items()},
        )
        for stage in pipeline.statistics()
        if not stage.own
    }


SIZES = st.lists(st.integers(1, 9), max_size=5)


@settings(max_examples=150)
@given(
    st.sampled_from(["one", "fan-out", "best effort", "route"]),
    st.lists(st.integers(0, 4), max_size=3),
    SIZES,
    SIZES.filter(bool),
)
def test_a_pipeline_tells_the_same_whether_it_tells_it_or_not(kind, row, sizes, extra):
    silent = shape(kind, row, sizes, [])
    asyncio.run(silent.run())
    telling = shape(kind, row, sizes, extra)
    asyncio.run(telling.run())
    assert told(telling) == told(silent)
    assert telling.ledger().balanced
    assert telling.ledger()["own"].created == sum(extra)


def by_name(pipeline):
    return {stage.name: stage for stage in pipeline.statistics()}


def test_it_is_written_at_once_and_never_together_with_other_events(run):
    async def main():
        clock, end = ManualClock(), CollectingSink()
        end.batch = BatchBy(10, flush_interval=60)
        source = Stays([[1, 2], [3, 4]])
        async with Pipeline(merge(source, own(3)) >> end, clock=clock) as pipeline:
            await clock.advance(1)
            assert end.batches == [[OWN, OWN + 1, OWN + 2]]
            assert by_name(pipeline)["collecting_sink"].held == 4
            await clock.advance(60)
        assert end.batches[1:] == [[1, 2, 3, 4]]
        stage = by_name(pipeline)["collecting_sink"]
        assert (stage.batches, stage.outgoing) == (1, 4)
        assert pipeline.ledger()["collecting_sink"].delivered == 7

    run(main())


def test_its_batches_are_no_larger_than_a_sink_wants_them(run):
    async def main():
        end = CollectingSink(batch=BatchBy(3))
        await Pipeline(own(8) >> BatchBy(5) >> end).run()
        assert [len(batch) for batch in end.batches] == [3, 2, 3]

    run(main())


def test_neither_its_room_nor_its_writes_are_told_while_they_last(run):
    async def main():
        end = SlowSink(queue=Queue(20))
        async with Pipeline(merge(own(3, 4), Sends([])) >> end) as pipeline:
            await end.wait_writing()
            await until(lambda: pipeline.ledger()["slow_sink"].held == 7)
            stage = by_name(pipeline)["slow_sink"]
            assert (stage.held, stage.queue_used, stage.in_flight) == (0, 0, 0)
            end.release()

    run(main())


def test_a_stage_where_nothing_else_comes_tells_of_it_and_says_so(run):
    async def main():
        shared, apart = CollectingSink(name="shared"), CollectingSink(name="apart")
        pipeline = Pipeline(own(3) >> [apart, shared], Sends([[1]]) >> shared)
        await pipeline.run()
        stages = by_name(pipeline)
        assert {name for name, stage in stages.items() if stage.own} == {"own", "apart"}
        assert (stages["apart"].outgoing, stages["shared"].outgoing) == (3, 1)
        assert stages["own"].incoming == 3

    run(main())


class Sums(Accumulator):
    """Makes one event of all."""

    total = 0

    def add(self, events, now):
        self.total += sum(events)
        return []

    def flush(self, now):
        return [self.total]


def test_what_an_accumulator_makes_of_it_alone_is_the_pipelines_own_too(run):
    async def main():
        end = CollectingSink()
        pipeline = Pipeline(merge(own(2) >> Sums(), Sends([[1]])) >> end)
        await pipeline.run()
        assert sorted(end.events) == [1, 2 * OWN + 1]
        assert by_name(pipeline)["collecting_sink"].outgoing == 1
        assert pipeline.ledger().balanced

    run(main())


def test_what_an_accumulator_makes_of_it_and_others_is_nobodys_and_told(run):
    async def main():
        pipeline = Pipeline(merge(own(2), Sends([[1]])) >> Sums() >> CollectingSink())
        await pipeline.run()
        stages = by_name(pipeline)
        assert (stages["sums"].left_out, stages["sums"].outgoing) == (3, 1)
        assert pipeline.ledger().balanced

    run(main())


def test_retries_for_it_are_not_told(run):
    async def main():
        class Twice(Sink):
            retry = Retry(initial=0.0)
            attempts = 0

            async def write(self, events):
                self.attempts += 1
                if self.attempts % 2:
                    raise TransientError

        end = Twice()
        pipeline = Pipeline(merge(own(1, 1), Sends([])) >> end)
        await pipeline.run()
        stage = by_name(pipeline)["twice"]
        assert end.attempts == 4
        assert (stage.retries, stage.calls.count, stage.failures) == (0, 0, {})

    run(main())


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_what_is_shed_of_it_is_in_the_ledger_and_not_told(run, policy):
    async def main():
        end = SlowSink(queue=Queue(4, policy))
        pipeline = Pipeline(merge(own(3, 3, 3), Sends([])) >> end)
        async with pipeline:
            await end.wait_writing()
            await until(lambda: pipeline.ledger().lost)
            end.release()
            await pipeline.wait()
        ledger = pipeline.ledger()["slow_sink"]
        assert ledger.lost + ledger.delivered == 9
        assert by_name(pipeline)["slow_sink"].lost == 0
        assert pipeline._runtime.queues[pipeline._graph.nodes[-1]].used_own == 0

    run(main())


def test_who_waits_for_it_learns_what_became_of_it(run):
    async def main():
        class Waits(Source):
            tells_of_pipeline = True
            wants_delivery = True

            async def run(self, send):
                delivery = await send([1, 2, 3, 4, 5])
                self.outcome = await delivery

        source, end = Waits(), CollectingSink(batch=BatchBy(2))
        async with asyncio.timeout(5):
            await Pipeline(merge(source, Sends([])) >> odd_only >> end).run()
        assert source.outcome.delivered == 5
        assert end.batches == [[1, 3], [5]]

    run(main())
