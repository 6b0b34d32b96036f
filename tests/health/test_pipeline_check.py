"""A pipeline's own health is a check like any other."""

from __future__ import annotations

import asyncio

from waiting import until

from sluiceway import Inlet, Pipeline, sink
from sluiceway.config import read
from sluiceway.health import HealthSource, PipelineCheck, pipeline_check, run_check
from sluiceway.testing import CollectingSink, ManualClock


async def found(check):
    status, words, details = await check.function()
    return status.value, words, details


class Broken(Inlet):
    async def run(self, send):
        raise ValueError("password=swordfish")


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


def test_a_pipeline_whose_other_stage_has_failed_finds_itself_unhealthy(run):
    async def main():
        collected, clock = CollectingSink(), ManualClock()
        pipeline = Pipeline(
            HealthSource([PipelineCheck(interval=5)]) >> collected,
            Broken("orders") >> CollectingSink(),
            clock=clock,
        )
        async with pipeline:
            await until(lambda: pipeline.health().failures)
            await clock.advance(0)
            await pipeline.flush()
            return collected.events[0]

    event = run(main())
    assert (event.name, event.status.value) == ("pipeline", "unhealthy")
    assert event.message == "failed for good: orders"


def test_a_file_s_pipeline_checks_itself(run):
    text = """
chains = ["health >> alerts"]
[stages.health]
type = "HealthSource"
checks = [{ name = "itself", pipeline = true }]
[stages.alerts]
type = "ConsoleSink"
"""

    async def main():
        pipeline = read(text).pipeline
        (source,) = pipeline.sources()
        async with pipeline:
            await until(lambda: source.report().checks["itself"].time_unix_nano)
            return source.report()

    report = run(main())
    assert report.ready
    assert report.checks["itself"].message == "the pipeline is running"


def test_one_check_may_be_in_several_pipelines(run):
    check = PipelineCheck()

    async def main():
        found, clock = [], ManualClock()
        broken = Pipeline(
            HealthSource([check]) >> CollectingSink(),
            Broken("orders") >> CollectingSink(),
            clock=clock,
        )
        well = Pipeline(HealthSource([check]) >> CollectingSink(), clock=clock)
        async with broken, well:
            await until(lambda: broken.health().failures)
            await clock.advance(0)
            for pipeline in (broken, well):
                await pipeline.flush()
                source = pipeline.sources()[0]
                found.append(source.report().status.value)
        return found

    assert run(main()) == ["unhealthy", "healthy"]


def test_outside_of_a_pipeline_nothing_is_known_of_it(run):
    result = run(run_check(PipelineCheck()))
    assert (result.status.value, result.message) == (
        "unknown",
        "it is part of no pipeline",
    )
