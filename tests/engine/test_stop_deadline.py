"""``stop(timeout)`` returns within the timeout and a second, whatever stages do."""

import asyncio
import threading
import time

import pytest
from waiting import turns, until

from sluiceway import (
    BatchBy,
    Inlet,
    Pipeline,
    Processor,
    Queue,
    Sink,
    Source,
    processor,
    sink,
    source,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, HangingSink

TIMEOUT = 0.1


async def stopped(pipeline, timeout=TIMEOUT):
    """The report, and a check of the promise."""
    begun = time.monotonic()
    report = await pipeline.stop(timeout)
    assert time.monotonic() - begun < timeout + 1.0
    return report


@pytest.fixture
def release():
    """Lets go of what a test has made hang, so that it leaves nothing behind."""
    event = threading.Event()
    yield event
    event.set()


async def let_go(*sinks):
    for end in sinks:
        end.release()
    current = asyncio.current_task()
    while others := asyncio.all_tasks() - {current}:
        await asyncio.wait(others, timeout=5)


@pytest.mark.parametrize("batch", [None, BatchBy(4, flush_interval=3600)])
@pytest.mark.parametrize("in_flight", [1, 2])
@pytest.mark.parametrize("swallow", [False, True])
def test_a_sink_that_hangs_or_swallows_cancellation_is_named_and_left(
    run, batch, in_flight, swallow
):
    """Also what waited for its batch is booked, and every delivery resolves."""

    class Sends(Source):
        wants_delivery = True
        deliveries = ()

        async def run(self, send):
            self.deliveries = [await send(range(3)) for _ in range(5)]

    async def main():
        end = HangingSink(
            swallow_cancellation=swallow, batch=batch, max_in_flight=in_flight
        )
        begin = Sends()
        pipeline = Pipeline(begin >> end)
        await pipeline.start()
        await end.wait_writing()
        report = await stopped(pipeline)
        assert not report.drained
        assert report.left == {"hanging_sink": 15}
        assert report.stuck == (("hanging_sink",) if swallow else ())
        assert "hanging_sink (15)" in str(report)
        ledger = pipeline.ledger()
        assert ledger["hanging_sink"].dropped == {"drain_timeout": 15}
        assert ledger.balanced
        assert ledger.held == 0
        assert all(d.outcome.dropped == 3 for d in begin.deliveries)
        await let_go(end)
        assert pipeline.ledger() == ledger, "late news changes nothing"

    run(main())


class SwallowsOnce(CollectingSink):
    """Finishes the write that is cancelled, and would hang in the next one."""

    async def write(self, events):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await super().write(events)


@pytest.mark.parametrize("batch", [BatchBy(1), BatchBy(2, flush_interval=3600)])
def test_a_write_that_swallows_its_end_is_delivered_and_no_other_begins(run, batch):
    async def main():
        end = SwallowsOnce(name="end")
        end.batch = batch
        pipeline = Pipeline(IterableSource(range(5)) >> end)
        await pipeline.start()
        await turns(20)
        report = await stopped(pipeline)
        assert report.stuck == ()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        ledger = pipeline.ledger()
        assert ledger["end"].delivered == len(end.events) > 0
        assert ledger["end"].dropped == {"drain_timeout": 5 - len(end.events)}
        assert ledger.balanced

    run(main())


def test_a_write_that_is_cancelled_before_it_begins_is_answered_for(run):
    """An abort comes between the making of one write and its start."""

    class Sends(Source):
        wants_delivery = True

        async def run(self, send):
            self.outcome = await (await send(range(9)))

    async def main():
        aborts = []

        @sink(batch=BatchBy(1), max_in_flight=2)
        async def end(events):
            if not aborts:
                aborts.append(asyncio.create_task(pipeline.abort()))
            await asyncio.sleep(0)

        begin = Sends()
        pipeline = Pipeline(begin >> end)
        await pipeline.start()
        await pipeline.wait()
        await asyncio.wait(aborts)
        books = pipeline.ledger()["end"]
        assert books.held == 0
        assert books.delivered + books.dropped["aborted"] == 9
        assert pipeline.ledger().balanced
        await let_go()

    run(main())


class SwallowsAndHangs(Processor):
    """Swallows one cancellation in whatever it does."""

    async def process(self, events):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()
        return events


def test_a_stage_that_swallows_one_cancellation_is_cancelled_again_when_it_is_left(run):
    async def main():
        inlet = Inlet()
        stages = SwallowsAndHangs() >> CollectingSink()
        async with Pipeline(inlet >> stages) as pipeline:
            await inlet.emit(1)
            await turns(20)
            report = await stopped(pipeline)
        assert report.stuck == ("swallows_and_hangs",)
        assert pipeline.ledger().balanced
        await let_go()

    run(main())


def test_a_sink_that_blocks_a_thread_is_named_and_left(run, release):
    class Blocks(Sink):
        blocking = True

        def write(self, events):
            writing.set()
            release.wait(30)

    writing = threading.Event()

    async def main():
        pipeline = Pipeline(IterableSource(range(5)) >> Blocks())
        await pipeline.start()
        await asyncio.to_thread(writing.wait)
        report = await stopped(pipeline)
        assert report.left == {"blocks": 5}
        assert pipeline.ledger()["blocks"].dropped == {"drain_timeout": 5}
        assert pipeline.ledger().balanced

    run(main())


def test_a_thread_that_returns_after_its_loop_has_closed_ends(release):
    class Blocks(Sink):
        blocking = True

        def write(self, events):
            self.thread = threading.current_thread()
            writing.set()
            release.wait(30)

    writing, end = threading.Event(), Blocks()

    async def main():
        async with Pipeline(IterableSource([1]) >> end, drain_timeout=0):
            await asyncio.to_thread(writing.wait)

    asyncio.run(main())
    assert end.thread.is_alive()
    release.set()
    end.thread.join(5)
    assert not end.thread.is_alive()


def test_a_processor_in_the_middle_of_a_row_is_named_by_its_own_name(run):
    let_it_go = asyncio.Event()

    @processor
    def quick(event):
        return event

    @processor
    async def stubborn(event):
        while not let_it_go.is_set():
            try:
                await let_it_go.wait()
            except asyncio.CancelledError:
                continue
        return event

    async def main():
        pipeline = Pipeline(
            IterableSource([1, 2]) >> quick >> stubborn >> CollectingSink()
        )
        await pipeline.start()
        await until(lambda: pipeline.ledger()["stubborn"].held)
        report = await stopped(pipeline)
        assert report.left == {"stubborn": 2}
        assert report.stuck == ("stubborn",)
        assert pipeline.ledger()["stubborn"].dropped == {"drain_timeout": 2}
        let_it_go.set()
        await let_go()
        assert pipeline.ledger().balanced

    run(main())


def test_an_accumulator_with_a_stubborn_stage_behind_it_books_what_it_holds(run):
    let_it_go = asyncio.Event()

    class Stubborn(Processor):
        async def process(self, events):
            while not let_it_go.is_set():
                try:
                    await let_it_go.wait()
                except asyncio.CancelledError:
                    continue
            return events

    async def main():
        chain = IterableSource(range(5)) >> BatchBy(3, flush_interval=3600)
        pipeline = Pipeline(chain >> Stubborn() >> CollectingSink())
        await pipeline.start()
        await until(lambda: pipeline.ledger()["stubborn"].held)
        report = await stopped(pipeline)
        assert report.left == {"batch_by": 2, "stubborn": 3}
        ledger = pipeline.ledger()
        assert ledger.held == 0
        assert ledger.lost == 5
        assert ledger.balanced
        let_it_go.set()
        await let_go()
        assert pipeline.ledger().balanced

    run(main())


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_source_that_does_not_end_is_named(run, stubborn):
    let_it_go = asyncio.Event()

    class Endless(Source):
        def stop(self):
            return not stubborn

        async def run(self, send):
            while not let_it_go.is_set():
                try:
                    await let_it_go.wait()
                except asyncio.CancelledError:
                    if not stubborn:
                        raise

    async def main():
        pipeline = Pipeline(Endless() >> CollectingSink())
        async with pipeline:
            report = await stopped(pipeline)
        assert not report.drained
        assert report.left == {"endless": 0}
        assert report.stuck == (("endless",) if stubborn else ())
        let_it_go.set()
        await let_go()

    run(main())


def test_what_a_source_sends_after_it_was_given_up_is_booked_as_stopped(run):
    let_it_go = asyncio.Event()

    class Late(Source):
        async def run(self, send):
            while not let_it_go.is_set():
                try:
                    await let_it_go.wait()
                except asyncio.CancelledError:
                    continue
            await send([1, 2, 3])

    async def main():
        end = CollectingSink()
        pipeline = Pipeline(Late() >> end)
        async with pipeline:
            await stopped(pipeline)
        let_it_go.set()
        await let_go()
        assert end.events == []
        assert pipeline.ledger()["late"].dropped == {"stopped": 3}
        assert pipeline.ledger().balanced

    run(main())


class HangsToClose(CollectingSink):
    def __init__(self, *, stubborn=False, **settings):
        super().__init__(**settings)
        self.stubborn = stubborn
        self.let_go = asyncio.Event()
        self.closing = asyncio.Event()

    async def close(self):
        self.closing.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_close_that_hangs_is_named_and_left(run, stubborn):
    async def main():
        end, inlet = HangsToClose(stubborn=stubborn, name="door"), Inlet()
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            await inlet.emit(1)
            report = await stopped(pipeline)
        assert report.drained, "what was taken in had been delivered in time"
        assert report.stuck == ("door",)
        assert end.events == [1]
        end.let_go.set()
        await let_go()

    run(main())


def test_a_close_that_hangs_after_the_sources_ended_is_cut_off_by_a_stop(run):
    async def main():
        end = HangsToClose()
        pipeline = Pipeline(IterableSource([1]) >> end)
        await pipeline.start()
        await end.closing.wait()
        report = await stopped(pipeline)
        assert report.drained
        assert report.stuck == ("hangs_to_close",)
        await let_go()

    run(main())


def test_a_close_that_hangs_is_cut_off_by_an_abort(run):
    async def main():
        end = HangsToClose()
        pipeline = Pipeline(IterableSource([1]) >> end)
        await pipeline.start()
        await end.closing.wait()
        async with asyncio.timeout(1):
            report = await pipeline.abort()
        assert report.stuck == ("hangs_to_close",)
        await let_go()

    run(main())


def test_one_close_that_hangs_keeps_no_other_from_closing(run):
    class Notes(CollectingSink):
        closed = False

        async def close(self):
            self.closed = True

    async def main():
        notes = [Notes(name=f"n{i}") for i in range(3)]
        ends = [HangsToClose(name="h1"), *notes, HangsToClose(name="h2")]
        async with Pipeline(Inlet() >> ends) as pipeline:
            report = await stopped(pipeline)
        assert {*report.stuck} == {"h1", "h2"}
        assert all(note.closed for note in notes)
        await let_go()

    run(main())


def test_closes_that_hang_have_one_moment_however_many_they_are(run):
    async def main():
        ends = [HangsToClose(name=f"h{i}") for i in range(150)]
        async with Pipeline(Inlet() >> ends) as pipeline:
            report = await stopped(pipeline)
        assert len(report.stuck) == 150
        await let_go()

    run(main())


@pytest.mark.parametrize("error", [OSError("the door is jammed"), SystemExit(3)])
def test_a_close_that_raises_is_logged_and_the_others_are_closed(run, caplog, error):
    class Slams(CollectingSink):
        async def close(self):
            raise error

    class Notes(CollectingSink):
        closed = False

        async def close(self):
            self.closed = True

    async def main():
        ends = [Slams(name="left"), Notes(), Slams(name="right")]
        async with Pipeline(Inlet() >> ends) as pipeline:
            report = await stopped(pipeline)
        assert report.drained
        assert ends[1].closed

    run(main())
    assert "left" in caplog.text
    assert "right" in caplog.text
    assert type(error).__name__ in caplog.text


def test_a_second_stop_with_a_sooner_deadline_counts(run):
    async def main():
        end = HangingSink()
        pipeline = Pipeline(IterableSource([1]) >> end)
        await pipeline.start()
        await end.wait_writing()
        patient = asyncio.create_task(pipeline.stop(3600))
        await asyncio.sleep(0)
        report = await stopped(pipeline)
        assert await patient is report
        assert report.left == {"hanging_sink": 1}

    run(main())


def test_a_second_stop_with_a_later_deadline_does_not_prolong_the_first(run):
    async def main():
        end = HangingSink()
        pipeline = Pipeline(IterableSource([1]) >> end)
        await pipeline.start()
        await end.wait_writing()
        begun = time.monotonic()
        await asyncio.gather(pipeline.stop(TIMEOUT), pipeline.stop(3600))
        assert time.monotonic() - begun < TIMEOUT + 1

    run(main())


@pytest.mark.parametrize("timeout", [0, 0.0])
def test_a_stop_without_time_cuts_off_at_once(run, timeout):
    async def main():
        end = HangingSink()
        pipeline = Pipeline(IterableSource([1]) >> end)
        await pipeline.start()
        await end.wait_writing()
        async with asyncio.timeout(1):
            report = await pipeline.stop(timeout)
        assert report.left == {"hanging_sink": 1}

    run(main())


def test_leaving_takes_at_most_the_drain_timeout_and_a_second(run):
    async def main():
        end = HangingSink(swallow_cancellation=True)
        begun = time.monotonic()
        async with Pipeline(IterableSource([1]) >> end, drain_timeout=TIMEOUT):
            await end.wait_writing()
        assert time.monotonic() - begun < TIMEOUT + 1.5
        await let_go(end)

    run(main())


def test_a_blocked_chain_of_queues_is_named_stage_by_stage(run):
    @source
    async def endless():
        while True:
            yield [0]

    @processor(queue=Queue(capacity=3))
    def step(event):
        return event

    async def main():
        end = HangingSink(queue=Queue(capacity=2))
        pipeline = Pipeline(endless >> step >> end)
        await pipeline.start()
        await end.wait_writing()
        await turns(50)
        report = await stopped(pipeline)
        assert report.left["hanging_sink"] == 2
        assert report.left["step"] == 3
        ledger = pipeline.ledger()
        assert ledger.balanced
        assert ledger["endless"].dropped == {"stopped": 1}

    run(main())


def test_an_open_that_hangs_does_not_keep_a_stop_from_returning(run):
    class Hangs(CollectingSink):
        async def open(self, context):
            opening.set()
            await asyncio.Event().wait()

    opening = asyncio.Event()

    async def main():
        pipeline = Pipeline(Inlet() >> Hangs())
        starting = asyncio.create_task(pipeline.start())
        await opening.wait()
        report = await stopped(pipeline)
        assert not report.drained
        assert report.opening == ("hangs",)
        with pytest.raises(Exception, match="hangs"):
            await starting

    run(main())


@pytest.mark.parametrize("ending", ["stop", "abort"])
def test_what_waits_in_an_inlet_is_told_with_what_was_left(run, ending):
    """The report and the ledger tell of the same losses."""

    async def main():
        end, inlet = HangingSink(queue=Queue(capacity=3)), Inlet()
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            await inlet.emit_many(range(3))
            await end.wait_writing()
            await inlet.emit_many(range(20))
            await until(lambda: not len(inlet))
            await inlet.emit_many(range(7))
            report = await (pipeline.abort() if ending == "abort" else pipeline.stop(0))
        assert report.left == {"inlet": 27, "hanging_sink": 3}
        ledger = pipeline.ledger()
        dropped = {
            name: sum(each.dropped.values()) for name, each in ledger.stages.items()
        }
        assert dropped == report.left

    run(main())


def test_a_source_that_cannot_count_keeps_no_stage_from_closing(run):
    class Uncountable(Inlet):
        def held(self):
            if pipeline.state.value == "draining":
                raise ValueError("how many?")
            return super().held()

    async def main():
        async with pipeline:
            await pipeline.stages["in"].emit(1)
            await end.wait_writing()
            await pipeline.stop(0)
        assert end.opened_by is None

    end = HangingSink()
    pipeline = Pipeline(Uncountable("in") >> end)
    run(main())
