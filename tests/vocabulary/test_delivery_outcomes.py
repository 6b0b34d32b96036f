"""A delivery is resolved once, by its worst part, and answers to whoever sent."""

import asyncio
import gc
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sending import Sends

from sluiceway import (
    Accumulator,
    BatchBy,
    Delivery,
    DeliveryStatus,
    PartialError,
    PermanentError,
    Pipeline,
    PipelineFailedError,
    PipelineStateError,
    Processor,
    Source,
    TransientError,
    processor,
    route,
    sampler,
)
from sluiceway.testing import CollectingSink, FailingSink

STATUSES = list(DeliveryStatus)


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(1, 5)), min_size=1))
def test_the_worst_part_wins_and_every_part_is_counted(parts):
    delivery = Delivery(sum(count for _, count in parts))
    for status, count in parts:
        assert delivery.outcome is None
        delivery.settle(status, count)
    outcome = delivery.outcome
    assert outcome.status == max(status for status, _ in parts)
    for status in STATUSES:
        expected = sum(count for each, count in parts if each is status)
        assert getattr(outcome, status.name.lower()) == expected
    assert outcome.is_delivered == (outcome.status is DeliveryStatus.DELIVERED)


def test_the_order_of_badness_is_delivered_dropped_errored_rejected():
    assert sorted(STATUSES) == [
        DeliveryStatus.DELIVERED,
        DeliveryStatus.DROPPED,
        DeliveryStatus.ERRORED,
        DeliveryStatus.REJECTED,
    ]


def test_the_first_error_is_kept():
    delivery, first = Delivery(3), ValueError("first")
    delivery.settle(DeliveryStatus.DELIVERED, 1)
    delivery.settle(DeliveryStatus.REJECTED, 1, first)
    delivery.settle(DeliveryStatus.REJECTED, 1, KeyError("second"))
    assert delivery.outcome.error is first


def test_nothing_to_deliver_is_delivered_at_once():
    assert Delivery(0).outcome.is_delivered


def test_settling_more_than_was_sent_is_refused():
    delivery = Delivery(1)
    delivery.settle(DeliveryStatus.DELIVERED, 1)
    with pytest.raises(RuntimeError, match="1 events settled, 0 were pending"):
        delivery.settle(DeliveryStatus.DELIVERED, 1)


def test_awaiting_and_callbacks_tell_the_same_outcome_before_and_after(run):
    async def main():
        delivery, told = Delivery(2), []
        delivery.add_callback(told.append)
        waiting = [asyncio.ensure_future(wait(delivery)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        delivery.settle(DeliveryStatus.ERRORED, 2)
        delivery.add_callback(told.append)
        assert await waiting[1] is await waiting[2] is await delivery
        assert told == [delivery.outcome] * 2
        await asyncio.wait(waiting[:1])

    async def wait(delivery):
        return await delivery

    run(main())


def forgotten_delivery():
    Delivery(2)
    gc.collect()


def test_a_delivery_that_is_collected_unresolved_warns():
    with pytest.warns(ResourceWarning, match="pending=2.*never resolved"):
        forgotten_delivery()


def test_a_delivery_that_is_collected_resolved_does_not_warn():
    delivery = Delivery(2)
    delivery.settle(DeliveryStatus.DROPPED, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del delivery
        gc.collect()
    assert True


def outcomes(*stages, batches):
    source = Sends(*batches)
    chain = source
    for stage in stages:
        chain = chain >> stage
    pipeline = Pipeline(chain)
    asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    assert pipeline.ledger().balanced
    return [delivery.outcome for delivery in source.deliveries]


def figures(outcome):
    return outcome.delivered, outcome.dropped, outcome.errored, outcome.rejected


class RejectsEvens(CollectingSink):
    async def write(self, events):
        failed = {
            i: PermanentError(str(e)) if e % 4 else TransientError(str(e))
            for i, e in enumerate(events)
            if e % 2 == 0
        }
        raise PartialError(failed)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_an_index_maps_back_to_its_origin_through_batching(size):
    """Each batch hears of its own events only, however they were regrouped."""
    found = outcomes(
        BatchBy(size), RejectsEvens(), batches=[[1, 3], [2, 5, 4], [7], [6, 8]]
    )
    assert [figures(o) for o in found] == [
        (2, 0, 0, 0),
        (1, 0, 1, 1),
        (1, 0, 0, 0),
        (0, 0, 1, 1),
    ]
    assert str(found[1].error) in "24"
    assert str(found[3].error) in "68"


def test_an_index_maps_back_through_batching_filters_and_samplers():
    @processor
    def no_threes(event):
        return [] if event % 3 == 0 else event

    @sampler
    def no_fives(event):
        return event % 5 != 0

    @processor
    def twice(event):
        return [event, event] if event == 7 else event

    found = outcomes(
        BatchBy(4),
        no_threes,
        no_fives,
        twice,
        BatchBy(3),
        RejectsEvens(),
        batches=[[1, 3, 5], [2, 9, 4, 15], [7, 6], [8]],
    )
    assert [figures(o) for o in found] == [
        (3, 0, 0, 0),
        (2, 0, 1, 1),
        (3, 0, 0, 0),
        (0, 0, 1, 0),
    ]


def test_what_a_stage_leaves_out_on_purpose_counts_as_delivered():
    @processor
    def nothing(event):
        return []

    assert figures(outcomes(nothing, CollectingSink(), batches=[[1, 2]])[0]) == (
        2,
        0,
        0,
        0,
    )


def test_a_fan_out_counts_every_copy():
    sinks = [CollectingSink(), FailingSink(ValueError("no")), CollectingSink()]
    outcome = outcomes(sinks, batches=[[1, 2]])[0]
    assert figures(outcome) == (4, 0, 0, 2)
    assert outcome.status is DeliveryStatus.REJECTED
    assert str(outcome.error) == "no"


def test_a_route_answers_for_each_way_and_for_what_has_none():
    ways = {"0": CollectingSink(), "1": FailingSink(TransientError("busy"))}
    outcome = outcomes(route(lambda e: str(e % 3), ways), batches=[range(6)])[0]
    assert figures(outcome) == (2, 0, 2, 2)


def test_an_accumulator_that_takes_over_answers_when_it_is_given():
    class Sums(Accumulator):
        total = 0

        def add(self, events, now):
            self.total += sum(events)
            return []

        def flush(self, now):
            return [self.total]

    bad = FailingSink(ValueError("too late"))
    assert figures(outcomes(Sums(), bad, batches=[[1, 2]])[0]) == (2, 0, 0, 0)


def test_a_processor_class_that_reorders_answers_to_the_right_senders():
    class Backwards(Processor):
        def process(self, events):
            return events[::-1]

    class RejectsFirst(CollectingSink):
        async def write(self, events):
            raise PartialError([0])

    a, b = object(), object()
    found = outcomes(BatchBy(2), Backwards(), RejectsFirst(), batches=[[a], [b]])
    assert [figures(o) for o in found] == [(1, 0, 0, 0), (0, 0, 0, 1)]


def test_a_source_that_did_not_ask_is_told_so_when_it_awaits_a_delivery():
    class Forgot(Source):
        async def run(self, send):
            await (await send([1]))

    with pytest.raises(PipelineFailedError, match="wants_delivery") as failed:
        asyncio.run(Pipeline(Forgot() >> CollectingSink()).run())
    assert isinstance(failed.value.__cause__, PipelineStateError)


def test_sending_nothing_is_delivered_at_once():
    found = outcomes(CollectingSink(), batches=[[], [1]])
    assert [figures(o) for o in found] == [(0, 0, 0, 0), (1, 0, 0, 0)]
