"""``flush``: everything emitted before the call has been answered for."""

import asyncio

import pytest
from waiting import turns, until

from sluiceway import (
    Accumulator,
    BatchBy,
    Inlet,
    Pipeline,
    Queue,
    Source,
    best_effort,
    processor,
    sink,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, HangingSink, ManualClock, SlowSink


@processor(workers=3)
async def crossing(event):
    for _ in range(event % 5):
        await asyncio.sleep(0)
    return event


class Sums(Accumulator):
    total = 0

    def add(self, events, now):
        self.total += sum(events)
        return []

    def flush(self, now):
        total, self.total = self.total, 0
        return [total] if total else []


SINKS = [
    CollectingSink,
    lambda: CollectingSink(batch=BatchBy(1000, flush_interval=3600)),
    lambda: CollectingSink(batch=BatchBy(7, flush_interval=3600), max_in_flight=3),
    lambda: CollectingSink(queue=Queue(capacity=2)),
]


@pytest.mark.parametrize("make", SINKS)
def test_what_was_emitted_before_a_flush_is_delivered_when_it_returns(run, make):
    async def main():
        inlet, end = Inlet(), make()
        chain = inlet >> crossing >> BatchBy(64, flush_interval=3600) >> end
        async with Pipeline(chain) as pipeline:
            for goal in (500, 1000, 1500):
                for n in range(500):
                    assert inlet.emit_nowait(n)
                assert await pipeline.flush()
                assert len(end.events) == goal
            assert await pipeline.flush(), "a flush of nothing returns at once"

    run(main())


def test_a_flush_makes_accumulators_let_go_in_every_branch(run):
    async def main():
        inlet, left, right = Inlet(), CollectingSink(), CollectingSink()
        branches = [Sums() >> left, best_effort(BatchBy(99) >> Sums() >> right)]
        async with Pipeline(inlet >> branches) as pipeline:
            await inlet.emit_many([1, 2, 3])
            assert await pipeline.flush()
            assert left.events == right.events == [6]

    run(main())


def test_a_flush_waits_for_a_sink_that_takes_its_time(run):
    async def main():
        inlet, end = Inlet(), SlowSink()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit(1)
            await end.wait_writing()
            flushing = asyncio.create_task(pipeline.flush())
            await turns(50)
            assert not flushing.done()
            end.release()
            assert await flushing
            assert end.events == [1]

    run(main())


def test_a_flush_does_not_overtake_a_send_that_waits_for_room(run):
    """What the source has in its hands was emitted before the flush, too."""

    async def main():
        inlet, end = Inlet(), SlowSink(queue=Queue(capacity=1))
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit(0)
            await end.wait_writing()
            await inlet.emit(1)
            await until(lambda: not len(inlet))
            await inlet.emit(2)
            flushing = asyncio.create_task(pipeline.flush())
            await turns(50)
            end.release()
            assert await flushing
            assert end.events == [0, 1, 2]

    run(main(), timeout=5)


def test_a_flush_does_not_overtake_what_any_source_is_sending(run):
    class Sends(Source):
        async def run(self, send):
            for n in range(3):
                await send([n])
            await asyncio.Event().wait()

    async def main():
        end = SlowSink(queue=Queue(capacity=1))
        async with Pipeline(Sends() >> end) as pipeline:
            await end.wait_writing()
            await turns(20)
            assert pipeline.ledger()["sends"].held == 1
            flushing = asyncio.create_task(pipeline.flush())
            await turns(20)
            end.release()
            assert await flushing
            assert end.events[:2] == [0, 1]

    run(main(), timeout=5)


def test_a_flush_waits_for_what_sources_sent_that_have_ended(run):
    async def main():
        inlet, end, other = Inlet(), SlowSink(), CollectingSink()
        ended = IterableSource(range(5))
        chain = ended >> BatchBy(3, flush_interval=3600) >> end
        async with Pipeline(chain, inlet >> other) as pipeline:
            await end.wait_writing()
            flushing = asyncio.create_task(pipeline.flush())
            await turns(50)
            assert not flushing.done()
            end.release()
            assert await flushing
            assert sorted(end.events) == [*range(5)]
            assert await pipeline.flush(), "also when all of that chain has ended"

    run(main(), timeout=5)


def test_a_flush_during_a_drain_waits_for_what_is_drained(run):
    async def main():
        inlet, end = Inlet(), SlowSink()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit(1)
            await end.wait_writing()
            stopping = asyncio.create_task(pipeline.stop())
            await turns(20)
            flushing = asyncio.create_task(pipeline.flush())
            await turns(20)
            assert not flushing.done()
            end.release()
            assert await flushing
            assert end.events == [1]
            await stopping

    run(main(), timeout=5)


def test_a_flush_that_takes_too_long_says_so_and_the_events_go_on(run):
    async def main():
        inlet, end = Inlet(), SlowSink()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit(1)
            assert not await pipeline.flush(0.01)
            end.release()
            assert await pipeline.flush()
            assert end.events == [1]

    run(main())


def test_a_flush_returns_when_the_pipeline_is_aborted(run):
    async def main():
        inlet, end = Inlet(), HangingSink()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit(1)
            await end.wait_writing()
            flushing = asyncio.create_task(pipeline.flush(3600))
            await asyncio.sleep(0)
            await pipeline.abort()
            async with asyncio.timeout(1):
                await flushing
            assert flushing.done()

    run(main())


def test_many_flushes_at_once_all_return(run):
    async def main():
        inlet, end = Inlet(), CollectingSink(batch=BatchBy(9, flush_interval=3600))
        async with Pipeline(inlet >> crossing >> end) as pipeline:

            async def emit_and_flush(n):
                await inlet.emit(n)
                assert await pipeline.flush()
                assert n in end.events

            await asyncio.gather(*map(emit_and_flush, range(30)))

    run(main())


def test_a_flush_needs_no_time_to_pass(run):
    async def main():
        inlet, end = Inlet(), CollectingSink(batch=BatchBy(9, flush_interval=3600))
        async with Pipeline(inlet >> end, clock=ManualClock()) as pipeline:
            await inlet.emit(1)
            assert await pipeline.flush()
            assert end.events == [1]

    run(main())


class Fatal(BaseException):
    """What ends a worker."""


@pytest.mark.parametrize("workers", [1, 3])
def test_a_flush_waits_for_what_has_passed_a_stage_that_fails_meanwhile(run, workers):
    async def main():
        gate, inlet, end = asyncio.Event(), Inlet(), HangingSink()

        @processor(workers=workers)
        async def fails(event):
            if event == 2:
                await gate.wait()
                raise Fatal
            return event

        async with Pipeline(inlet >> fails >> end) as pipeline:
            await inlet.emit(1)
            await end.wait_writing()
            await inlet.emit(2)
            await turns(20)
            flushing = asyncio.create_task(pipeline.flush())
            await turns(20)
            gate.set()
            await until(lambda: pipeline.health().failures)
            await turns(20)
            assert not flushing.done(), "1 is still being written"
            end.release()
            assert await flushing
            assert end.events == [1]
            assert await pipeline.flush(), "nor does a later one wait for the dead"
            report = await pipeline.stop()
        assert report.drained
        assert pipeline.ledger().balanced

    run(main())


@pytest.mark.parametrize("in_flight", [1, 2])
@pytest.mark.parametrize("as_stage", [False, True])
def test_a_flush_ends_when_the_write_fails_that_it_has_begun(run, in_flight, as_stage):
    async def main():
        inlet, gathers = Inlet(), BatchBy(100, flush_interval=3600)

        @sink(max_in_flight=in_flight, batch=None if as_stage else gathers)
        async def fails(events):
            raise Fatal

        stages = gathers >> fails if as_stage else fails
        async with Pipeline(inlet >> stages) as pipeline:
            await inlet.emit(1)
            assert await pipeline.flush()
            report = await pipeline.stop()
        assert report.drained
        assert pipeline.ledger()["fails"].dropped == {"stage_failed": 1}
        assert pipeline.ledger().balanced

    run(main())
