"""``best_effort``: sheds, blocks nobody, and does not answer to the source."""

import pytest
from sending import Sends
from waiting import until

from sluiceway import (
    DeliveryStatus,
    Pipeline,
    Queue,
    best_effort,
    processor,
    route,
)
from sluiceway.testing import CollectingSink, FailingSink, SlowSink


def sink_of(branch):
    return best_effort(branch)


def routed(branch):
    return best_effort(route(lambda _: "on", {"on": branch}))


def listed(branch):
    return best_effort([branch, CollectingSink()])


def behind_a_stage(branch):
    return best_effort(noted >> branch)


@processor
def noted(event):
    return event


SHAPES = pytest.mark.parametrize("shape", [sink_of, routed, listed])
ALL_SHAPES = pytest.mark.parametrize("shape", [sink_of, routed, listed, behind_a_stage])


@SHAPES
def test_best_effort_sheds_instead_of_blocking_its_siblings(run, shape):
    async def main():
        stalled, good = SlowSink(name="stalled", queue=Queue(2)), CollectingSink()
        source = Sends(*[[n] for n in range(50)])
        pipeline = Pipeline(source >> [shape(stalled), good])
        async with pipeline:
            await good.wait_for(50)
            stalled.release()
        ledger = pipeline.ledger()
        assert good.events == [*range(50)]
        assert ledger["stalled"].dropped == {"queue_full": 48}
        assert ledger.balanced
        assert all(d.outcome.is_delivered for d in source.deliveries)

    run(main())


@ALL_SHAPES
@pytest.mark.parametrize("other", [True, False])
def test_failures_of_a_best_effort_branch_do_not_reach_the_sources_delivery(
    run, shape, other
):
    bad = FailingSink(ValueError("never"), name="bad")
    source = Sends([1, 2], [3])
    branches = [shape(bad)] + [CollectingSink()] * other
    pipeline = Pipeline(source >> branches)
    run(pipeline.run())
    assert [d.outcome.status for d in source.deliveries] == [
        DeliveryStatus.DELIVERED
    ] * 2
    assert pipeline.ledger()["bad"].rejected == {"ValueError": 3}
    assert pipeline.ledger().balanced


def test_a_choice_that_fails_in_a_best_effort_branch_does_not_reach_the_source(run):
    def choose(event):
        raise KeyError(event)

    source = Sends([1, 2])
    spare = best_effort(route(choose, {"a": CollectingSink()}))
    pipeline = Pipeline(source >> [spare, CollectingSink()])
    run(pipeline.run())
    assert source.deliveries[0].outcome.status is DeliveryStatus.DELIVERED
    assert pipeline.ledger()["sends"].rejected == {"KeyError": 2}
    assert pipeline.ledger().balanced


def test_a_best_effort_branch_alone_sheds_too(run):
    async def main():
        stalled = SlowSink(queue=Queue(2, "drop_oldest"))
        source = Sends(*[[n] for n in range(9)])
        pipeline = Pipeline(source >> best_effort(stalled))
        async with pipeline:
            await stalled.wait_writing()
            await until(lambda: len(source.deliveries) >= 9)
            stalled.release()
        assert pipeline.ledger().balanced
        assert pipeline.ledger()["slow_sink"].dropped["queue_full"] == 7
        assert stalled.events[-1] == 8

    run(main())


def test_a_best_effort_branch_that_changes_events_gets_its_own_copies(run):
    @processor
    def spoil(event):
        event["spoiled"] = True
        return event

    good, spare = CollectingSink(), CollectingSink()
    source = Sends([{"n": 1}], [{"n": 2}])
    run(Pipeline(source >> [best_effort(spoil >> spare), good]).run())
    assert good.events == [{"n": 1}, {"n": 2}]
    assert all(event["spoiled"] for event in spare.events)
