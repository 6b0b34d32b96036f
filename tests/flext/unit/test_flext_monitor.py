"""FlextObservabilityMonitor: starts, stops and reports, as often as it is asked."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest

from flext_observability import (
    FlextAlert,
    FlextBackend,
    FlextMonitorReport,
    FlextObservabilityConfig,
    FlextObservabilityMasterFactory,
    FlextObservabilityMonitor,
    reset_global_factory,
)
from flext_observability.process import PROCESS
from sluiceway.testing import CollectingSink, HangingSink


def running_on(sink, **config):
    backend = FlextBackend(FlextObservabilityConfig(**config), sinks={"traces": [sink]})
    return FlextObservabilityMasterFactory(backend)


@pytest.fixture
def factory():
    factory = running_on(CollectingSink())
    yield factory
    factory.backend.stop()


@pytest.fixture
def monitor(factory):
    return FlextObservabilityMonitor(factory)


def test_starting_and_stopping_twice_are_no_errors(monitor):
    assert not monitor.is_active
    assert monitor.stop().unwrap().drained
    for _ in range(2):
        assert monitor.start().is_success
        assert monitor.is_active
        assert monitor.is_running
    for _ in range(2):
        assert monitor.stop().unwrap().drained
        assert not monitor.is_active
    assert monitor.start().is_success
    assert repr(monitor) == "<FlextObservabilityMonitor active>"


def test_two_threads_that_start_it_at_once_start_one_pipeline(monitor):
    barrier = threading.Barrier(8)
    results = []

    def start():
        barrier.wait()
        results.append(monitor.start())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result.is_success for result in results)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("sluiceway-flext_observability") == 1


def test_a_report_tells_what_was_recorded_and_where_it_went(factory, monitor):
    with monitor:
        factory.record_metric("orders", 1)
        factory.start_trace("open")
        factory.process_alert(FlextAlert("disc", "error", "full"))
        factory.complete_trace(factory.start_trace("done").unwrap())
        assert factory.flush().is_success
        report = monitor.report()
    assert report.is_active
    assert report.metrics == ("orders",)
    assert report.open_traces == 1
    assert report.alerts == {"error": 1}
    assert report.lost == 0
    assert report.health == "healthy"
    assert report.ledger["traces"].sent == 1
    after = monitor.report()
    assert not after.is_active
    assert (after.open_traces, after.held, after.lost) == (0, 0, 0)
    assert after.ledger.balanced
    assert msgspec.json.decode(msgspec.json.encode(after.as_dict())) == {
        "is_active": False,
        "delivered": after.delivered,
        "held": 0,
        "lost": 0,
        "losses": {},
        "metrics": ["orders"],
        "open_traces": 0,
        "alerts": {"error": 1},
        "health": after.health,
    }


def test_a_report_tells_how_the_components_are(factory, monitor):
    assert factory.register_health_check("db", lambda: False, interval=None).is_success
    assert [check.status for check in factory.run_health_checks().unwrap()] == [
        "unhealthy",
        "healthy",
    ]
    assert monitor.report().health == "unhealthy"


def test_to_look_starts_nothing():
    reset_global_factory()
    monitor = FlextObservabilityMonitor()
    assert monitor.report() == FlextMonitorReport(is_active=False)
    assert not monitor.is_active
    assert monitor.stop().is_success
    assert PROCESS.current is None


def test_it_runs_the_backend_of_the_process_by_default():
    reset_global_factory()
    with FlextObservabilityMonitor() as monitor:
        assert monitor.backend is PROCESS.current
        assert PROCESS.current.is_running
    assert not PROCESS.current.is_running
    reset_global_factory()


def test_async_programs_enter_and_leave_it_on_one_loop_after_another(factory):
    monitor = FlextObservabilityMonitor(factory.backend)

    async def main(name):
        async with monitor:
            service = factory.create_tracing_service()
            trace_id = (await service.start_trace(name)).unwrap()
            assert (await service.complete_trace(trace_id)).is_success

    for name in ("first", "second"):
        asyncio.run(main(name))
        assert not monitor.is_active
    assert monitor.report().lost == 0
    assert asyncio.run(monitor.astart()).is_success
    assert asyncio.run(monitor.astop()).unwrap().drained


def test_a_body_that_raises_passes_its_exception(monitor):
    with pytest.raises(KeyError), monitor:
        raise KeyError
    assert not monitor.is_active


def test_an_endpoint_that_hangs_is_left_at_the_deadline_and_named():
    sink = HangingSink(name="hangs")
    factory = running_on(sink, drain_timeout=0.05)
    monitor = FlextObservabilityMonitor(factory)
    assert factory.complete_trace(factory.start_trace("a").unwrap()).is_success
    report = monitor.stop().unwrap()
    assert not report.drained
    assert dict(report.left) == {"hangs": 1}
    told = monitor.report()
    assert told.lost == 1
    assert told.as_dict()["losses"] == {"hangs": {"dropped{drain_timeout}": 1}}


def test_a_report_shows_what_a_person_reads_and_keeps_the_ledger():
    with FlextObservabilityMonitor(FlextBackend(FlextObservabilityConfig())) as monitor:
        report = monitor.report()
    assert report.ledger.balanced
    assert "Ledger" not in repr(report)
    assert "lost=0" in repr(report)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_block_whose_backend_cannot_start_runs_and_says_so(monkeypatch, caplog, kind):
    monkeypatch.setenv("ALERTMANAGER_URL", "nowhere")
    monitor = FlextObservabilityMonitor(FlextBackend())

    async def block():
        async with monitor:
            return monitor.is_active

    if kind == "async":
        is_active = asyncio.run(block())
    else:
        with monitor:
            is_active = monitor.is_active
    assert not is_active
    (message,) = caplog.messages
    assert message.startswith("ALERTMANAGER_URL is 'nowhere'; expected an address")
