"""FlextObservabilityMasterFactory: one for all, and calls without an event loop."""

from __future__ import annotations

import threading

import pytest

from flext_observability import (
    FlextBackend,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextObservabilityMasterFactory,
    FlextTracingService,
    get_global_factory,
    reset_global_factory,
)
from flext_observability.process import PROCESS
from sluiceway.testing import CollectingSink


@pytest.fixture
def sink():
    return CollectingSink()


@pytest.fixture
def factory(sink):
    backend = FlextBackend(FlextObservabilityConfig(), sinks={"traces": [sink]})
    yield FlextObservabilityMasterFactory(backend)
    backend.stop()


@pytest.fixture
def afresh():
    reset_global_factory()
    yield
    reset_global_factory()


def test_entities_are_made_as_by_the_functions(factory):
    assert factory.create_metric("test_metric", 1.0, "count").is_success
    assert factory.create_trace("test_trace", "test_operation").is_success
    assert factory.create_alert("disk", "critical", message="full").is_success
    assert factory.create_health_check("db", "degraded").is_success
    assert "value is 'x'" in factory.create_metric("test_metric", "x").error


def test_everything_is_recorded_without_an_event_loop(factory, sink):
    assert factory.record_metric("orders", 2.0, tags={"region": "eu"}).is_success
    trace = factory.create_trace("checkout", "shop.checkout").unwrap()
    assert factory.start_trace(trace).is_success
    assert factory.complete_trace(trace).unwrap().status == "completed"
    trace_id = factory.start_trace("other").unwrap()
    assert factory.error_trace(trace_id, "late").unwrap().error == "late"
    both = factory.collect_metrics(
        "shop", {"hits": {"value": 1}, "load": {"unit": "1"}}
    )
    assert [metric.name for metric in both.unwrap()] == ["hits", "load"]
    assert factory.flush().is_success
    assert [span.name for span in sink.events] == ["checkout", "other"]
    assert factory.backend.instruments.names() == ["orders", "hits", "load"]


def test_alerts_live_without_an_event_loop(factory):
    alert = factory.create_alert("disk", "error", message="full").unwrap()
    assert factory.process_alert(alert).is_success
    assert factory.escalate_alert(alert, {"severity": "critical"}).is_success
    taken = factory.acknowledge_alert(alert, "ann").unwrap()
    assert factory.active_alerts("critical").unwrap() == [taken]
    assert factory.resolve_alert(alert.alert_id).unwrap().status == "resolved"
    alerts = factory.create_alert_service()
    assert alerts.backend is factory.backend
    assert alerts.get(alert).unwrap().acknowledged_by == "ann"


def test_checks_of_health_run_without_an_event_loop(factory):
    assert factory.register_health_check("db", lambda: "fine").unwrap() == "db"
    check = factory.create_health_check("db").unwrap()
    found = factory.execute_health_check(check).unwrap()
    assert (found.status, found.message) == ("healthy", "fine")
    assert factory.run_health_checks().unwrap()[0].name == "db"
    assert factory.health_status().unwrap().name == "overall"


def test_its_services_record_where_it_does(factory):
    metrics, tracing, health = (
        factory.create_metrics_service(),
        factory.create_tracing_service(),
        factory.create_health_service(),
    )
    assert health.backend is factory.backend
    assert isinstance(metrics, FlextMetricsService)
    assert isinstance(tracing, FlextTracingService)
    assert metrics.backend is tracing.backend is factory.backend


def test_all_threads_get_one_factory_until_it_is_reset(afresh):
    found = []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append((get_global_factory(), get_global_factory().backend))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    before, backend = found[0]
    assert reset_global_factory().is_success
    assert get_global_factory() is not before
    assert get_global_factory().backend is not backend
    assert before.backend is get_global_factory().backend


def test_a_reset_sends_what_there_is_and_may_come_twice(afresh, sink):
    PROCESS.use(FlextBackend(FlextObservabilityConfig(), sinks={"traces": [sink]}))
    factory = get_global_factory()
    factory.start_trace("unfinished")
    factory.complete_trace(factory.start_trace("done").unwrap())
    assert reset_global_factory().unwrap().drained
    assert {span.name for span in sink.events} == {"unfinished", "done"}
    assert reset_global_factory().unwrap().drained
    assert PROCESS.current is None


def test_resets_and_records_of_many_threads_do_not_harm_each_other(afresh):
    errors = []

    def work():
        for _ in range(20):
            result = get_global_factory().record_metric("hits", 1)
            if result.is_failure and result.error_code != "not_running":
                errors.append(result.error)
            reset_global_factory()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert get_global_factory().record_metric("hits", 1).is_success


def test_a_factory_shows_what_it_records_into(factory):
    assert repr(factory) == (
        "<FlextObservabilityMasterFactory of <FlextBackend not running>>"
    )
    assert "of the process" in repr(FlextObservabilityMasterFactory())
