"""From open to close: what a user of ``async with`` and ``run`` sees."""

import asyncio
import contextlib

import anyio
import pytest
from waiting import turns, until

from sluiceway import (
    Accumulator,
    BatchBy,
    Inlet,
    Pipeline,
    PipelineFailedError,
    PipelineState,
    PipelineStateError,
    Sink,
    Source,
    processor,
    source,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, HangingSink, SlowSink


class Diary:
    """Stages that write down when they are opened and closed."""

    def __init__(self):
        self.lines = []

    def sink(self, name, **faults):
        return self.noted(CollectingSink(name=name), name, **faults)

    def source(self, name, **faults):
        return self.noted(Inlet(name), name, **faults)

    def noted(self, stage, name, error=None, close_error=None):
        opened = stage.open

        async def open_noted(context):
            self.lines.append(f"open {name}")
            if error is not None:
                raise error
            await opened(context)

        async def close_noted():
            self.lines.append(f"close {name}")
            if close_error is not None:
                raise close_error

        stage.open, stage.close = open_noted, close_noted
        return stage


def test_sinks_open_before_sources_and_close_after_them(run):
    diary = Diary()
    pipeline = Pipeline(diary.source("in") >> [diary.sink("left"), diary.sink("right")])

    async def main():
        async with pipeline:
            assert diary.lines[-1] == "open in"
            assert {*diary.lines[:2]} == {"open left", "open right"}
            diary.lines.clear()

    run(main())
    assert diary.lines[0] == "close in"
    assert {*diary.lines[1:]} == {"close left", "close right"}


def test_a_stage_is_opened_and_closed_once_wherever_it_appears(run):
    diary = Diary()
    end = diary.sink("out")
    run(Pipeline(*[IterableSource([n]) >> end for n in range(3)]).run())
    assert diary.lines == ["open out", "close out"]


def test_when_one_stage_fails_to_open_the_others_are_closed_and_it_is_named(run):
    diary = Diary()
    fault = OSError("no such host")
    pipeline = Pipeline(
        diary.source("first") >> diary.sink("good"),
        diary.source("broken", error=fault) >> diary.sink("fine"),
    )

    async def main():
        with pytest.raises(OSError, match="no such host") as failed:
            async with pipeline:
                pytest.fail("the body must not run")
        assert failed.value is fault
        assert any("broken" in note for note in failed.value.__notes__)
        opened = [line[5:] for line in diary.lines if line.startswith("open")]
        closed = [line[6:] for line in diary.lines if line.startswith("close")]
        assert opened[-1] == "broken"
        assert closed == opened[-2::-1]
        assert pipeline.state is PipelineState.STOPPED

    run(main())


def test_a_pipeline_that_failed_to_open_can_be_started_again(run):
    attempts = []

    class Flaky(CollectingSink):
        async def open(self, context):
            attempts.append(1)
            if len(attempts) == 1:
                raise OSError("not yet")

    async def main():
        end, inlet = Flaky(), Inlet()
        pipeline = Pipeline(inlet >> end)
        with pytest.raises(OSError, match="not yet"):
            await pipeline.start()
        async with pipeline:
            await inlet.emit(1)
        assert end.events == [1]

    run(main())


def test_a_start_that_is_cancelled_closes_what_it_opened(run):
    class Slow(CollectingSink):
        async def open(self, context):
            opening.set()
            await asyncio.Event().wait()

    opening = asyncio.Event()
    diary = Diary()

    async def main():
        pipeline = Pipeline(
            diary.source("in") >> [diary.sink("quick"), CollectingSink(name="other")],
            IterableSource([1]) >> Slow(),
        )
        starting = asyncio.create_task(pipeline.start())
        await opening.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert pipeline.state is PipelineState.STOPPED
        opened = {line[5:] for line in diary.lines if line.startswith("open")}
        closed = {line[6:] for line in diary.lines if line.startswith("close")}
        assert opened == closed

    run(main())


def test_an_exit_stack_may_leave_a_pipeline_that_was_started(run):
    async def main():
        end, inlet = CollectingSink(), Inlet()
        pipeline = Pipeline(inlet >> end)
        async with contextlib.AsyncExitStack() as stack:
            await pipeline.start()
            stack.push_async_exit(pipeline)
            inlet.emit_nowait(1)
        assert end.events == [1]
        assert pipeline.state is PipelineState.STOPPED

    run(main())


def test_a_start_that_is_cancelled_again_and_again_leaves_nothing_open(run):
    """As an anyio scope does, which cancels at every wait."""

    class SlowToClose(CollectingSink):
        async def close(self):
            await turns(5)
            closed.append(self)

    class NeverOpens(Inlet):
        async def open(self, context):
            await asyncio.Event().wait()

    closed = []

    async def main():
        end = SlowToClose()
        pipeline = Pipeline(NeverOpens() >> end)
        with anyio.move_on_after(0.01) as scope:
            await pipeline.start()
        assert scope.cancelled_caught
        assert closed == [end]
        assert pipeline.state is PipelineState.STOPPED

    run(main())


def test_starting_twice_is_refused_and_harms_nothing(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end, name="shop")
        async with pipeline:
            with pytest.raises(PipelineStateError, match="shop is running"):
                await pipeline.start()
            with pytest.raises(PipelineStateError, match="shop is running"):
                async with pipeline:
                    pytest.fail("entered twice")
            await inlet.emit(1)
            await end.wait_for(1)
        assert end.events == [1]

    run(main())


def test_two_starts_at_once_make_one_pipeline(run):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        results = await asyncio.gather(
            pipeline.start(), pipeline.start(), return_exceptions=True
        )
        assert results[0] is None
        assert isinstance(results[1], PipelineStateError)
        await pipeline.stop()

    run(main())


def test_leaving_drains_everything_that_was_taken_in(run):
    async def main():
        inlet, end = Inlet(), CollectingSink(batch=BatchBy(64, flush_interval=3600))
        async with Pipeline(inlet >> end):
            for n in range(1000):
                assert inlet.emit_nowait(n)
        assert end.events == [*range(1000)]

    run(main())


def test_run_serves_until_the_sources_end(run):
    async def main():
        end = CollectingSink()
        pipeline = Pipeline(IterableSource(range(10)) >> BatchBy(4) >> end)
        report = await pipeline.run()
        assert report.drained
        assert str(report) == "drained"
        assert end.events == [*range(10)]
        assert pipeline.state is PipelineState.STOPPED

    run(main())


def test_the_state_tells_where_a_pipeline_stands(run):
    async def main():
        end, inlet = SlowSink(), Inlet()
        pipeline = Pipeline(inlet >> end)
        assert pipeline.state is PipelineState.NEW
        await pipeline.start()
        assert pipeline.state is PipelineState.RUNNING
        assert pipeline.health().healthy
        await inlet.emit(1)
        await end.wait_writing()
        stopping = asyncio.create_task(pipeline.stop())
        await asyncio.sleep(0)
        assert pipeline.state is PipelineState.DRAINING
        assert "draining" in repr(pipeline)
        end.release()
        await stopping
        assert pipeline.state is PipelineState.STOPPED
        assert not pipeline.health().healthy

    run(main())


def test_stopping_has_two_phases_intake_first_then_drain(run):
    """The inlet refuses at once; what was taken in is delivered all the same."""

    async def main():
        end, inlet = SlowSink(), Inlet()
        pipeline = Pipeline(inlet >> end)
        async with pipeline:
            await inlet.emit_many(range(5))
            await end.wait_writing()
            stopping = asyncio.create_task(pipeline.stop())
            await turns(10)
            assert not inlet.emit_nowait("late")
            assert not await inlet.emit("late")
            assert await inlet.emit_many(["late"] * 3) == 0
            end.release()
            assert (await stopping).drained
        assert end.events == [*range(5)]
        assert pipeline.ledger()["inlet"].dropped == {"closed": 5}
        assert pipeline.ledger().balanced

    run(main())


def test_a_send_that_is_blocked_when_intake_stops_books_its_events_as_stopped(run):
    @source
    async def endless():
        while True:
            yield [1, 2, 3]

    async def main():
        end = SlowSink()
        end.queue = type(end.queue)(capacity=3)
        pipeline = Pipeline(endless >> end)
        async with pipeline:
            await end.wait_writing()
            await turns(10)
            stopping = asyncio.create_task(pipeline.stop())
            await asyncio.sleep(0)
            end.release()
            await stopping
        ledger = pipeline.ledger()
        assert ledger["endless"].dropped == {"stopped": 3}
        assert ledger.balanced

    run(main())


def test_a_second_stop_gives_the_same_report(run):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        await pipeline.start()
        first, second = await asyncio.gather(pipeline.stop(), pipeline.stop())
        assert first is second
        assert await pipeline.stop() is first
        assert await pipeline.abort() is first
        assert await pipeline.wait() is first

    run(main())


def test_stopping_what_never_ran_is_harmless(run):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        assert (await pipeline.stop()).drained
        assert (await pipeline.abort()).drained
        with pytest.raises(PipelineStateError, match="start it first"):
            await pipeline.wait()
        with pytest.raises(PipelineStateError, match="start it first"):
            await pipeline.flush()

    run(main())


def test_a_pipeline_starts_again_after_a_stop_and_its_ledger_goes_on(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> BatchBy(10) >> end)
        for n in range(3):
            async with pipeline:
                assert await inlet.emit(n)
            assert not inlet.emit_nowait("between")
        assert end.events == [0, 1, 2]
        ledger = pipeline.ledger()
        assert ledger.delivered == 3
        assert ledger["inlet"].dropped == {"closed": 3}
        assert ledger.balanced

    run(main())


def test_a_pipeline_runs_on_one_loop_after_another():
    inlet, end = Inlet(), CollectingSink()
    pipeline = Pipeline(inlet >> end)

    async def main(event):
        async with pipeline:
            await inlet.emit(event)

    for n in range(3):
        asyncio.run(main(n))
    assert end.events == [0, 1, 2]


def test_abort_cuts_off_at_once_and_says_what_was_lost(run):
    async def main():
        inlet, end = Inlet(), HangingSink()
        pipeline = Pipeline(inlet >> end, drain_timeout=3600)
        async with pipeline:
            await inlet.emit_many(range(7))
            await end.wait_writing()
            async with asyncio.timeout(1):
                report = await pipeline.abort()
        assert not report.drained
        assert report.left == {"hanging_sink": 7}
        assert "hanging_sink (7)" in str(report)
        assert pipeline.ledger()["hanging_sink"].dropped == {"aborted": 7}
        assert pipeline.ledger().balanced

    run(main())


def test_an_abort_cuts_a_drain_short(run):
    async def main():
        inlet, end = Inlet(), HangingSink()
        pipeline = Pipeline(inlet >> end, drain_timeout=3600)
        await pipeline.start()
        await inlet.emit(1)
        await end.wait_writing()
        stopping = asyncio.create_task(pipeline.stop())
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            report = await pipeline.abort()
            assert await stopping is report
        assert pipeline.ledger()["hanging_sink"].dropped == {"aborted": 1}

    run(main())


# What the user's own code meets.


class MishapError(Exception):
    pass


def test_an_exception_in_the_body_passes_unchanged_and_everything_is_drained(run):
    inlet, end = Inlet(), CollectingSink()
    fault = MishapError("mine")

    async def main():
        async with Pipeline(inlet >> end):
            inlet.emit_nowait(1)
            raise fault

    with pytest.raises(MishapError) as raised:
        run(main())
    assert raised.value is fault
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert end.events == [1]


def test_a_failing_source_neither_cancels_the_body_nor_stops_the_others(run):
    @source
    async def broken():
        yield [1]
        raise MishapError("the disk is gone")

    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(broken >> end, inlet >> end)
        async with pipeline:
            await end.wait_for(1)
            await until(lambda: pipeline.health().failures)
            assert not pipeline.health().healthy
            assert "the disk is gone" in pipeline.health().failures["broken"]
            await inlet.emit(2)
            await end.wait_for(2)
            report = await pipeline.stop()
        assert report.failures == {"broken": "the disk is gone"}
        assert report.drained

    run(main())


def test_run_raises_the_failure_of_a_source_after_draining(run):
    end = CollectingSink()

    @source
    async def broken():
        yield [1, 2]
        raise MishapError("gone")

    with pytest.raises(
        PipelineFailedError, match="stage broken failed: gone"
    ) as failed:
        run(Pipeline(broken >> end).run())
    assert isinstance(failed.value.__cause__, MishapError)
    assert end.events == [1, 2]


class SilentError(Exception):
    """Its text fails as well."""

    def __str__(self):
        raise self


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(), r"ValueError\(\)"),
        (KeyError("size"), r"KeyError\('size'\)"),
        (SilentError(), "SilentError"),
    ],
)
def test_a_failure_without_words_of_its_own_is_told_by_its_kind(run, error, said):
    class Wordless(Source):
        async def run(self, send):
            raise error

    with pytest.raises(PipelineFailedError, match=f"stage wordless failed: {said}"):
        run(Pipeline(Wordless() >> CollectingSink()).run())


class Broken(Accumulator):
    """A stage that breaks its worker: a deadline that is no time."""

    def add(self, events, now):
        return []

    def next_deadline(self):
        return "soon"


def test_a_failing_worker_shows_in_health_and_report_and_the_others_go_on(run):
    async def main():
        inlet, end, other = Inlet(), CollectingSink(), CollectingSink(name="other")
        pipeline = Pipeline(inlet >> [Broken() >> end, other])
        async with pipeline:
            await inlet.emit_many(range(5))
            await other.wait_for(5)
            assert "TypeError" in pipeline.health().failures["broken"]
            await inlet.emit_many(range(5))
            await other.wait_for(10)
            report = await pipeline.stop()
        assert report.drained
        assert "str" in report.failures["broken"]
        ledger = pipeline.ledger()
        assert ledger["broken"].dropped == {"stage_failed": 10}
        assert ledger["other"].delivered == 10
        assert ledger.balanced

    run(main())


def test_run_raises_the_failure_of_a_worker_after_draining(run):
    other = CollectingSink()
    chain = IterableSource(range(5)) >> [Broken() >> CollectingSink(), other]
    with pytest.raises(PipelineFailedError, match="stage broken failed"):
        run(Pipeline(chain).run())
    assert other.events == [*range(5)]


def test_a_cancelled_body_drains_and_stays_cancelled(run):
    async def main():
        inlet, end = Inlet(), SlowSink()

        async def body():
            async with Pipeline(inlet >> end):
                await inlet.emit(1)
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await end.wait_writing()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        task.cancel()
        await turns(5)
        assert not task.done(), "a cancelled body must not cancel the drain"
        end.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert end.events == [1]

    run(main())


def test_a_timeout_round_the_body_drains_and_times_out(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()

        async def body():
            async with asyncio.timeout(None) as bound, Pipeline(inlet >> end):
                await inlet.emit(1)
                bound.reschedule(asyncio.get_running_loop().time())
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await body()
        assert end.events == [1]

    run(main())


def test_an_anyio_scope_round_the_body_drains_and_is_cancelled(run):
    async def main():
        inlet, end = Inlet(), SlowSink()
        with anyio.CancelScope() as scope:
            async with Pipeline(inlet >> end):
                await inlet.emit(1)
                await end.wait_writing()
                asyncio.get_running_loop().call_later(0.02, end.release)
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert end.events == [1]

    run(main())


def test_an_anyio_scope_inside_the_body_is_left_alone(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        async with Pipeline(inlet >> end):
            with anyio.move_on_after(0) as scope:
                await anyio.sleep_forever()
            assert scope.cancelled_caught
            await inlet.emit(1)
        assert end.events == [1]

    run(main())


def test_a_task_group_round_the_body_sees_the_users_exception_alone(run):
    async def main():
        async with asyncio.TaskGroup(), Pipeline(Inlet() >> CollectingSink()):
            raise MishapError("mine")

    with pytest.raises(ExceptionGroup) as raised:
        run(main())
    assert [type(error) for error in raised.value.exceptions] == [MishapError]


def test_two_pipelines_may_be_left_in_another_order_than_they_were_entered(run):
    async def main():
        first_in, second_in = Inlet(), Inlet()
        first_end, second_end = CollectingSink(), CollectingSink()
        first = Pipeline(first_in >> first_end)
        second = Pipeline(second_in >> second_end)
        await first.__aenter__()
        await second.__aenter__()
        await first_in.emit(1)
        await first.__aexit__(None, None, None)
        await second_in.emit(2)
        await second.__aexit__(None, None, None)
        assert (first_end.events, second_end.events) == ([1], [2])

    run(main())


def test_a_pipeline_entered_in_one_task_may_be_left_in_another(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        await asyncio.create_task(pipeline.__aenter__())
        await inlet.emit(1)
        await asyncio.create_task(pipeline.__aexit__(None, None, None))
        assert end.events == [1]

    run(main())


def test_a_loop_that_ends_without_a_stop_leaves_balanced_books():
    inlet, end = Inlet(), HangingSink()
    pipeline = Pipeline(inlet >> end)

    async def careless():
        await pipeline.start()
        await inlet.emit_many(range(5))
        await end.wait_writing()

    asyncio.run(careless())
    assert pipeline.state is PipelineState.STOPPED
    ledger = pipeline.ledger()
    assert ledger.balanced
    assert ledger.held == 0
    assert ledger.lost == 5


def test_a_pipeline_starts_again_after_its_loop_ended_without_a_stop():
    inlet, end = Inlet(), CollectingSink()
    pipeline = Pipeline(inlet >> end)

    async def main():
        async with pipeline:
            assert await inlet.emit(2)

    asyncio.run(pipeline.start())
    asyncio.run(main())
    assert end.events == [2]


def test_a_keyboard_interrupt_in_a_stage_ends_the_program_with_balanced_books():
    @processor
    def interrupted(event):
        raise KeyboardInterrupt

    inlet = Inlet()
    pipeline = Pipeline(inlet >> interrupted >> CollectingSink())

    async def main():
        async with pipeline:
            await inlet.emit(1)
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert pipeline.ledger().balanced
    assert pipeline.ledger().lost == 1


def test_a_source_that_raises_a_cancellation_of_its_own_has_failed(run):
    class Odd(Source):
        async def run(self, send):
            raise asyncio.CancelledError

    async def main():
        pipeline = Pipeline(Odd() >> CollectingSink())
        with pytest.raises(PipelineFailedError, match="odd"):
            await pipeline.run()

    run(main())


def test_statistics_show_each_stage_from_any_thread(run):
    async def main():
        inlet, end = Inlet(), SlowSink()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit_many(range(3))
            await end.wait_writing()
            shown = await asyncio.to_thread(pipeline.statistics)
            by_name = {stage.name: stage for stage in shown}
            assert by_name["inlet"].outgoing == 3
            assert by_name["slow_sink"].held == 3
            assert by_name["slow_sink"].queue_used == 3
            assert (await asyncio.to_thread(pipeline.ledger)).held == 3
            end.release()
        after = {stage.name: stage for stage in pipeline.statistics()}
        assert after["slow_sink"].outgoing == 3
        assert after["slow_sink"].latency > 0

    run(main())


def test_a_sink_of_any_kind_sees_no_event_after_it_was_closed(run):
    class Strict(Sink):
        closed = False

        async def write(self, events):
            assert not self.closed

        async def close(self):
            self.closed = True

    end = Strict()
    pipeline = Pipeline(IterableSource(range(5000)) >> end)
    run(pipeline.run())
    assert end.closed
    assert pipeline.ledger()["strict"].delivered == 5000
