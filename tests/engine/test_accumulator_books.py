"""What an accumulator takes up, makes, holds and passes on is booked as what it is."""

import pytest

from sluiceway import (
    Accumulator,
    Batches,
    ConfigurationError,
    Inlet,
    PartialError,
    Pipeline,
    Source,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, ManualClock


class OneForEach(Accumulator):
    """A rule: one new event for each batch, at once."""

    def add(self, events, now):
        return [("summary", len(events))]


class FirstOnly(Accumulator):
    """Passes the first event of a batch itself and takes up the others."""

    def add(self, events, now):
        return events[:1]


class KeepsHalf(Accumulator):
    """Holds everything until the end and then lets half of it go."""

    left_out = "sampled_out"

    def __init__(self):
        self.kept = []

    def add(self, events, now):
        self.kept += events
        return []

    def flush(self, now):
        kept, self.kept = self.kept, []
        return Batches([kept[:2], kept[2 : len(kept) // 2]])

    def held(self):
        return len(self.kept)


class Promises(Accumulator):
    """Promises to release what came in, and loses one."""

    acknowledge = "on_output"

    def add(self, events, now):
        return events[1:]

    def held(self):
        return 0


class RefusesOdd(Accumulator):
    """Refuses every odd event by name and lets the others go, in lists of one."""

    def __init__(self, failed=None):
        self.failed = failed

    def add(self, events, now):
        odd = [i for i, event in enumerate(events) if event["n"] % 2]
        kept = Batches([[event] for event in events if not event["n"] % 2])
        raise PartialError(dict.fromkeys(self.failed or odd, ValueError("odd")), kept)


def ledger_of(run, accumulator, events=12):
    collected = CollectingSink()
    source = IterableSource([{"n": n} for n in range(events)], batch_size=4)
    pipeline = Pipeline(source >> accumulator >> collected)
    run(pipeline.run())
    return pipeline.ledger()


def test_events_made_of_others_are_created_and_the_others_merged(run):
    books = ledger_of(run, OneForEach())["one_for_each"]
    assert (books.received, books.created, books.merged, books.sent) == (12, 3, 12, 3)
    assert books.balanced


def test_an_accumulator_refuses_some_events_and_releases_what_the_others_become(run):
    ledger = ledger_of(run, RefusesOdd())
    books = ledger["refuses_odd"]
    assert (books.received, books.sent, books.merged) == (12, 6, 0)
    assert books.rejected == {"ValueError": 6}
    assert ledger.balanced


class Asks(Source):
    """Sends three events and waits for what becomes of them."""

    wants_delivery = True
    outcome = None

    async def run(self, send):
        self.outcome = await (await send([{"n": 0}, {"n": 1}, {"n": 2}]))


def test_who_waits_for_an_event_that_an_accumulator_refuses_learns_it(run):
    source = Asks()
    run(Pipeline(source >> RefusesOdd() >> CollectingSink()).run())
    assert (source.outcome.delivered, source.outcome.rejected) == (2, 1)


def test_an_index_that_names_no_event_costs_the_batch_and_the_books_balance(run):
    ledger = ledger_of(run, RefusesOdd([99]))
    assert ledger["refuses_odd"].rejected == {"IndexError": 12}
    assert ledger.balanced


def test_events_that_pass_are_neither_created_nor_merged(run):
    books = ledger_of(run, FirstOnly())["first_only"]
    assert (books.received, books.created, books.merged, books.sent) == (12, 0, 9, 3)
    assert books.balanced


def test_what_a_holder_leaves_out_has_the_name_that_it_chose(run):
    ledger = ledger_of(run, KeepsHalf())
    books = ledger["keeps_half"]
    assert (books.sent, books.sampled_out, books.merged) == (6, 6, 0)
    assert ledger.balanced


def test_an_accumulator_that_breaks_its_promise_does_not_balance(run):
    """The sum can fail: three events are gone and no column has them."""
    books = ledger_of(run, Promises())["promises"]
    assert not books.balanced
    assert books.incoming - books.accounted == 3


@pytest.mark.parametrize("wrong", [None, "text", 3], ids=repr)
def test_an_answer_that_is_no_list_costs_one_batch_and_says_so(run, wrong, caplog):
    class Wrong(Accumulator):
        def add(self, events, now):
            return wrong

    ledger = ledger_of(run, Wrong())
    assert ledger["wrong"].rejected == {"TypeError": 12}
    assert "expected a list of events" in caplog.text


class Forgetful(Accumulator):
    """Takes events in and can never let them go."""

    acknowledge = "on_output"

    def __init__(self):
        self.kept = []

    def add(self, events, now):
        self.kept += events
        return []

    def flush(self, now):
        raise ValueError("never")

    def held(self):
        return len(self.kept)


def test_what_a_failing_flush_keeps_is_dropped_and_the_log_says_why(run, caplog):
    ledger = ledger_of(run, Forgetful())
    assert ledger["forgetful"].dropped == {"not_released": 12}
    assert ledger.balanced
    assert "ValueError: never" in caplog.text


def test_a_promise_to_release_in_order_needs_a_held_of_its_own():
    class Blind(Accumulator):
        acknowledge = "on_output"

        def add(self, events, now):
            return events

    with pytest.raises(ConfigurationError, match="its own held"):
        Pipeline(IterableSource([1]) >> Blind() >> CollectingSink())


def test_a_tick_that_fails_is_not_tried_again_at_once(run):
    """Its deadline stays past; without a pause it would take all of the processor."""

    class Broken(Accumulator):
        ticks = 0

        def add(self, events, now):
            return []

        def next_deadline(self):
            return 0.0

        def tick(self, now):
            self.ticks += 1
            raise ValueError("never")

    async def main():
        clock, inlet, broken = ManualClock(), Inlet(), Broken()
        async with Pipeline(inlet >> broken >> CollectingSink(), clock=clock):
            await clock.advance(0.5)
            first = broken.ticks
            await clock.advance(1.0)
            return first, broken.ticks

    assert run(main()) == (1, 2)
