"""The backend's own pipeline is a health check that tells where trouble is."""

from __future__ import annotations

import asyncio

from waiting import until

from flext_observability.pipeline_health import RECENT, PipelineWatch
from sluiceway import (
    Inlet,
    PermanentError,
    Pipeline,
    Queue,
    Retry,
    TransientError,
    sink,
)
from sluiceway.testing import CollectingSink, ManualClock


def looked(pipeline, now=0.0, watch=None):
    return (watch or PipelineWatch(lambda: pipeline)).look(now)


def test_nothing_is_known_before_there_is_a_pipeline():
    assert looked(None)[:2] == ("unknown", "the pipeline has not been started")
    assert looked(Pipeline(Inlet() >> CollectingSink()))[0] == "unknown"


def test_it_is_healthy_while_it_runs_and_unhealthy_when_it_is_stopped(run):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        async with pipeline:
            running = looked(pipeline)
        return running, looked(pipeline)

    running, stopped = run(main())
    assert running == ("healthy", "the pipeline is running", {"state": "running"})
    assert stopped[:2] == ("unhealthy", "the pipeline is stopped")


def test_a_stage_that_failed_is_named_without_its_error(run):
    class Broken(Inlet):
        async def run(self, send):
            raise ValueError("password=swordfish")

    async def main():
        other = Inlet("other") >> CollectingSink()
        pipeline = Pipeline(Broken("orders") >> CollectingSink(), other)
        async with pipeline:
            await pipeline.flush()
            return looked(pipeline)

    status, words, details = run(main())
    assert (status, words) == ("unhealthy", "failed for good: orders")
    assert "swordfish" not in repr(details)


def test_losses_degrade_for_a_minute_and_are_told_to_everybody_meanwhile(run):
    @sink(name="refuses")
    async def refuses(events):
        raise PermanentError("no")

    async def main():
        inlet = Inlet("orders")
        pipeline = Pipeline(inlet >> refuses)
        watch = PipelineWatch(lambda: pipeline)
        async with pipeline:
            before = looked(pipeline, 0.0, watch)
            await inlet.emit(1)
            await pipeline.flush()
            times = (1.0, 2.0, RECENT, RECENT + 2)
            return before, [looked(pipeline, now, watch) for now in times]

    before, found = run(main())
    assert before[0] == "healthy"
    assert [status for status, *_ in found] == [*["degraded"] * 3, "healthy"]
    assert "events were lost by refuses" in found[0][1]
    assert found[0][2]["lost_events"] == ["refuses"]


def test_an_endpoint_that_is_dead_degrades_before_anything_is_lost(run):
    @sink(name="dead", retry=Retry(initial=0.0))
    async def dead(events):
        if not alive:
            raise TransientError("nobody is there")

    alive = []

    async def main():
        inlet, clock = Inlet("orders"), ManualClock()
        pipeline = Pipeline(inlet >> dead, clock=clock)
        async with pipeline:
            await inlet.emit(1)
            await until(lambda: any(s.retries for s in pipeline.statistics()))
            found = looked(pipeline)
            alive.append(True)
            flushed = asyncio.create_task(pipeline.flush())
            while not flushed.done():
                await clock.advance(1)
            return found

    status, words, details = run(main())
    assert (status, words) == ("degraded", "no success at once in dead")
    assert details == {"state": "running", "unreached": ["dead"]}


def test_a_queue_with_hardly_any_room_degrades_while_it_has_none(run):
    async def main():
        gate = asyncio.Event()

        @sink(name="slow", queue=Queue(capacity=10))
        async def slow(events):
            await gate.wait()

        inlet = Inlet("orders")
        pipeline = Pipeline(inlet >> slow)
        async with pipeline:
            await inlet.emit_many(range(9))
            await until(
                lambda: any((s.queue_used or 0) >= 9 for s in pipeline.statistics())
            )
            full = looked(pipeline)
            gate.set()
            await pipeline.flush()
            return full, looked(pipeline)

    full, empty = run(main())
    assert full[:2] == ("degraded", "hardly any room in front of slow")
    assert empty[0] == "healthy"
