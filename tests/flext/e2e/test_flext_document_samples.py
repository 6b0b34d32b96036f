"""Every sample that the FLEXT document calls right runs as it stands, and succeeds."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from document_samples import names_of

from flext_observability import FlextBackend, FlextObservabilityConfig
from flext_observability.backend import PROCESS
from flext_observability.compat import install, uninstall
from sluiceway.testing import CollectingSink

SIGNALS = ("traces", "metrics", "alerts", "health")
CONFIG = FlextObservabilityConfig(export_interval=3600.0)


@pytest.fixture(autouse=True)
def flext_core_can_be_imported():
    install().unwrap()
    yield
    uninstall()


@pytest.fixture
def recorded():
    """The process's backend; what it has sent, by signal, once ``sent`` is called."""
    sinks = {signal: CollectingSink() for signal in SIGNALS}
    backend = FlextBackend(CONFIG, sinks={name: [sinks[name]] for name in SIGNALS})
    before = PROCESS.use(backend)

    def sent():
        backend.flush().unwrap()
        return SimpleNamespace(**{name: sinks[name].events for name in SIGNALS})

    yield sent
    PROCESS.use(before)
    backend.stop().unwrap()


def totals(points):
    """The latest value of each metric, over all of its series."""
    latest = {}
    for point in points:
        latest[point.name, tuple(sorted(point.attributes.items()))] = point.value
    names = {name for name, _ in latest}
    return {
        name: sum(value for key, value in latest.items() if key[0] == name)
        for name in names
    }


def test_the_metrics_pattern_records_what_it_is_given(recorded):
    collect = names_of("metrics_pattern")["enterprise_metrics_collection"]
    config = {
        "requests": {"value": 3.0, "unit": "count"},
        "queue.depth": {"value": -2.5, "unit": "items"},
        "errors": {},
    }
    metrics = asyncio.run(collect("shop", config)).unwrap()
    assert [(each.name, each.value, each.unit) for each in metrics] == [
        ("requests", 3.0, "count"),
        ("queue.depth", -2.5, "items"),
        ("errors", 0.0, "count"),
    ]
    asyncio.run(collect("shop", config)).unwrap()
    sums = totals(recorded().metrics)
    assert (sums["requests"], sums["queue.depth"]) == (6.0, -2.5)


def test_the_metrics_pattern_fails_as_it_says(recorded):
    collect = names_of("metrics_pattern")["enterprise_metrics_collection"]
    for service, config in [("", {"a": {}}), ("shop", {})]:
        result = asyncio.run(collect(service, config))
        assert result.error == "Invalid metrics collection configuration"
    result = asyncio.run(collect("shop", {"a": {"value": "many"}}))
    assert result.error.startswith("Metric creation failed: value is 'many'")


def test_the_pipeline_pattern_collects_traces_and_evaluates(recorded):
    monitor = names_of("pipeline_pattern")["collect_monitor_alert"]
    config = {"latency": {"value": 0.5, "unit": "s"}, "errors": {"value": 3}}
    thresholds = {"latency": 0.2, "errors": 5}
    answer = asyncio.run(monitor("shop", config, thresholds)).unwrap()
    assert [each.name for each in answer["collected_metrics"]] == ["latency", "errors"]
    assert {each.tags["service"] for each in answer["collected_metrics"]} == {"shop"}
    assert re.fullmatch("[0-9a-f]{32}", answer["trace_id"])
    assert answer["alerts_triggered"] == ["latency"]
    sums = totals(recorded().metrics)
    assert (sums["latency"], sums["errors"]) == (0.5, 3)


def test_the_pipeline_pattern_fails_as_it_says(recorded):
    monitor = names_of("pipeline_pattern")["collect_monitor_alert"]
    result = asyncio.run(monitor("", {}, {}))
    assert result.error.startswith("Metrics collection failed: ")


def test_the_type_annotations_are_those_of_a_coroutine():
    collect = names_of("type_annotations")["collect_system_metrics"]
    assert asyncio.run(collect(["cpu"])) is None  # the document's body is `pass`
