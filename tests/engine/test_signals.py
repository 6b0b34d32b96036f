"""Real signals to real processes: drained, aborted, or killed unasked."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

PRELUDE = """
import asyncio, os, signal, sys, threading
from sluiceway import Inlet, Pipeline, source
from sluiceway.testing import CollectingSink, HangingSink, SlowSink

def say(*words):
    print(*words, flush=True)

class Says(CollectingSink):
    async def write(self, events):
        say("writing")
        await super().write(events)

inlet, end = Inlet(), Says()
# a shell's background job starts with SIGINT ignored, and so would its children
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


class Program:
    """A Python program in a process of its own, read line by line."""

    def __init__(self, code):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def expect(self, words):
        line = self.process.stdout.readline().strip()
        assert line == words, (line, self.rest() if not line else "")

    def signal(self, number):
        self.process.send_signal(number)

    def rest(self):
        out, err = self.process.communicate(timeout=15)
        return out.strip(), err.strip(), self.process.returncode


@pytest.fixture
def program():
    programs = []

    def start(code):
        programs.append(Program(code))
        return programs[-1]

    yield start
    for each in programs:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_run_drains_on_a_signal(program, number):
    running = program("""
    async def main():
        pipeline = Pipeline(inlet >> end)
        inlet.emit_nowait(1)
        asyncio.get_running_loop().call_later(0, tell)
        report = await pipeline.run()
        say(report, end.events, pipeline.ledger().lost)

    def tell():
        inlet.emit_nowait(2)

    asyncio.run(main())
    """)
    running.expect("writing")
    running.signal(number)
    out, err, code = running.rest()
    assert out.splitlines()[-1] == "drained [1, 2] 0"
    assert (err, code) == ("", 0)


@BOTH
def test_a_second_signal_aborts_a_run(program, number):
    running = program("""
    class Stuck(HangingSink):
        async def write(self, events):
            say("writing")
            await super().write(events)

    async def main():
        end = Stuck(name="stuck")
        pipeline = Pipeline(inlet >> end, drain_timeout=3600)
        inlet.emit_nowait(1)
        running = asyncio.create_task(pipeline.run())
        while pipeline.state.value != "draining":
            await asyncio.sleep(0.001)
        say("draining")
        report = await running
        say(report)

    asyncio.run(main())
    """)
    running.expect("writing")
    running.signal(number)
    running.expect("draining")
    running.signal(number)
    out, err, code = running.rest()
    assert out == "cut off; still busy with events: stuck (1)"
    assert code == 0
    assert "stuck" in err


def test_a_sigterm_inside_async_with_drains_if_asked_to(program):
    """The body is cancelled, everything is delivered, the program goes on."""
    running = program("""
    async def main():
        async with Pipeline(inlet >> end, drain_on_sigterm=True) as pipeline:
            inlet.emit_nowait(1)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                inlet.emit_nowait(2)
                raise
        say(end.events, pipeline.ledger().lost)

    asyncio.run(main())
    say("goes on")
    """)
    running.expect("writing")
    running.signal(signal.SIGTERM)
    out, err, code = running.rest()
    assert out.splitlines()[-2:] == ["[1, 2] 0", "goes on"]
    assert (err, code) == ("", 0)


def test_a_second_sigterm_inside_async_with_cuts_the_drain_off(program):
    running = program("""
    class Stuck(HangingSink):
        async def write(self, events):
            say("writing")
            await super().write(events)

    async def main():
        end = Stuck()
        pipeline = Pipeline(inlet >> end, drain_on_sigterm=True, drain_timeout=3600)
        async with pipeline:
            inlet.emit_nowait(1)
            try:
                await asyncio.Event().wait()
            finally:
                say("draining")
        say(pipeline.ledger().losses["stuck"])

    asyncio.run(main())
    """)
    running.expect("writing")
    running.signal(signal.SIGTERM)
    running.expect("draining")
    running.signal(signal.SIGTERM)
    out, _, code = running.rest()
    assert "'dropped{aborted}': 1" in out
    assert code == 0


def test_a_sigterm_while_a_body_that_has_ended_is_drained_changes_nothing(program):
    running = program("""
    async def main():
        end = SlowSink()
        pipeline = Pipeline(inlet >> end, drain_on_sigterm=True)
        async with pipeline:
            inlet.emit_nowait(1)
            await end.wait_writing()
            asyncio.get_running_loop().call_later(0.3, end.release)
            say("the body ends")
        say(end.events)

    asyncio.run(main())
    say("goes on")
    """)
    running.expect("the body ends")
    running.signal(signal.SIGTERM)
    out, err, code = running.rest()
    assert out.splitlines() == ["[1]", "goes on"]
    assert (err, code) == ("", 0)


def test_without_being_asked_a_sigterm_kills_the_process(program):
    running = program("""
    async def main():
        async with Pipeline(inlet >> end):
            inlet.emit_nowait(1)
            await asyncio.Event().wait()

    asyncio.run(main())
    """)
    running.expect("writing")
    running.signal(signal.SIGTERM)
    _, _, code = running.rest()
    assert code == -signal.SIGTERM


def test_a_keyboard_interrupt_inside_async_with_drains_and_ends_the_program(program):
    running = program("""
    async def main():
        async with Pipeline(inlet >> end) as pipeline:
            inlet.emit_nowait(1)
            try:
                await asyncio.Event().wait()
            finally:
                inlet.emit_nowait(2)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        say("interrupted", end.events)
    """)
    running.expect("writing")
    running.signal(signal.SIGINT)
    out, _, _ = running.rest()
    assert out.splitlines()[-1] == "interrupted [1, 2]"


def test_two_pipelines_that_drain_on_sigterm_both_do(program):
    """The inner one is left first, and the signal still ends the outer body."""
    running = program("""
    async def main():
        other_in, other_end = Inlet(), CollectingSink()
        outer = Pipeline(other_in >> other_end, name="outer", drain_on_sigterm=True)
        inner = Pipeline(inlet >> end, name="inner", drain_on_sigterm=True)
        async with outer:
            async with inner:
                inlet.emit_nowait(1)
                await asyncio.Event().wait()
            say("not here")
        other_in.emit_nowait("late")
        say(end.events, outer.state.value, inner.state.value)

    asyncio.run(main())
    """)
    running.expect("writing")
    running.signal(signal.SIGTERM)
    out, err, code = running.rest()
    assert out == "[1] stopped stopped"
    assert (err, code) == ("", 0)


def test_a_pipeline_drains_on_sigterm_after_another_one_was_left(program):
    running = program("""
    async def main():
        outer = Pipeline(inlet >> end, drain_on_sigterm=True)
        async with outer:
            async with Pipeline(Inlet() >> CollectingSink(), drain_on_sigterm=True):
                pass
            inlet.emit_nowait(1)
            await asyncio.Event().wait()
        say(end.events, outer.state.value)

    asyncio.run(main())
    """)
    running.expect("writing")
    running.signal(signal.SIGTERM)
    out, err, code = running.rest()
    assert out == "[1] stopped"
    assert (err, code) == ("", 0)


@pytest.mark.parametrize("order", ["first, second", "second, first"])
def test_the_signal_handlers_of_the_program_are_given_back(program, order):
    running = program(f"""
    import signal
    def mine(*_):
        say("mine")
    signal.signal(signal.SIGTERM, mine)

    async def main():
        first = Pipeline(Inlet() >> CollectingSink(), drain_on_sigterm=True)
        second = Pipeline(Inlet() >> CollectingSink(), drain_on_sigterm=True)
        await first.__aenter__()
        await second.__aenter__()
        for each in ({order}):
            await each.__aexit__(None, None, None)
        say(signal.getsignal(signal.SIGTERM) is mine)
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(main())
    """)
    out, err, code = running.rest()
    assert out.splitlines() == ["True", "mine"]
    assert (err, code) == ("", 0)


def test_a_pipeline_that_could_not_start_gives_the_handlers_back(program):
    running = program("""
    import signal

    class Broken(CollectingSink):
        async def open(self, context):
            raise OSError("no")

    async def main():
        pipeline = Pipeline(inlet >> Broken(), drain_on_sigterm=True)
        try:
            async with pipeline:
                pass
        except OSError:
            say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

    asyncio.run(main())
    """)
    assert running.rest()[0] == "True"


def test_entering_twice_keeps_the_first_ones_handler(program):
    running = program("""
    from sluiceway import PipelineStateError

    async def main():
        pipeline = Pipeline(inlet >> end, drain_on_sigterm=True)
        async with pipeline:
            try:
                async with pipeline:
                    pass
            except PipelineStateError:
                say("refused")
            inlet.emit_nowait(1)
            await asyncio.Event().wait()
        import signal
        say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

    asyncio.run(main())
    """)
    running.expect("refused")
    running.expect("writing")
    running.signal(signal.SIGTERM)
    out, err, code = running.rest()
    assert out == "True"
    assert (err, code) == ("", 0)


def test_on_another_thread_than_the_main_one_signals_are_left_alone(program):
    running = program("""
    def work():
        asyncio.run(main())

    async def main():
        pipeline = Pipeline(inlet >> end, drain_on_sigterm=True)
        async with pipeline:
            inlet.emit_nowait(1)
            await end.wait_for(1)
        say((await Pipeline(source(lambda: [2])() >> end).run()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    """)
    out, err, _ = running.rest()
    assert out.splitlines()[-1] == "drained"
    assert err == ""
