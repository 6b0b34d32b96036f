from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path

import pytest
from waiting import until

from sluiceway import Pipeline
from sluiceway.events import MetricKind
from sluiceway.instrument import Telemetry
from sluiceway.instrument.process import memory_sizes, threads_of
from sluiceway.testing import CollectingSink

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc")


@pytest.fixture
def telemetry():
    telemetry = Telemetry("shop")
    telemetry.observe_runtime()
    return telemetry


def collected(telemetry):
    """The points by name and the values of their attributes."""
    return {(p.name, *p.attributes.values()): p for p in telemetry.collect()}


@needs_proc
def test_the_process_is_measured_by_the_conventions_names(telemetry):
    points = collected(telemetry)
    names = {(p.name, p.unit, p.kind, p.is_monotonic) for p in points.values()}
    assert names == {
        ("process.cpu.time", "s", MetricKind.SUM, True),
        ("process.context_switches", "{context_switch}", MetricKind.SUM, True),
        ("process.paging.faults", "{fault}", MetricKind.SUM, True),
        ("process.memory.usage", "By", MetricKind.SUM, False),
        ("process.memory.virtual", "By", MetricKind.SUM, False),
        ("process.thread.count", "{thread}", MetricKind.SUM, False),
        (
            "process.unix.file_descriptor.count",
            "{file_descriptor}",
            MetricKind.SUM,
            False,
        ),
        ("cpython.gc.collections", "{collection}", MetricKind.SUM, True),
        ("cpython.gc.collected_objects", "{object}", MetricKind.SUM, True),
        ("cpython.gc.uncollectable_objects", "{object}", MetricKind.SUM, True),
    }
    assert {p.scope.name for p in points.values()} == {"sluiceway.runtime"}
    assert points["process.cpu.time", "user"].attributes == {"cpu.mode": "user"}
    assert points["process.cpu.time", "user"].value > 0
    used, virtual = (points[f"process.memory.{n}",] for n in ("usage", "virtual"))
    assert 0 < used.value < virtual.value


@needs_proc
def test_open_files_and_threads_are_counted(telemetry):
    gc.collect()
    before = collected(telemetry)
    first, second = os.pipe()
    released = threading.Event()
    started = [threading.Thread(target=released.wait) for _ in range(5)]
    for thread in started:
        thread.start()
    after = collected(telemetry)
    released.set()
    for thread in started:
        thread.join()
    os.close(first)
    os.close(second)
    files, threads = ("process.unix.file_descriptor.count",), ("process.thread.count",)
    assert after[files].value == before[files].value + 2
    # threads of earlier tests may have ended meanwhile
    assert before[threads].value < after[threads].value <= before[threads].value + 5


def test_the_garbage_collector_is_counted_by_generation(telemetry):
    before = collected(telemetry)
    gc.collect(2)
    after = collected(telemetry)
    key = ("cpython.gc.collections", 2)
    assert after[key].value > before[key].value
    assert after[key].attributes == {"cpython.gc.generation": 2}


def test_a_programs_name_with_brackets_does_not_confuse(telemetry):
    rest = " ".join(str(number) for number in range(3, 25))
    assert threads_of(f"7 (a) b (c) {rest}") == 20
    assert threads_of("") is None
    assert memory_sizes("") == []


def test_the_event_loop_is_watched_while_the_pipeline_runs(telemetry):
    telemetry.observe_runtime()  # again: it changes nothing
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink) as pipeline:
            await until(lambda: telemetry.metrics._watchers[0]._timer is not None)
            block_the_loop()
            await until(lambda: delays(telemetry))
            await pipeline.flush()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
    points = {point.name: point for point in sink.events}
    delay = points["asyncio.eventloop.delay"]
    assert delay.value.count >= 1
    assert delay.value.max > 0.01
    assert points["asyncio.task.count"].value >= 2
    assert telemetry.metrics._watchers[0]._timer is None
    assert "asyncio.task.count" not in {p.name for p in telemetry.collect()}


def block_the_loop():
    time.sleep(0.15)


def exit_of(child):
    return os.waitpid(child, 0)[1]


def delays(telemetry):
    return [p for p in telemetry.collect() if p.name == "asyncio.eventloop.delay"]


def test_a_pipeline_that_runs_already_is_watched_from_the_call_on():
    telemetry = Telemetry("shop")

    async def main():
        async with Pipeline(telemetry.metrics >> CollectingSink()):
            await until(lambda: telemetry.metrics._loop is not None)
            telemetry.observe_runtime()
            await until(lambda: delays(telemetry))

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12 warns
def test_a_forked_child_does_not_watch_its_parents_loop(telemetry):
    async def main():
        async with Pipeline(telemetry.metrics >> CollectingSink()):
            await until(lambda: telemetry.metrics._watchers[0]._timer is not None)
            child = os.fork()
            if child == 0:
                names = {p.name for p in telemetry.collect()}
                os._exit("asyncio.task.count" in names)
            return exit_of(child)

    assert asyncio.run(main()) == 0
