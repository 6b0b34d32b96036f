"""What a sink says was superseded: booked as merged, and told as arrived."""

from __future__ import annotations

from waiting import turns

from sluiceway import (
    PartialError,
    PermanentError,
    Pipeline,
    Retry,
    Source,
    SupersededError,
    TransientError,
    sink,
)


class Awaited(Source):
    """Sends one batch and keeps what became of it."""

    wants_delivery = True

    def __init__(self, events):
        self.events = events
        self.outcome = None

    async def run(self, send):
        self.outcome = await (await send(self.events))


async def books_of(write, events=(1, 2, 3), **settings):
    """The sink's books, the batch's outcome."""
    source = Awaited(list(events))
    last = sink(name="last", **settings)(write)
    pipeline = Pipeline(source >> last)
    async with pipeline:
        while source.outcome is None:
            await turns(1)
    ledger = pipeline.ledger()
    assert ledger.balanced
    return ledger["last"], source.outcome


def test_a_superseded_batch_is_merged_and_nothing_is_lost(run, caplog):
    async def write(events):
        raise SupersededError("a later one is sent")

    books, outcome = run(books_of(write))
    assert (books.merged, books.delivered, books.lost) == (3, 0, 0)
    assert (outcome.is_delivered, outcome.delivered, outcome.error) == (True, 3, None)
    assert "superseded" not in caplog.text.lower()
    assert not caplog.records


def test_superseded_events_of_a_batch_are_told_apart_from_failed_ones(run, caplog):
    async def write(events):
        raise PartialError({0: SupersededError(), 1: PermanentError("bad one")})

    books, outcome = run(books_of(write))
    assert (books.merged, books.delivered, books.rejected) == (1, 1, {"permanent": 1})
    assert (outcome.delivered, outcome.rejected) == (2, 1)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "1 event failed: PermanentError: bad one" in lines[0]


def test_superseded_events_are_not_tried_again(run):
    writes = []

    async def write(events):
        writes.append(list(events))
        if len(writes) == 1:
            raise PartialError({0: SupersededError(), 2: TransientError()})

    books, _ = run(books_of(write, retry=Retry(initial=0)))
    assert writes == [[1, 2, 3], [3]]
    assert (books.merged, books.delivered) == (1, 2)
