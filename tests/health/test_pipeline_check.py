"""A pipeline's own health is a check like any other."""

from __future__ import annotations

import asyncio

from waiting import until

from sluiceway import Inlet, Pipeline, sink
from sluiceway.health import HealthSource, pipeline_check
from sluiceway.testing import CollectingSink, ManualClock


async def found(check):
    status, words, details = await check.function()
    return status.value, words, details


def test_a_pipeline_is_healthy_while_it_runs(run):
    gate = asyncio.Event()

    @sink
    async def slow(events):
        await gate.wait()

    async def main():
        inlet = Inlet()
        pipeline = Pipeline(inlet >> slow)
        check = pipeline_check(pipeline, interval=5)
        answers = [await found(check)]
        async with pipeline:
            answers.append(await found(check))
            await inlet.emit(1)
            stopping = asyncio.create_task(pipeline.stop())
            await until(lambda: pipeline.state.value != "running")
            answers.append(await found(check))
            gate.set()
            await stopping
        answers.append(await found(check))
        return check, answers

    check, answers = run(main())
    assert (check.name, check.interval, check.failures) == ("pipeline", 5, 1)
    assert [(status, words) for status, words, _ in answers] == [
        ("unknown", "the pipeline is new"),
        ("healthy", "the pipeline is running"),
        ("degraded", "the pipeline is draining"),
        ("unhealthy", "the pipeline is stopped"),
    ]


def test_a_stage_that_failed_is_named_without_its_error(run):
    class Broken(Inlet):
        async def run(self, send):
            raise ValueError("password=swordfish")

    async def main():
        other = Inlet() >> CollectingSink()
        pipeline = Pipeline(Broken("orders") >> CollectingSink(), other)
        async with pipeline:
            await pipeline.flush()
            return await found(pipeline_check(pipeline))

    assert run(main()) == (
        "unhealthy",
        "failed for good: orders",
        {"state": "running", "failed": ["orders"]},
    )


def test_a_pipeline_checks_itself(run):
    async def main():
        collected, clock = CollectingSink(), ManualClock()
        source = HealthSource([pipeline_check(lambda: pipeline, "itself")])
        pipeline = Pipeline(source >> collected, clock=clock)
        async with pipeline:
            await clock.advance(0)
            await pipeline.flush()
            return collected.events[0]

    event = run(main())
    assert (event.name, event.status.value) == ("itself", "healthy")
