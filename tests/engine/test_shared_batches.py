"""Events of several senders in one batch: each learns the fate of its own events."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import (
    BatchBy,
    Delivery,
    DeliveryStatus,
    Pipeline,
    Processor,
    Source,
    TransientError,
    processor,
)
from sluiceway.batch import carry_claims, owners_of, runs_of
from sluiceway.stages import Processed
from sluiceway.testing import FailingSink

DELIVERED, ERRORED = DeliveryStatus.DELIVERED, DeliveryStatus.ERRORED


class Sender(Source):
    """Sends batches of three and keeps the deliveries."""

    wants_delivery = True

    def __init__(self):
        self.deliveries = []

    async def run(self, send):
        for batch in range(4):
            events = [{"batch": batch, "n": n} for n in range(3)]
            self.deliveries.append(await send(events))


@processor
def renewed(event):
    return {**event}


@processor
async def renewed_later(event):
    return {**event}


@processor
def doubled(event):
    return [{**event}, {**event}]


class Renewed(Processor):
    def process(self, events):
        return [{**event} for event in events]


class Halved(Processor):
    """Makes fewer new events of many, and does not say of which."""

    def process(self, events):
        return [{**event} for event in events[::2]]


class HalvedAndTold(Processor):
    def process(self, events):
        origins = [i for i, event in enumerate(events) if event["batch"] != 1]
        return Processed(
            [{**events[index]} for index in origins],
            filtered=len(events) - len(origins),
            origins=origins,
        )


def outcomes(stage):
    sender = Sender()
    failing = FailingSink(TransientError("down"))
    pipeline = Pipeline(sender >> BatchBy(6) >> stage >> failing)
    asyncio.run(pipeline.run())
    assert pipeline.ledger().balanced
    assert pipeline.ledger().delivered == 0
    return [delivery.outcome for delivery in sender.deliveries]


@pytest.mark.parametrize("stage", [renewed, renewed_later, Renewed()])
def test_events_made_anew_one_for_one_keep_their_senders(stage):
    for outcome in outcomes(stage):
        assert (outcome.status, outcome.errored) == (ERRORED, 3)


def test_what_a_function_made_of_one_event_is_answered_for_to_its_sender():
    for outcome in outcomes(doubled):
        assert (outcome.status, outcome.errored) == (ERRORED, 6)


def test_nobody_is_told_of_a_delivery_where_nobody_knows_whose_events_arrived():
    for outcome in outcomes(Halved()):
        assert outcome.status is ERRORED


def test_a_stage_that_tells_origins_keeps_senders_apart():
    statuses = [outcome.status for outcome in outcomes(HalvedAndTold())]
    assert statuses == [ERRORED, DELIVERED, ERRORED, ERRORED]


class Event:
    """Known by its identity only."""


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_whatever_a_stage_does_no_sender_is_told_of_a_delivery_when_all_was_lost(
    owned, data
):
    indices = st.integers(0, len(owned) - 1)
    failed = data.draw(st.sets(indices))
    made_of = data.draw(st.lists(st.none() | indices, max_size=12))
    senders = [Delivery(owned.count(number)) for number in range(4)]
    owners = [senders[number] for number in owned]
    before = [Event() for _ in owned]
    for index in failed:
        owners[index].settle(DeliveryStatus.REJECTED, 1)
    after = [
        Event() if index is None or index in failed else before[index]
        for index in made_of
    ]
    claims = carry_claims(runs_of(owners), before, after, failed)
    for owner in owners_of(claims):
        owner.settle(ERRORED, 1)
    new = len(after) - len({*map(id, after)} & {*map(id, before)})
    for number, sender in enumerate(senders):
        assert sender.pending == 0
        own = [i for i, owner in enumerate(owned) if owner == number]
        lost = [i for i in own if new or i in failed or before[i] in after]
        assert sender.outcome.is_delivered == (not lost)
