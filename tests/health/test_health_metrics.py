"""The results of checks as metrics, as Prometheus reads them."""

from __future__ import annotations

import subprocess

import pytest
from servers import processes
from servers.contexts import opened

from sluiceway import Pipeline
from sluiceway.events import HealthCheck, HealthStatus, MetricKind, Resource, Span
from sluiceway.formats.prometheus_text import exposition
from sluiceway.health import HealthMetrics
from sluiceway.sinks.latest import LatestState
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, check_processor
from sluiceway.testing import run as run_stage

SHOP = Resource({"service.name": "shop"})
DOWN = HealthCheck(
    name="database", status=HealthStatus.UNHEALTHY, time_unix_nano=5, duration=0.25
)
UP = HealthCheck(name="cache", status=HealthStatus.HEALTHY, time_unix_nano=6)


def values(points, name):
    return {
        (p.attributes["health.check.name"], p.attributes.get("health.check.state")): (
            p.value
        )
        for p in points
        if p.name == name
    }


def test_a_result_is_a_set_of_states_a_duration_and_a_count(run):
    points = run(run_stage(HealthMetrics(resource=SHOP), [DOWN, DOWN])).outputs
    assert values(points, "health.check.status") == {
        ("database", "healthy"): 0,
        ("database", "degraded"): 0,
        ("database", "unhealthy"): 1,
        ("database", "unknown"): 0,
    }
    assert values(points, "health.check.duration") == {("database", None): 0.25}
    assert values(points, "health.check.results") == {("database", "unhealthy"): 2}
    by_name = {point.name: point for point in points}
    status, results = by_name["health.check.status"], by_name["health.check.results"]
    assert (status.kind, status.is_monotonic) == (MetricKind.SUM, False)
    assert (results.kind, results.is_monotonic) == (MetricKind.SUM, True)
    assert {point.time_unix_nano for point in points} == {5}
    assert results.start_time_unix_nano > 0
    assert {id(point.resource) for point in points} == {id(SHOP)}


def test_the_metrics_are_about_what_the_pipeline_is_about(run):
    async def main():
        metrics = HealthMetrics()
        async with opened(metrics, SHOP):
            return metrics.process([UP])

    assert all(point.resource is SHOP for point in run(main()))


def test_the_last_result_of_a_check_makes_room_for_another():
    metrics = HealthMetrics()
    for number in range(3000):
        for is_last in (False, True):
            name, time = f"job-{number}", 1000 + number
            check = HealthCheck(name=name, time_unix_nano=time, is_last=is_last)
            points = metrics.process([check])
            expected = None if is_last else 1
            found = values(points, "health.check.results")
            assert found[name, "unknown"] == expected
    again = metrics.process([HealthCheck(name="job-7", time_unix_nano=9000)])
    (count,) = [p for p in again if p.name == "health.check.results"]
    assert (count.value, count.start_time_unix_nano) == (1, 3999)


def test_a_check_that_is_not_run_any_more_leaves_the_page():
    metrics, state = HealthMetrics(), LatestState()
    last = HealthCheck(name="database", is_last=True, time_unix_nano=7)
    for checks in ([DOWN, UP], [last]):
        state.update(metrics.process(checks))
    shown = {point.attributes["health.check.name"] for point in state.points()}
    assert shown == {"cache"}


def test_what_is_no_health_check_is_rejected_alone(run):
    span = Span(name="a", trace_id=b"t" * 16, span_id=b"s" * 8)
    odd = HealthCheck(name="odd", status="purple")

    async def main():
        sink = CollectingSink()
        source = IterableSource([UP, span, odd, DOWN])
        pipeline = Pipeline(source >> HealthMetrics(name="metrics") >> sink)
        await pipeline.run()
        return pipeline.ledger(), sink.events

    ledger, points = run(main())
    assert ledger.balanced
    rejected = ledger.stages["metrics"].rejected
    assert rejected == {"not_a_health_check": 1, "ValueError": 1}
    assert len(points) == 12


def test_the_number_of_checks_is_bounded(run):
    events = [HealthCheck(name=str(n)) for n in range(2001)]
    result = run(run_stage(HealthMetrics(), events))
    assert [*result.failures] == [2000]
    assert result.failures[2000].reason == "too_many_checks"


def test_it_does_what_the_engine_relies_on():
    check_processor(HealthMetrics, [UP, DOWN])


def page_of(run, **settings):
    points = run(run_stage(HealthMetrics(resource=SHOP), [UP, DOWN])).outputs
    return exposition(points, **settings)


def test_prometheus_is_told_by_names_that_fit(run):
    page = page_of(run)
    assert page.left_out == {}
    text = page.body.decode()
    state = 'health_check_name="database",health_check_state="unhealthy"'
    for line in (
        "# TYPE health_check_status gauge",
        f"health_check_status{{{state}}} 1.0",
        'health_check_duration_seconds{health_check_name="database"} 0.25',
        f"health_check_results_total{{{state}}} 1.0",
    ):
        assert line in text


@pytest.mark.servers
def test_promtool_finds_nothing_wrong_with_them(run):
    done = subprocess.run(
        [processes.require("promtool"), "check", "metrics"],
        input=page_of(run).body,
        capture_output=True,
        check=False,
    )
    told = done.stdout.decode() + done.stderr.decode()
    assert (done.returncode, told) == (0, "")
