"""A pipeline on a thread of its own, for programs without a loop."""

import asyncio
import concurrent.futures
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from sluiceway import (
    BatchBy,
    ConfigurationError,
    Inlet,
    Pipeline,
    PipelineState,
    PipelineStateError,
    Sink,
    sink,
)
from sluiceway.testing import CollectingSink, HangingSink


def python(code, *, timeout=20):
    """The last lines that a program prints, and how it ended."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.stdout.split("\n")[:-1], done.stderr, done.returncode


def threads_of(name):
    """How many threads run the loop of the pipeline of that name."""
    return [thread.name for thread in threading.enumerate()].count(f"sluiceway-{name}")


def test_a_background_pipeline_takes_events_from_a_program_without_a_loop():
    inlet, end = Inlet(), CollectingSink()
    with Pipeline(inlet >> end).background() as background:
        for n in range(1000):
            assert inlet.emit_nowait(n)
        assert background.flush(5)
        assert end.events == [*range(1000)]
        inlet.emit_nowait("last")
    assert end.events[-1] == "last"
    assert background.pipeline.ledger().balanced


def test_start_and_stop_may_be_called_twice_and_the_thread_ends():
    inlet, end = Inlet(), CollectingSink()
    background = Pipeline(inlet >> end, name="shop").background()
    assert background.start() is background.start()
    assert threads_of("shop") == 1
    assert background.stop().drained
    assert background.stop().drained
    assert threads_of("shop") == 0
    assert background.pipeline.state is PipelineState.STOPPED


def test_a_background_pipeline_starts_again():
    inlet, end = Inlet(), CollectingSink()
    background = Pipeline(inlet >> end).background()
    for n in range(3):
        with background:
            assert inlet.emit_nowait(n)
    assert end.events == [0, 1, 2]


def test_a_second_asyncio_run_finds_it_alive():
    inlet, end = Inlet(), CollectingSink()

    async def emit(n):
        return await inlet.emit(n)

    with Pipeline(inlet >> end).background() as background:
        assert asyncio.run(emit(1))
        assert asyncio.run(emit(2))
        assert background.flush(5)
        assert end.events == [1, 2]


def test_backpressure_reaches_a_loop_on_another_thread():
    inlet, end = Inlet(capacity=5), CollectingSink()

    async def emit():
        for n in range(500):
            assert await inlet.emit(n)

    with Pipeline(inlet >> end).background():
        asyncio.run(asyncio.wait_for(emit(), 10))
    assert end.events == [*range(500)]


def test_a_stage_that_cannot_open_fails_the_start_and_ends_the_thread():
    class Broken(CollectingSink):
        async def open(self, context):
            raise OSError("no such host")

    background = Pipeline(Inlet() >> Broken(), name="shop").background()
    with pytest.raises(OSError, match="no such host"):
        background.start()
    assert threads_of("shop") == 0
    assert background.stop().drained


def test_flushing_what_does_not_run_is_refused():
    background = Pipeline(Inlet() >> CollectingSink()).background()
    with pytest.raises(PipelineStateError, match="does not run"):
        background.flush()


def test_a_stop_returns_in_time_whatever_a_sink_does():
    inlet, end = Inlet(), HangingSink()
    with Pipeline(inlet >> end).background() as background:
        inlet.emit_nowait(1)
        assert not background.flush(0.05)
        report = background.stop(0.1)
    assert report.left == {"hanging_sink": 1}
    assert background.pipeline.ledger().balanced


def test_a_stop_may_be_given_longer_than_a_thread_can_wait():
    background = Pipeline(Inlet() >> CollectingSink()).background().start()
    assert background.stop(1e308).drained


def test_ledger_and_statistics_are_read_from_other_threads_while_it_runs():
    inlet, end = Inlet(), CollectingSink()
    with Pipeline(inlet >> end).background() as background:
        for n in range(2000):
            inlet.emit_nowait(n)
            if n % 100 == 0:
                assert background.pipeline.ledger().balanced
                assert background.pipeline.statistics()
    assert background.pipeline.ledger().delivered == 2000


def test_a_program_that_ends_without_a_stop_is_drained_at_exit():
    out, err, code = python("""
        from sluiceway import Inlet, Pipeline
        from sluiceway.testing import CollectingSink

        class Prints(CollectingSink):
            async def write(self, events):
                print(len(events), flush=True)
            async def close(self):
                print("closed", flush=True)

        inlet = Inlet()
        Background = Pipeline(inlet >> Prints()).background().start()
        for n in range(100):
            inlet.emit_nowait(n)
    """)
    assert sum(map(int, out[:-1])) == 100
    assert out[-1] == "closed"
    assert (err, code) == ("", 0)


def test_the_drain_at_exit_may_still_start_threads_and_look_up_names():
    """A blocking sink and a host name both need a thread after ``main`` has ended."""
    out, err, code = python("""
        import asyncio
        from sluiceway import Inlet, Pipeline, sink
        from sluiceway.testing import CollectingSink

        @sink(blocking=True)
        def on_a_thread(events):
            print("thread", len(events), flush=True)

        class LooksUp(CollectingSink):
            async def write(self, events):
                loop = asyncio.get_running_loop()
                await loop.getaddrinfo("localhost", 80)
                print("name", len(events), flush=True)

        inlet = Inlet()
        background = Pipeline(inlet >> [on_a_thread, LooksUp()]).background().start()
        inlet.emit_nowait(1)
    """)
    assert sorted(out) == ["name 1", "thread 1"]
    assert (err, code) == ("", 0)


def test_a_program_ends_although_a_sink_hangs():
    _, err, code = python("""
        import threading
        from sluiceway import Inlet, Pipeline, sink

        @sink(blocking=True)
        def hangs(events):
            threading.Event().wait()

        inlet = Inlet()
        pipeline = Pipeline(inlet >> hangs, drain_timeout=0.1)
        background = pipeline.background().start()
        inlet.emit_nowait(1)
    """)
    assert "hangs (1)" in err
    assert code == 0


def test_a_program_that_raises_is_drained_and_keeps_its_error():
    out, err, code = python("""
        from sluiceway import Inlet, Pipeline, sink

        @sink
        async def prints(events):
            print(*events, flush=True)

        inlet = Inlet()
        with Pipeline(inlet >> prints).background():
            inlet.emit_nowait("kept")
            raise KeyError("mine")
    """)
    assert out == ["kept"]
    assert "KeyError: 'mine'" in err
    assert code == 1


def test_a_pipeline_that_stops_itself_on_its_thread_is_refused_and_goes_on():
    told = []
    inlet = Inlet()

    @sink
    async def stops(events):
        with pytest.raises(PipelineStateError, match="own thread"):
            background.stop()
        told.extend(events)

    background = Pipeline(inlet >> stops).background()
    with background:
        for n in range(2):
            inlet.emit_nowait(n)
            assert background.flush(10)
    assert told == [0, 1]


def test_a_stage_that_asks_for_a_stop_while_it_stops_is_refused_and_the_stop_drains():
    inlet, told = Inlet(), []

    @sink(batch=BatchBy(flush_interval=3600))
    async def stops(events):
        with pytest.raises(PipelineStateError, match="own thread"):
            background.stop()
        assert background.start() is background
        told.extend(events)

    background = Pipeline(inlet >> stops).background().start()
    inlet.emit_nowait(1)
    assert background.stop().drained
    assert told == [1]


class Blocks(Sink):
    """Keeps the pipeline's event loop, in one of its methods, until it is let go."""

    def __init__(self, method):
        self.name = "blocks"
        self.method = method
        self.blocking_now = threading.Event()
        self.let_go = threading.Event()

    def at(self, method):
        if method == self.method:
            self.blocking_now.set()
            assert self.let_go.wait(20)

    async def write(self, events):
        self.at("write")

    async def close(self):
        self.at("close")


@pytest.mark.parametrize(
    ("method", "left", "stuck"),
    [
        ("write", {"blocks": 1}, ("event loop",)),
        ("close", {}, ("event loop", "blocks")),
    ],
)
def test_a_stop_of_a_blocked_loop_is_in_time_and_names_the_stage(method, left, stuck):
    inlet, end = Inlet(), Blocks(method)
    pipeline = Pipeline(inlet >> end, name="blocked")
    background = pipeline.background().start()
    [thread] = {t for t in threading.enumerate() if t.name == "sluiceway-blocked"}
    try:
        inlet.emit_nowait(1)
        begin = time.monotonic()
        if method == "write":
            assert end.blocking_now.wait(10)
        report = background.stop(0.1)
        ledger = pipeline.ledger()
        assert time.monotonic() - begin < 0.1 + 1.0 + 0.5, "nobody waits for the loop"
        assert (report.drained, report.left, report.stuck) == (False, left, stuck)
        assert ledger.balanced
    finally:
        end.let_go.set()
        thread.join(10)


@pytest.mark.parametrize("timeout", [-1, "soon", True, float("nan")])
def test_a_stop_within_what_is_no_time_is_refused_and_all_goes_on(timeout):
    inlet, end = Inlet(), CollectingSink()
    with Pipeline(inlet >> end).background() as background:
        with pytest.raises(ConfigurationError, match="seconds from 0"):
            background.stop(timeout)
        assert inlet.emit_nowait(1)
    assert end.events == [1]


def test_a_stop_may_wait_for_ever():
    inlet, end = Inlet(), CollectingSink()
    background = Pipeline(inlet >> end, drain_timeout=float("inf")).background().start()
    inlet.emit_nowait(1)
    assert background.stop().drained
    assert end.events == [1]


def test_what_a_program_emits_last_is_in_its_files_and_on_its_terminal(tmp_path):
    """Since Python 3.12 a program that is ending starts no thread."""
    out, err, code = python(
        f"""
        from sluiceway import Inlet, Pipeline
        from sluiceway.sinks import ConsoleSink, JsonLinesSink

        inlet = Inlet()
        file = JsonLinesSink({str(tmp_path / "f")!r})
        Pipeline(inlet >> [ConsoleSink(), file]).background().start()
        inlet.emit_nowait({{"last": 1}})
        """
    )
    assert (out, err, code) == (["{'last': 1}"], "", 0)
    assert (tmp_path / "f").read_text() == '{"last":1}\n'


class Opens(CollectingSink):
    """A sink that takes long to open."""

    def __init__(self):
        super().__init__(name="slow")
        self.opening = threading.Event()

    async def open(self, context):
        self.opening.set()
        await asyncio.Event().wait()


def test_a_start_that_hangs_is_ended_in_time_by_a_stop_from_another_thread():
    slow = Opens()
    background = Pipeline(Inlet() >> slow).background()
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        starting = threads.submit(background.start)
        assert slow.opening.wait(5)
        report = background.stop(0.1)
        assert report.opening == ("slow",)
        with pytest.raises(PipelineStateError, match="stopped while stage slow"):
            starting.result(5)


def test_the_sooner_one_of_two_threads_that_stop_at_once_decides():
    inlet, stuck = Inlet(), HangingSink(name="stuck")
    pipeline = Pipeline(inlet >> stuck)
    background = pipeline.background().start()
    inlet.emit_nowait(1)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        patient = threads.submit(background.stop, 3600)
        while pipeline.state is not PipelineState.DRAINING:
            time.sleep(0.001)
        assert background.stop(0.1).left == {"stuck": 1}
        assert patient.result(5).left == {"stuck": 1}
