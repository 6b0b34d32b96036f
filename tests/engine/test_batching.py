"""Gathering by count, bytes and time: in order, nothing lost, on a manual clock."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sending import Sends
from waiting import turns, until

from sluiceway import (
    Batch,
    BatchBy,
    Delivery,
    DeliveryStatus,
    Inlet,
    Pipeline,
    Queue,
    source,
)
from sluiceway.batching import Batcher
from sluiceway.sources import IterableSource
from sluiceway.stages import Batches
from sluiceway.testing import CollectingSink, ManualClock


def opened(released):
    return [list(b) for b in released] if isinstance(released, Batches) else [released]


@given(
    st.integers(1, 6),
    st.none() | st.integers(1, 20),
    st.floats(0, 5),
    st.lists(st.tuples(st.lists(st.integers(0, 12), max_size=9), st.floats(0, 3))),
)
def test_batches_keep_order_and_bounds_and_lose_nothing(
    max_events, max_bytes, interval, arrivals
):
    batcher = Batcher(BatchBy(max_events, max_bytes, interval, size=lambda e: e[1]))
    now, number, given_in, came_out = 0.0, 0, [], []
    for sizes, pause in arrivals:
        events = [(number + i, size) for i, size in enumerate(sizes)]
        number += len(events)
        given_in += events
        released = opened(batcher.add(events, now))
        now += pause
        deadline = batcher.next_deadline()
        if deadline is not None and now >= deadline:
            released += opened(batcher.tick(now))
            assert batcher.held() == 0
        for batch in filter(None, released):
            assert len(batch) <= max_events
            bytes_in = sum(size for _, size in batch)
            assert max_bytes is None or bytes_in <= max_bytes or len(batch) == 1
            came_out += batch
        assert len(came_out) + batcher.held() == len(given_in)
        assert (batcher.next_deadline() is None) == (batcher.held() == 0)
    came_out += [e for batch in opened(batcher.flush(now)) for e in batch]
    assert came_out == given_in


@given(st.integers(1, 5), st.lists(st.integers(0, 7), max_size=6))
def test_the_oldest_event_waits_at_most_the_flush_interval(max_events, counts):
    batcher = Batcher(BatchBy(max_events, flush_interval=10.0))
    arrived, first = [], 0
    for now, count in enumerate(counts):
        batcher_released = opened(batcher.add([now] * count, float(now)))
        arrived += [now] * count
        first += sum(map(len, batcher_released))
        if batcher.held():
            assert batcher.next_deadline() <= arrived[first] + 10.0


def test_a_single_event_beyond_the_byte_bound_travels_alone():
    batcher = Batcher(BatchBy(10, max_bytes=5, size=len))
    released = opened(batcher.add(["ab", "abcdefgh", "c"], 0.0))
    assert released == [["ab"], ["abcdefgh"]]
    assert opened(batcher.flush(0.0)) == [["c"]]


def with_inlet(clock, *stages, end):
    inlet = Inlet()
    chain = inlet
    for stage in stages:
        chain = chain >> stage
    return inlet, Pipeline(chain >> end, clock=clock)


def test_a_batching_stage_releases_by_count_and_then_by_time(run):
    async def main():
        clock, end = ManualClock(), CollectingSink()
        inlet, pipeline = with_inlet(clock, BatchBy(3, flush_interval=2.0), end=end)
        async with pipeline:
            await inlet.emit_many(range(7))
            await clock.advance()
            assert end.batches == [[0, 1, 2], [3, 4, 5]]
            await clock.advance(1.9)
            assert len(end.batches) == 2
            assert pipeline.ledger()["batch_by"].held == 1
            await clock.advance(0.1)
            assert end.batches[2:] == [[6]]
        assert pipeline.ledger().balanced

    run(main())


def test_the_batch_setting_of_a_sink_releases_by_count_and_then_by_time(run):
    async def main():
        clock = ManualClock()
        end = CollectingSink(batch=BatchBy(3, flush_interval=2.0))
        inlet, pipeline = with_inlet(clock, end=end)
        async with pipeline:
            await inlet.emit_many(range(7))
            await clock.advance()
            assert end.batches == [[0, 1, 2], [3, 4, 5]]
            assert pipeline.ledger()["collecting_sink"].held == 1
            await clock.advance(1.9)
            assert len(end.batches) == 2
            await clock.advance(0.2)
            assert end.batches[2:] == [[6]]

    run(main())


def test_a_batch_may_fill_while_writes_keep_others_out(run):
    gate = asyncio.Event()

    class Gated(CollectingSink):
        async def write(self, events):
            await gate.wait()
            await super().write(events)

    async def main():
        end = Gated(
            queue=Queue(capacity=10),
            batch=BatchBy(4, flush_interval=3600.0),
            max_in_flight=2,
        )
        inlet = Inlet()
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            await inlet.emit_many(range(9))
            await until(lambda: pipeline.ledger()["gated"].held == 9)
            await inlet.emit_many([9, 10, 11])
            await until(lambda: pipeline.ledger()["inlet"].held == 3)
            await turns(5)
            gate.set()
        assert sorted(map(len, end.batches)) == [4, 4, 4]

    run(main())


def test_a_drain_releases_a_batch_that_is_not_full(run):
    async def main():
        end = CollectingSink(batch=BatchBy(100, flush_interval=3600.0))
        inlet, pipeline = with_inlet(ManualClock(), BatchBy(50), end=end)
        async with pipeline:
            await inlet.emit_many(range(7))
        assert end.batches == [[0, 1, 2, 3, 4, 5, 6]]
        assert pipeline.ledger().balanced

    run(main())


def test_an_acknowledgement_follows_the_events_through_batching(run):
    """Regrouped batches still answer to the one who sent the events."""

    class FailsFives(CollectingSink):
        async def write(self, events):
            if 5 in events:
                raise ValueError("five")

    source = Sends([1, 2], [3, 4, 5], [6, 7, 8, 9])
    end = FailsFives()
    run(Pipeline(source >> BatchBy(4) >> end).run())
    outcomes = [delivery.outcome for delivery in source.deliveries]
    assert [o.delivered for o in outcomes] == [2, 2, 1]
    assert [o.rejected for o in outcomes] == [0, 1, 3]
    assert [o.status for o in outcomes] == [
        DeliveryStatus.DELIVERED,
        DeliveryStatus.REJECTED,
        DeliveryStatus.REJECTED,
    ]


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 30))
def test_splitting_a_batch_keeps_every_claim_exact(sizes, at):
    deliveries = [Delivery(size) for size in sizes]
    events = [n for n, size in enumerate(sizes) for _ in range(size)]
    whole = Batch(events, [*zip(deliveries, sizes, strict=True)])
    first, rest = whole.split(at)
    assert first.events + rest.events == whole.events
    first.settle(DeliveryStatus.DELIVERED)
    rest.settle(DeliveryStatus.DROPPED)
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    for size, end, delivery in zip(sizes, ends, deliveries, strict=True):
        in_first = max(0, min(size, at - (end - size)))
        assert delivery.outcome.delivered == (in_first if size else 0)
        assert delivery.outcome.dropped == size - in_first


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize(
    "room",
    [Queue(capacity=100), Queue(max_bytes=100, size=lambda _: 1)],
    ids=["events", "bytes"],
)
def test_a_batch_that_takes_the_room_of_what_would_fill_it_is_written(
    run, room, in_flight
):
    """Nothing else would make room: neither time nor a write under way."""

    async def main():
        batch = BatchBy(100, flush_interval=3600)
        end = CollectingSink(queue=room, batch=batch, max_in_flight=in_flight)
        await Pipeline(source(lambda: [[n] * 60 for n in range(5)])() >> end).run()
        assert sorted(end.events) == [n for n in range(5) for _ in range(60)]

    run(main())


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_a_queue_that_sheds_does_not_shed_for_a_batch_that_never_fills(run, policy):
    async def main():
        room = Queue(max_bytes=10, size=lambda _: 4, when_full=policy)
        end = CollectingSink(queue=room, batch=BatchBy(100, flush_interval=3600))
        inlet = Inlet()
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            for number in range(9):
                inlet.emit_nowait(number)
                await until(lambda: not len(inlet))
                await turns(20)
            assert end.events == [0, 1, 3, 4, 6, 7]
        assert pipeline.ledger().lost == 3

    run(main())


@pytest.mark.parametrize("wrong", [-1, "many", None, float("nan"), 1j])
def test_an_event_whose_size_cannot_be_told_travels_alone(wrong):
    def size(event):
        return wrong if event == "odd" else len(event)

    batcher = Batcher(BatchBy(10, max_bytes=5, size=size))
    released = opened(batcher.add(["ab", "odd", "c", "odd"], 0.0))
    assert released == [["ab"], ["odd"], ["c"], ["odd"]]
    assert batcher.held() == 0


def test_an_event_whose_size_cannot_be_told_costs_no_event_and_is_logged(run, caplog):
    async def main():
        end = CollectingSink()
        sizes = BatchBy(10, max_bytes=100, size=len)
        pipeline = Pipeline(IterableSource(["a", 5, "b", 7, "c"]) >> sizes >> end)
        await pipeline.run()
        return end.batches, pipeline.ledger().lost

    assert run(main()) == ([["a"], [5], ["b"], [7], ["c"]], 0)
    (line,) = caplog.messages
    assert "the size of a int cannot be told" in line
