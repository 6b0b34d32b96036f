"""A fork with the parent's backlog full: each process sends its own events, once."""

import os
import subprocess
import sys
import textwrap

import pytest

from sluiceway import Pipeline
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

PRELUDE = """
import asyncio, os, sys, threading, traceback
from sluiceway import Inlet, Pipeline, PipelineState, Queue
from sluiceway.testing import CollectingSink, SlowSink

def in_child(work):
    child = os.fork()
    if child:
        return child
    try:
        work()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

def ended_well(child):
    return os.waitpid(child, 0)[1] == 0
"""


def outcome(code):
    """What a program prints; it must end well and say nothing else."""
    program = PRELUDE + textwrap.dedent(code)
    done = subprocess.run(
        # Python 3.12 warns of every fork beside a thread; here that is the point.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.split("\n")[:-1]


def test_a_child_of_a_background_pipeline_sends_its_own_events_only():
    """The parent loses nothing, and its loop still wakes up afterwards."""
    lines = outcome("""
    inlet, end = Inlet(capacity=100), SlowSink(queue=Queue(capacity=10))
    pipeline = Pipeline(inlet >> end)
    background = pipeline.background().start()
    full = [("parent", n) for n in range(1000) if inlet.emit_nowait(("parent", n))]

    def child():
        assert len(inlet) == 0
        assert pipeline.state is PipelineState.NEW
        assert pipeline.ledger().delivered == pipeline.ledger().held == 0
        end.clear()
        end.release()
        for n in range(50):
            assert inlet.emit_nowait(("child", n))
        assert background.flush(10)
        assert end.events == [("child", n) for n in range(50)], end.events
        assert background.stop().drained
        assert pipeline.ledger().delivered == 50
        assert pipeline.ledger().balanced

    print(ended_well(in_child(child)))
    end.release()
    assert background.flush(10)
    print(end.events == full, len(full) >= 100)
    for n in range(20):
        assert inlet.emit_nowait(("later", n))
        assert background.flush(10), "the parent's loop must still wake up"
    print(end.events[-1], background.stop(), pipeline.ledger().balanced)
    """)
    assert lines == ["True", "True True", "('later', 19) drained True"]


def test_the_order_in_which_a_child_is_told_of_a_fork_does_not_matter():
    """Many pipelines, so that no accident of addresses hides a wrong order."""
    lines = outcome("""
    inlets, backgrounds, ends = [], [], []
    for n in range(20):
        inlets.append(Inlet())
        ends.append(CollectingSink())
        backgrounds.append(Pipeline(inlets[-1] >> ends[-1]).background().start())

    def child():
        for inlet in inlets:
            assert inlet.emit_nowait("child")
        for background, end in zip(backgrounds, ends):
            assert background.flush(10)
            assert end.events == ["child"], end.events
            background.stop()

    print(ended_well(in_child(child)))
    for inlet, background, end in zip(inlets, backgrounds, ends):
        inlet.emit_nowait("parent")
        background.stop()
        assert end.events == ["parent"]
    print("parent too")
    """)
    assert lines == ["True", "parent too"]


def test_a_child_of_an_embedded_pipeline_runs_it_on_a_loop_of_its_own():
    lines = outcome("""
    inlet, end = Inlet(), CollectingSink()
    pipeline = Pipeline(inlet >> end)

    def child():
        async def main():
            async with pipeline:
                assert await inlet.emit("child")
        threading.Thread(target=lambda: asyncio.run(main())).start()
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
        assert end.events == ["child"], end.events

    async def main():
        async with pipeline:
            for n in range(100):
                inlet.emit_nowait(n)
            print(await asyncio.to_thread(ended_well, in_child(child)))
            await asyncio.to_thread(inlet.emit_nowait, "woken")
            await end.wait_for(101)
        print(end.events == [*range(100), "woken"], pipeline.ledger().balanced)

    asyncio.run(main())
    """)
    assert lines == ["True", "True True"]


def test_a_child_that_emits_nothing_and_exits_harms_nobody():
    lines = outcome("""
    inlet, end = Inlet(), CollectingSink()
    background = Pipeline(inlet >> end).background().start()
    child = os.fork()
    if not child:
        sys.exit(0)
    print(ended_well(child))
    inlet.emit_nowait(1)
    print(background.flush(5), end.events, background.stop())
    """)
    assert lines == ["True", "True [1] drained"]


def test_a_child_that_emits_and_exits_is_drained_at_its_exit():
    lines = outcome("""
    class Prints(CollectingSink):
        async def write(self, events):
            print(*events, flush=True)

    inlet = Inlet()
    background = Pipeline(inlet >> Prints()).background().start()
    child = os.fork()
    if not child:
        inlet.emit_nowait("from the child")
        sys.exit(0)
    assert ended_well(child)
    inlet.emit_nowait("from the parent")
    """)
    assert lines == ["from the child", "from the parent"]


def test_a_child_of_a_child_does_the_same():
    lines = outcome("""
    inlet, end = Inlet(), CollectingSink()
    background = Pipeline(inlet >> end).background().start()

    def emit(who):
        end.clear()
        assert inlet.emit_nowait(who)
        assert background.flush(10)
        assert end.events == [who], end.events

    def child():
        emit("child")
        assert ended_well(in_child(grandchild))
        emit("child again")
        background.stop()

    def grandchild():
        emit("grandchild")
        background.stop()

    emit("parent")
    print(ended_well(in_child(child)))
    emit("parent again")
    print(background.stop())
    """)
    assert lines == ["True", "drained"]


@pytest.mark.parametrize("exits", ["os._exit(0)", "sys.exit(0)"])
def test_a_child_leaves_the_connections_of_its_parent_alone(exits):
    source, received = OtlpSource(port=0, ack="delivered"), CollectingSink()
    program = """
    from sluiceway import Span
    from sluiceway.sinks import OtlpSink

    inlet = Inlet()
    to = OtlpSink(URL)
    background = Pipeline(inlet >> to, drain_timeout=5).background().start()

    def emit(who):
        inlet.emit_nowait(Span(name=who, trace_id=b"t" * 16, span_id=b"s" * 8))
        return background.flush(5)

    print(emit("parent"))
    child = os.fork()
    if not child:
        emit("child")
        background.stop()
        EXITS
    print(ended_well(child), emit("parent again"), background.stop())
    """
    with Pipeline(source >> received).background():
        url = f'"http://127.0.0.1:{source.port}"'
        lines = outcome(program.replace("URL", url).replace("EXITS", exits))
    assert lines[-2:] == ["True", "True True drained"]
    assert [span.name for span in received.events] == [
        *("parent", "child", "parent again")
    ]
