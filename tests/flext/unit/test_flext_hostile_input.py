"""Whatever an operation is given, it answers with a result and raises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from answering import answer

from flext_observability import (
    FlextAlertService,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityMonitor,
    FlextResult,
    FlextTracingService,
    flext_create_alert,
    flext_create_health_check,
    flext_create_metric,
    flext_create_trace,
    flext_monitor_function,
    get_global_factory,
    reset_global_factory,
)


class Unreadable(Mapping):
    def __getitem__(self, key):
        raise RuntimeError("no item")

    def __iter__(self):
        raise RuntimeError("no names")

    def __len__(self):
        raise RuntimeError("no length")


class Untold(Unreadable):
    def __iter__(self):
        return iter(["value", "level"])

    def __len__(self):
        return 2


class Word(str):
    __slots__ = ()

    def __len__(self):
        raise RuntimeError("no length")

    def strip(self, *_):
        raise RuntimeError("no strip")

    def lower(self):
        raise RuntimeError("no lower")


class Amount(int):
    def __float__(self):
        raise RuntimeError("no float")


class Nothing:
    __hash__ = None

    def __repr__(self):
        raise RuntimeError("no repr")

    def __bool__(self):
        raise RuntimeError("no truth")

    def __eq__(self, other):
        raise RuntimeError("no equality")


class Unclassed:
    @property
    def __class__(self):
        raise RuntimeError("no class")


def endless():
    inner = outer = {}
    for _ in range(3000):
        inner["x"] = inner = {}
    return outer


HOSTILE = {
    "none": None,
    "empty": "",
    "lone surrogate": "\ud800",
    "huge text": "x" * 100_000,
    "huge number": 10**400,
    "nan": float("nan"),
    "signalling nan": Decimal("sNaN"),
    "bytes": b"x",
    "list": [],
    "dict": {"a": {"value": "x"}},
    "endless": endless(),
    "unreadable": Unreadable(),
    "untold": Untold(),
    "holds unreadable": {"a": Unreadable()},
    "text of a subclass": Word("abc"),
    "number of a subclass": Amount(3),
    "nothing": Nothing(),
    "holds nothing": [Nothing()],
    "of no class": Unclassed(),
}
CREATORS = {
    flext_create_metric: {
        "name": "m",
        "value": 1,
        "unit": "count",
        "tags": {},
        "timestamp": None,
        "metric_type": "counter",
    },
    flext_create_trace: {"name": "t", "operation": "o", "context": {}, "parent": None},
    flext_create_alert: {
        "name": "a",
        "severity": "error",
        "message": "m",
        "source": "s",
        "tags": {},
        "alert_id": "1",
    },
    flext_create_health_check: {
        "name": "h",
        "status": "healthy",
        "details": {},
        "message": "",
        "duration": 0.0,
    },
}


def is_an_answer(result):
    assert isinstance(result, FlextResult)
    assert result.is_success or result.error
    return True


@pytest.mark.parametrize("create", CREATORS, ids=lambda create: create.__name__)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_creator_answers_whatever_a_field_is(create, hostile):
    for name, given in CREATORS[create].items():
        result = create(**CREATORS[create] | {name: HOSTILE[hostile]})
        assert is_an_answer(result)
        assert result.is_success or name in result.error, given


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_operation_answers_whatever_it_is_given(backend, hostile):
    value = HOSTILE[hostile]
    metrics, traces = FlextMetricsService(backend), FlextTracingService(backend)
    alerts, health = FlextAlertService(backend), FlextHealthService(backend)
    alert = flext_create_alert("a", "error", "m").unwrap()
    answer(metrics.record_metric, "m", 1)
    answer(alerts.process_alert, alert)
    for call, *arguments in (
        (metrics.record_metric, value),
        (metrics.record_metric, "m", value),
        (metrics.record_metric, "m", 1, value),
        (metrics.collect_metrics, value, {"m": {"value": 1}}),
        (metrics.collect_metrics, "shop", value),
        (metrics.collect_metrics, "shop", {"m": value}),
        (metrics.aggregate, value),
        (metrics.aggregate, "m", value),
        (metrics.aggregate, "m", "sum", value),
        (metrics.aggregate_by, "m", value),
        (traces.start_trace, value),
        (traces.complete_trace, value),
        (traces.error_trace, value, "x"),
        (traces.error_trace, "0" * 31 + "1", value),
        (alerts.process_alert, value),
        (alerts.escalate_alert, alert, value),
        (alerts.escalate_alert, value, {"level": 1}),
        (alerts.acknowledge_alert, value),
        (alerts.silence_alerts, value, 60),
        (alerts.end_silence, value),
        (health.execute_health_check, value),
        (health.register_health_check, value, bool),
        (health.unregister_health_check, value),
    ):
        assert is_an_answer(answer(call, *arguments))


@pytest.mark.parametrize("hostile", ["huge text", "huge number", "nan", "nothing"])
def test_a_timeout_that_cannot_be_meant_stops_and_forgets_nothing(backend, hostile):
    value = HOSTILE[hostile]
    monitor = FlextObservabilityMonitor(backend)
    assert monitor.start().is_success
    for call in (
        FlextMetricsService(backend).push,
        backend.flush,
        monitor.stop,
        monitor.astop,
    ):
        assert answer(call, value).error.startswith("timeout is")
    assert monitor.is_active
    factory = get_global_factory()
    assert reset_global_factory(value).error.startswith("timeout is")
    assert get_global_factory() is factory


def test_a_check_that_stops_the_backend_it_runs_in_is_told_that_it_cannot(backend):
    found = []
    health = FlextHealthService(backend)

    async def stopping():
        found.append(backend.stop(1))
        return True

    # without a loop, or it would be called on that one while it runs
    backend.add_health_check("stopping", stopping)
    answer(health.run_health_checks)
    assert "own thread" in found[0].error
    assert FlextObservabilityMonitor(backend).is_active


def test_a_question_by_nothing_names_what_it_was_asked_by(backend):
    metrics = FlextMetricsService(backend)
    answer(metrics.record_metric, "orders", 1)
    for wrong in (None, 5, [None], [[]]):
        assert answer(metrics.aggregate_by, "orders", wrong).error.startswith(
            "group_by is"
        )


def test_a_text_of_a_subclass_is_kept_as_nothing_but_the_text():
    metric = flext_create_metric(Word("orders"), 1, tags={"a": Word("b")}).unwrap()
    assert type(metric.name) is str
    assert type(metric.tags["a"]) is str


def test_what_is_not_known_is_told_in_bounds(backend):
    name = "x" * 4000
    health, metrics = FlextHealthService(backend), FlextMetricsService(backend)
    assert len(answer(metrics.aggregate, name).error) < 300
    assert len(answer(health.unregister_health_check, name).error) < 300


@pytest.mark.parametrize("monitor", [5, "x", Nothing()], ids=["number", "text", "else"])
def test_a_function_whose_monitor_is_none_works_and_says_that_nobody_watches(
    monitor, caplog
):
    @flext_monitor_function("checkout", monitor=monitor)
    def checkout():
        return "done"

    assert [checkout(), checkout()] == ["done", "done"]
    assert caplog.text.count("checkout runs unwatched") == 1
