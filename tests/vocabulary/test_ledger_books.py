"""The ledger: balanced is not lossless, and both are said."""

import asyncio

import pytest

from sluiceway import (
    Inlet,
    Ledger,
    Pipeline,
    Queue,
    StageLedger,
    TransientError,
    processor,
    sampler,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, FailingSink, SlowSink


def test_the_books_of_a_stage_balance_when_all_columns_do():
    books = StageLedger(
        "stage",
        "processor",
        received=20,
        created=5,
        copied=3,
        sent=10,
        filtered=1,
        sampled_out=2,
        merged=3,
        delivered=4,
        dropped={"queue_full": 1},
        rejected={"ValueError": 1, "unrouted": 1},
        errored={"timeout": 2},
        held=3,
    )
    assert books.balanced
    assert books.incoming == books.accounted == 28
    assert books.lost == 5


@pytest.mark.parametrize("column", ["received", "sent", "held", "delivered"])
def test_a_wrong_column_shows_as_not_balanced(column):
    books = StageLedger("stage", "sink", **{column: 1})
    ledger = Ledger({"stage": books})
    assert not books.balanced
    assert not ledger.balanced
    assert "NOT BALANCED by" in str(ledger)
    assert str(ledger).splitlines()[-1].endswith("NOT BALANCED")


def test_what_was_sent_and_not_received_does_not_balance():
    source = StageLedger("source", "source", created=2, sent=2)
    end = StageLedger("sink", "sink", received=1, delivered=1)
    assert source.balanced
    assert end.balanced
    assert not Ledger({"source": source, "sink": end}).balanced


def test_a_ledger_is_frozen():
    ledger = Pipeline(IterableSource([1]) >> CollectingSink(name="end")).ledger()
    with pytest.raises(AttributeError):
        ledger["end"].delivered = 5
    with pytest.raises(TypeError):
        ledger["end"].dropped["x"] = 1
    with pytest.raises(TypeError):
        ledger.stages["other"] = ledger["end"]


def test_a_ledger_taken_earlier_does_not_change():
    async def main():
        inlet = Inlet()
        async with Pipeline(inlet >> CollectingSink()) as pipeline:
            before = pipeline.ledger()
            await inlet.emit(1)
            await pipeline.flush()
            assert before.delivered == 0
            assert pipeline.ledger().delivered == 1

    asyncio.run(main())


def lossy():
    @processor
    def fails_on_three(event):
        if event == 3:
            raise ValueError(event)
        return [] if event == 4 else event

    @sampler
    def no_five(event):
        return event != 5

    left = CollectingSink(name="left")
    right = FailingSink(TransientError("busy", reason="http_503"), name="right")
    source = IterableSource(range(6), name="numbers")
    pipeline = Pipeline(source >> fails_on_three >> no_five >> [left, right])
    asyncio.run(pipeline.run())
    return pipeline.ledger()


def test_lost_counts_what_was_meant_to_arrive_and_did_not():
    ledger = lossy()
    assert ledger.balanced
    assert ledger.delivered == 3
    assert ledger.lost == 4
    assert ledger.held == 0


def test_losses_are_told_by_stage_and_reason():
    assert lossy().losses == {
        "fails_on_three": {"rejected{ValueError}": 1},
        "right": {"errored{http_503}": 3},
    }


def test_filtered_and_sampled_out_are_no_losses():
    ledger = lossy()
    assert ledger["fails_on_three"].filtered == 1
    assert ledger["no_five"].sampled_out == 1
    assert "no_five" not in ledger.losses


def test_n_branches_book_n_minus_one_copies():
    ledger = lossy()
    assert ledger["no_five"].copied == 3
    assert ledger["no_five"].sent == 6


def test_a_printed_ledger_says_delivered_lost_and_balanced():
    text = str(lossy())
    assert text.splitlines()[-1] == "3 delivered, 4 lost; balanced"
    assert "right (sink): received 3, errored{http_503} 3" in text
    assert text.splitlines()[0].startswith("numbers (source): created 6, sent 6")


def test_a_printed_ledger_says_what_is_still_held():
    async def main():
        inlet, end = Inlet(), SlowSink()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit_many([1, 2])
            await end.wait_writing()
            text = str(pipeline.ledger())
            assert text.endswith("0 delivered, 0 lost, 2 held; balanced")
            end.release()
        assert str(pipeline.ledger()).endswith("2 delivered, 0 lost; balanced")

    asyncio.run(main())


def test_a_pipeline_that_never_ran_has_empty_balanced_books():
    ledger = Pipeline(IterableSource([1]) >> CollectingSink()).ledger()
    assert ledger.balanced
    assert str(ledger).endswith("0 delivered, 0 lost; balanced")
    assert "nothing" in str(ledger)


def test_the_stages_stand_sources_first():
    names = list(lossy().stages)
    assert names[:3] == ["numbers", "fails_on_three", "no_five"]


def test_a_ledger_balances_at_any_moment_while_events_pass():
    """``held`` is counted by looking, so that the sum could fail."""

    @processor
    async def slow(event):
        await asyncio.sleep(0)
        return [event] * (event % 3)

    async def main():
        source = IterableSource([[n, n + 1] for n in range(100)])
        small = [CollectingSink(queue=Queue(4)), CollectingSink(queue=Queue(9))]
        async with Pipeline(source >> slow >> small) as pipeline:
            waiting = asyncio.create_task(pipeline.wait())
            held = set()
            while not waiting.done():
                ledger = pipeline.ledger()
                assert ledger.balanced, str(ledger)
                held.add(ledger.held)
                await asyncio.sleep(0)
            await waiting
        assert len(held) > 2
        assert pipeline.ledger().held == 0

    asyncio.run(main())
