"""The document's calls, with each argument by its place and by its name."""

from __future__ import annotations

from answering import answer

from flext_observability import (
    FlextAlertService,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityMasterFactory,
    FlextTracingService,
    flext_create_alert,
    flext_create_health_check,
    flext_create_metric,
    flext_create_trace,
)


def services(kind, backend):
    """The service, and the factory that has its operations as plain calls."""
    return kind(backend), FlextObservabilityMasterFactory(backend)


def test_a_metric_is_recorded_by_its_parts_in_places_or_by_names(backend):
    for each in services(FlextMetricsService, backend):
        for arguments, named in (
            (("orders", 1.0, "count"), {}),
            (("orders", 1.0), {"unit": "count"}),
            (("orders",), {"value": 1.0}),
            ((), {"name": "orders", "value": 1.0, "unit": "count"}),
            ((), {"name": "orders", "value": 1.0, "tags": {}}),
            ((), {"metric": flext_create_metric("orders", 1.0).unwrap()}),
        ):
            recorded = answer(each.record_metric, *arguments, **named)
            assert recorded.unwrap().name == "orders"
    told = FlextMetricsService(backend)
    assert answer(told.aggregate, "orders").unwrap() == 12


def test_a_metric_of_two_names_or_of_none_is_refused(backend):
    for each in services(FlextMetricsService, backend):
        assert "name is 'b'" in answer(each.record_metric, "a", 1, name="b").error
        assert "name is None" in answer(each.record_metric, value=1).error
        assert "name is None" in answer(each.record_metric).error


def test_a_collection_says_which_of_its_metrics_was_refused(backend):
    for each in services(FlextMetricsService, backend):
        refused = answer(
            each.collect_metrics,
            service_name="shop",
            metrics_config={"good": {"value": 1}, "bad": {"value": -1}},
        )
        assert refused.error.startswith("metrics_config['bad']: value is -1")


def test_traces_are_told_by_name(backend):
    for each in services(FlextTracingService, backend):
        for end in (
            lambda trace, each=each: answer(each.complete_trace, trace=trace),
            lambda trace, each=each: answer(each.error_trace, trace=trace, error="x"),
        ):
            trace = flext_create_trace(name="t", operation="o", context={}).unwrap()
            assert answer(each.start_trace, trace=trace).is_success
            assert end(trace).unwrap().trace_id == trace.trace_id


def test_alerts_are_told_by_name(backend):
    for each in services(FlextAlertService, backend):
        alert = flext_create_alert(
            name="a", severity="error", message="m", source="s"
        ).unwrap()
        processed = answer(each.process_alert, alert=alert).unwrap()
        escalated = answer(
            each.escalate_alert, alert=processed, escalation_config={"level": 1}
        )
        assert escalated.unwrap().alert_id == processed.alert_id


def test_health_checks_are_told_by_name(backend):
    for each in services(FlextHealthService, backend):
        check = flext_create_health_check(
            name="h", status="healthy", details={"checked_at": "now"}
        ).unwrap()
        found = answer(each.execute_health_check, health_check=check)
        assert found.unwrap().status == "healthy"
