"""What a user sees who ends a pipeline before all of its stages have opened."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from waiting import turns

from sluiceway import Inlet, Pipeline, PipelineState, PipelineStateError
from sluiceway.testing import CollectingSink


class Opens(CollectingSink):
    """A sink whose ``open`` hangs until it may go on, and swallows cancellations."""

    def __init__(self, name, *, swallows=0):
        super().__init__(name=name)
        self.swallows = swallows
        self.began = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.diary = []

    async def open(self, context):
        self.diary.append("opens")
        self.began.set()
        while True:
            try:
                await self.may_go_on.wait()
            except asyncio.CancelledError:
                if not self.swallows:
                    raise
                self.swallows -= 1
                if self.swallows:
                    continue
            return

    async def close(self):
        self.diary.append("closes")


async def starting(pipeline, stage):
    task = asyncio.create_task(pipeline.start())
    await stage.began.wait()
    return task


@pytest.mark.parametrize("end", ["stop", "abort"])
def test_a_stage_that_is_cut_off_while_it_opens_is_named_as_still_opening(run, end):
    async def main():
        slow = Opens("slow")
        pipeline = Pipeline(Inlet() >> slow)
        start = await starting(pipeline, slow)
        ending = pipeline.stop(0) if end == "stop" else pipeline.abort()
        report = await ending
        assert report.opening == ("slow",)
        assert report.stuck == ()
        assert str(report) == "cut off; still opening: slow"
        with pytest.raises(PipelineStateError, match="while stage slow was opening"):
            await start
        assert pipeline.state is PipelineState.STOPPED
        assert slow.diary == ["opens", "closes"]

    run(main())


def test_an_open_that_does_not_let_itself_be_ended_is_named_as_that_too(run):
    async def main():
        stubborn = Opens("stubborn", swallows=2)
        pipeline = Pipeline(Inlet() >> stubborn)
        start = await starting(pipeline, stubborn)
        report = await pipeline.abort()
        assert report.opening == report.stuck == ("stubborn",)
        with pytest.raises(PipelineStateError):
            await start
        stubborn.may_go_on.set()
        await turns(2)

    run(main())


def test_no_further_stage_opens_after_one_that_ends_well_when_it_is_cut_off(run):
    async def main():
        second, first = Opens("second"), Opens("first", swallows=1)
        pipeline = Pipeline(Inlet() >> [second, first])
        start = await starting(pipeline, first)
        report = await pipeline.abort()
        assert report.opening == ("first",)
        assert first.diary == ["opens", "closes"]
        assert second.diary == []
        with pytest.raises(PipelineStateError):
            await start

    run(main())


def test_an_open_that_cancels_itself_has_failed_and_is_named(run):
    class Confused(CollectingSink):
        async def open(self, context):
            raise asyncio.CancelledError

    async def main():
        with pytest.raises(PipelineStateError, match="nobody had asked") as failed:
            await Pipeline(Inlet() >> Confused()).start()
        assert failed.value.__notes__ == ["while opening stage confused"]

    run(main())


def test_what_waits_in_an_inlet_is_lost_by_name_when_the_opening_is_cut_off(run):
    async def main():
        slow, inlet = Opens("slow"), Inlet()
        pipeline = Pipeline(inlet >> slow)
        inlet.emit_nowait(1)
        start = await starting(pipeline, slow)
        await pipeline.abort()
        assert not inlet.emit_nowait(2)
        with pytest.raises(PipelineStateError):
            await start
        ledger = pipeline.ledger()
        assert ledger["inlet"].dropped == {"aborted": 1, "closed": 1}
        assert ledger.balanced

    run(main())


def test_what_waits_in_an_inlet_is_sent_by_the_next_start_after_one_that_failed(run):
    class Flaky(CollectingSink):
        failed = False

        async def open(self, context):
            if not self.failed:
                self.failed = True
                raise OSError("not yet")

    async def main():
        end, inlet = Flaky(), Inlet()
        pipeline = Pipeline(inlet >> end)
        inlet.emit_nowait(1)
        with pytest.raises(OSError, match="not yet"):
            await pipeline.start()
        async with pipeline:
            pass
        assert end.events == [1]

    run(main())


def test_a_stop_waits_for_an_opening_that_ends_in_time_and_drains(run):
    async def main():
        slow, inlet = Opens("slow"), Inlet()
        pipeline = Pipeline(inlet >> slow)
        inlet.emit_nowait(1)
        start = await starting(pipeline, slow)
        stop = asyncio.create_task(pipeline.stop())
        await asyncio.sleep(0)
        slow.may_go_on.set()
        report = await stop
        await start
        assert report.drained
        assert report.opening == ()
        assert slow.events == [1]

    run(main())


PROGRAM = """
import asyncio, signal, sys
from sluiceway import Inlet, Pipeline
from sluiceway.testing import CollectingSink
signal.signal(signal.SIGINT, signal.default_int_handler)

def say(*words):
    print(*words, flush=True)

class Hangs(CollectingSink):
    async def open(self, context):
        say("opening")
        await asyncio.Event().wait()

    async def close(self):
        say("closed")

inlet = Inlet()
pipeline = Pipeline(inlet >> Hangs(), drain_timeout=3600, drain_on_sigterm=True)
"""
pytest_posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def signalled(code, number):
    """What a program prints that gets a signal while it opens, and goes on after it."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM + textwrap.dedent(code)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "opening\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=15)
        finally:
            process.kill()
    assert "Traceback" not in err
    assert process.returncode == 0
    return out.splitlines()


@pytest_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_run_opens_closes_at_once_what_was_opened(number):
    lines = signalled(
        """
        say(asyncio.run(pipeline.run()))
        say("goes on")
        """,
        number,
    )
    assert lines == ["closed", "drained; still opening: hangs", "goes on"]


@pytest_posix
def test_a_sigterm_while_async_with_opens_ends_it_as_one_in_the_body_does():
    lines = signalled(
        """
        async def main():
            inlet.emit_nowait(1)
            async with pipeline:
                say("taken", inlet.emit_nowait(2))
                await asyncio.sleep(0)
                say("not here")
            say(pipeline.state.value, asyncio.current_task().cancelling())
            say(pipeline.ledger().lost, pipeline.ledger().balanced)

        asyncio.run(main())
        say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
        """,
        signal.SIGTERM,
    )
    assert lines == ["closed", "taken False", "stopped 0", "2 True", "True"]


@pytest_posix
def test_a_sigterm_while_the_inner_of_two_pipelines_opens_ends_both():
    lines = signalled(
        """
        async def main():
            end, other = CollectingSink(), Inlet()
            outer = Pipeline(other >> end, name="outer", drain_on_sigterm=True)
            async with outer:
                other.emit_nowait(1)
                async with pipeline:
                    await asyncio.sleep(0)
                    say("not here")
                say("nor here")
            say(end.events, outer.state.value)

        asyncio.run(main())
        """,
        signal.SIGTERM,
    )
    assert lines[-1] == "[1] stopped"
    assert "not here" not in lines
