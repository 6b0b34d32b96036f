"""Every sample that the FLEXT document calls right runs as it stands, and succeeds."""

import asyncio
import inspect
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from document_samples import names_of, text_of

from flext_observability import FlextBackend, FlextObservabilityConfig
from flext_observability.compat import install, uninstall
from flext_observability.process import PROCESS
from sluiceway.events import StatusCode
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
    """The latest value of each counter and gauge, over all of its series."""
    latest = {}
    for point in points:
        if isinstance(point.value, int | float):
            latest[point.name, tuple(sorted(point.attributes.items()))] = point.value
    names = {name for name, _ in latest}
    return {
        name: sum(value for key, value in latest.items() if key[0] == name)
        for name in names
    }


def spans(events, name):
    return [span for span in events if span.name == name]


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


@pytest.fixture
def tracing():
    return names_of("tracing_pattern")["EnterpriseObservabilityService"]


def test_the_tracing_pattern_starts_a_trace(recorded, tracing):
    service = tracing("shop")
    context = {"order": 7, "lines": [1, 2], "who": {"id": None}}
    trace = asyncio.run(service.create_distributed_trace("pay", context)).unwrap()
    assert (trace.name, trace.operation) == ("pay", "shop.pay")
    assert trace.context == context
    assert re.fullmatch("[0-9a-f]{32}", trace.trace_id)


def test_the_tracing_pattern_monitors_an_operation(recorded, tracing):
    data = {"operation": "pay", "amount": 12}
    answer = asyncio.run(tracing("shop").process_monitored_operation(data)).unwrap()
    assert answer["operation"] == "pay"
    assert answer["result"] == {"processed": True, "data": data}
    assert answer["success"] is True
    sent = recorded()
    (span,) = spans(sent.traces, "process_operation")
    assert span.trace_id.hex() == answer["trace_id"]
    assert span.status_code == StatusCode.OK
    assert totals(sent.metrics)["shop.operations"] == 1


def test_the_tracing_pattern_tells_an_error(recorded, tracing):
    class Broken(tracing):
        async def _process_business_logic(self, data):
            raise ValueError("no stock")

    result = asyncio.run(Broken("shop").process_monitored_operation({}))
    assert result.error == "Monitored operation failed: no stock"
    (span,) = spans(recorded().traces, "process_operation")
    assert span.status_code == StatusCode.ERROR
    assert span.status_message == "no stock"


@pytest.fixture
def alerting():
    create = names_of("alerting_pattern")["create_enterprise_alerting_service"]
    return asyncio.run(create()).unwrap()


def test_the_alerting_pattern_creates_an_alert(recorded, alerting):
    config = {"name": "disc", "message": "90 % full"}
    alert = asyncio.run(alerting.create_system_alert(config)).unwrap()
    assert (alert.name, alert.message) == ("disc", "90 % full")
    assert (alert.severity, alert.source) == ("warning", "system")
    assert alert.alert_id


def test_the_alerting_pattern_fails_as_it_says(recorded, alerting):
    result = asyncio.run(alerting.create_system_alert({"name": "disc"}))
    assert result.error == "System alert creation failed: 'message'"
    config = {"name": "disc", "message": "full", "severity": "warnning"}
    result = asyncio.run(alerting.create_system_alert(config))
    assert result.error.startswith("Alert creation failed: severity is 'warnning'")
    assert "did you mean 'warning'?" in result.error


def test_the_alerting_pattern_runs_health_checks(recorded, alerting):
    names = ["database", "cache"]
    checks = asyncio.run(alerting.monitor_system_health(names)).unwrap()
    assert [each.name for each in checks] == names
    assert {each.status for each in checks} == {"healthy"}
    assert checks[0].details == {"checked_at": "now", "component": "database"}
    told = [each.name for each in recorded().health]
    assert [name for name in told if name != "flext_observability"] == names


def test_the_alerting_pattern_escalates_an_alert(recorded, alerting):
    async def escalated():
        config = {"name": "disc", "message": "90 % full"}
        alert = (await alerting.create_system_alert(config)).unwrap()
        result = await alerting.process_alert_escalation(alert, {"level": 2})
        return alert, result.unwrap()

    alert, answer = asyncio.run(escalated())
    assert answer == {
        "alert_id": alert.alert_id,
        "escalated": True,
        "escalation_level": 2,
        "processed_at": "now",
        "success": True,
    }
    assert "disc" in {each.name for each in recorded().alerts}


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


def test_the_integration_pattern_monitors_an_operation(recorded):
    operation = names_of("real_integration")["monitored_business_operation"]
    assert inspect.iscoroutinefunction(operation)
    assert asyncio.run(operation({"x": 1})).unwrap() == {"done": {"x": 1}}
    sums = totals(recorded().metrics)
    assert (sums["operation_start"], sums["operation_success"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    "name", ["forbidden_imports", "import_patterns", "type_annotations"]
)
def test_every_import_that_the_document_shows_works(name):
    assert names_of(name)["FlextResult"].ok(1).is_success


def test_the_type_annotations_are_those_of_a_coroutine():
    collect = names_of("type_annotations")["collect_system_metrics"]
    assert asyncio.run(collect(["cpu"])) is None  # the document's body is `pass`


@pytest.mark.parametrize("name", ["services", "factory", "decorator"])
def test_a_smoke_script_prints_its_check_mark(name):
    script = text_of(f"smoke_{name}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout.startswith("✅")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_smoke_scripts_make_really_works(recorded, capsys):
    names = {"__name__": "smoke"}
    exec(text_of("smoke_factory"), names)
    assert names["metric_result"].unwrap().name == "test_metric"
    assert names["trace_result"].unwrap().operation == "test_operation"
    exec(text_of("smoke_decorator"), names)
    assert names["test_func"]() == "monitored"
    (span,) = spans(recorded().traces, "test_function")
    assert span.status_code != StatusCode.ERROR
    assert capsys.readouterr().out.count("✅") == 2
