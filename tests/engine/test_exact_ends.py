"""What is told of each event is what became of it, however its pipeline ends."""

import asyncio
from contextlib import suppress

import pytest
from waiting import turns, until

from sluiceway import (
    Accumulator,
    PartialError,
    PermanentError,
    Pipeline,
    Processed,
    Processor,
    Queue,
    Retry,
    Sink,
    Source,
    TransientError,
    best_effort,
    processor,
    route,
    sampler,
    sink,
)
from sluiceway.testing import CollectingSink


class Sends(Source):
    """Sends batches, then waits for the stop; keeps deliveries and calls back."""

    wants_delivery = True

    def __init__(self, *batches, tell=print):
        self.batches = batches
        self.tell = tell
        self.deliveries = []

    async def run(self, send):
        for batch in self.batches:
            delivery = await send(batch)
            delivery.add_callback(self.tell)
            self.deliveries.append(delivery)
        await asyncio.Event().wait()


class SomeArrive(Sink):
    """Of its first batch one event arrives, one never will, two may; then it hangs."""

    retry = Retry(initial=0.0)

    def __init__(self, **settings):
        vars(self).update(settings)
        self.hangs, self.ended = asyncio.Event(), asyncio.Event()

    async def write(self, events):
        if len(events) == 4:
            later = TransientError("later")
            raise PartialError({0: later, 2: PermanentError("never"), 3: later})
        self.hangs.set()
        try:
            await self.wait()
        finally:
            self.ended.set()

    async def wait(self):
        await asyncio.Event().wait()


class Stubborn(SomeArrive):
    """Does not let go when it is cancelled, but a little later."""

    async def wait(self):
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.5)


@pytest.mark.parametrize("kind", [SomeArrive, Stubborn])
@pytest.mark.parametrize("max_in_flight", [1, 2])
def test_what_arrived_before_a_retry_was_cut_off_is_delivered(run, kind, max_in_flight):
    """A partial success is neither forgotten nor told as a loss."""

    async def main():
        end = kind(name="end", max_in_flight=max_in_flight)
        source = Sends(range(4))
        pipeline = Pipeline(source >> end)
        async with pipeline:
            await end.hangs.wait()
            books = pipeline.ledger()["end"]
            assert (books.delivered, books.held, books.balanced) == (1, 2, True)
            report = await pipeline.abort()
        await end.ended.wait()
        assert report.left["end"] == 2
        books = pipeline.ledger()["end"]
        assert (books.delivered, books.dropped) == (1, {"aborted": 2})
        assert books.rejected == {"permanent": 1}
        outcome = source.deliveries[0].outcome
        assert (outcome.delivered, outcome.dropped, outcome.rejected) == (1, 2, 1)

    run(main())


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3)])
def test_an_ending_that_a_retried_write_raises_costs_only_what_was_sent_again(
    run, error
):
    class Ends(Sink):
        retry = Retry(initial=0.0)

        async def write(self, events):
            if len(events) == 3:
                raise PartialError({1: TransientError("later")})
            raise error

    async def main():
        source = Sends(range(3))
        pipeline = Pipeline(source >> Ends())
        async with pipeline:
            await until(lambda: source.deliveries and source.deliveries[0].outcome)
        books = pipeline.ledger()["ends"]
        assert (books.delivered, books.rejected) == (2, {"RuntimeError": 1})
        outcome = source.deliveries[0].outcome
        assert (outcome.delivered, outcome.rejected) == (2, 1)

    run(main())


# Who is told of an end looks at books that agree.


@sink
def take(events):
    pass


@sink
async def refuse(events):
    raise PartialError({0: PermanentError("no")})


@sink
async def hang(events):
    await asyncio.Event().wait()


@sink(queue=Queue(capacity=2, when_full="drop_newest"))
async def hang_with_little_room(events):
    await asyncio.Event().wait()


@processor
def drop_all(event):
    return []


@processor
def fail_all(event):
    raise ValueError(event)


@sampler
def keep_none(event):
    return False


class Refuses(Processor):
    def process(self, events):
        raise PermanentError("none")


class Replaces(Processor):
    """Leaves some out, and fails the others."""

    def process(self, events):
        failed = {0: ValueError("first")}
        return Processed([], filtered=len(events) - 1, failed=failed)


class TakesOver(Accumulator):
    """Holds the first of each batch, and lets the others out."""

    def __init__(self):
        self.kept = []

    def add(self, events, now):
        self.kept += events[:1]
        return events[1:]

    def flush(self, now):
        kept, self.kept = self.kept, []
        return kept

    def held(self):
        return len(self.kept)


class Breaks(TakesOver):
    """Takes one in, and fails."""

    def add(self, events, now):
        super().add(events, now)
        raise ValueError("after the first")


class SomeFit(TakesOver):
    """Takes all in but the first, and lets them out."""

    def add(self, events, now):
        raise PartialError({0: ValueError("no")}, events[1:])


@pytest.mark.parametrize(
    "make",
    [
        lambda: take,
        lambda: refuse,
        lambda: hang,
        lambda: drop_all >> take,
        lambda: fail_all >> take,
        lambda: keep_none >> take,
        lambda: Refuses() >> take,
        lambda: Replaces() >> take,
        lambda: TakesOver() >> CollectingSink(),
        lambda: Breaks() >> CollectingSink(),
        lambda: SomeFit() >> CollectingSink(),
        lambda: [take, refuse],
        lambda: [best_effort(take), drop_all >> CollectingSink()],
        lambda: [CollectingSink(), best_effort(refuse)],
        lambda: route(str, {"0": take, "1": refuse}),
        lambda: [route(str, {"7": take}), route(str, {"8": take})],
        lambda: CollectingSink(queue=Queue(capacity=1, when_full="drop_newest")),
        lambda: hang_with_little_room,
        lambda: CollectingSink(queue=Queue(max_bytes=9, size=str.encode)),
    ],
)
def test_the_books_agree_whenever_a_delivery_is_told(run, make):
    seen = []

    def look(_):
        seen.append(pipeline.ledger())

    pipeline = Pipeline(Sends(range(3), range(1), tell=look) >> make())

    async def main():
        async with pipeline:
            await pipeline.flush(0.02)
            await pipeline.abort()

    run(main())
    assert len(seen) == 2
    assert all(ledger.balanced for ledger in seen), "\n".join(map(str, seen))


# Sends in tasks of the source's own.


class SendsInTasks(Source):
    """Begins sends beside each other, and leaves them to themselves."""

    wants_delivery = True

    def __init__(self, count, stays):
        self.count = count
        self.stays = stays
        self.sends = []

    async def run(self, send):
        loop = asyncio.get_running_loop()
        self.sends = [loop.create_task(send([n, n])) for n in range(self.count)]
        await asyncio.sleep(0)
        if self.stays:
            await asyncio.Event().wait()


@pytest.mark.parametrize("stays", [False, True])
def test_what_a_source_was_sending_when_it_ended_arrives_all_the_same(run, stays):
    """The queue behind it stays open until the last send has been answered."""
    gate = asyncio.Event()

    @sink(queue=Queue(capacity=1))
    async def gated(events):
        await gate.wait()

    async def main():
        source = SendsInTasks(5, stays)
        pipeline = Pipeline(source >> [gated, CollectingSink()])
        async with pipeline:
            await until(lambda: len(source.sends) == 5)
            await turns(10)
            stopping = asyncio.create_task(pipeline.stop())
            await turns(10)
            gate.set()
            await stopping
        deliveries = await asyncio.gather(*source.sends)
        assert [each.outcome.delivered for each in deliveries] == [4] * 5
        assert pipeline.ledger().held == 0

    run(main())
