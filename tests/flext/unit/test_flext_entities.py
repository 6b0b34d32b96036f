"""The entities check what they are given, and the creators turn refusals to results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import attrs
import pytest

from flext_observability import (
    FlextAlert,
    FlextHealthCheck,
    FlextMetric,
    FlextTrace,
    FlextValidationError,
    flext_create_alert,
    flext_create_health_check,
    flext_create_metric,
)


def test_what_is_counted_is_a_counter_and_anything_else_a_gauge():
    assert FlextMetric("orders", 1).metric_type == "counter"
    assert FlextMetric("latency", 1, "ms").metric_type == "gauge"
    assert FlextMetric("latency", 1, "ms", metric_type="HISTOGRAM").metric_type == (
        "histogram"
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "2x"}, "name is '2x'; expected a letter"),
        ({"name": "a b"}, "name is 'a b'"),
        ({"name": ""}, "name is ''"),
        ({"name": None}, "name is None"),
        ({"name": "a" * 256}, "255 at most"),
        ({"value": True}, "value is True; expected a finite number"),
        ({"value": "1"}, "value is '1'; expected a finite number"),
        ({"value": float("nan")}, "value is nan"),
        ({"value": float("inf")}, "value is inf"),
        ({"value": Decimal("NaN")}, "expected a finite number"),
        ({"value": Decimal("1e999")}, "expected a finite number"),
        ({"value": 10**400}, "expected a finite number"),
        ({"value": 1j}, "expected a finite number"),
        ({"value": -1}, "value is -1; expected a number from 0"),
        ({"value": -1, "unit": "ms", "metric_type": "counter"}, "a number from 0"),
        ({"unit": " "}, "unit is ' '; expected text that is not empty"),
        ({"unit": "µs"}, "63 characters of ASCII"),
        ({"tags": [("a", "b")]}, "tags is .*; expected a mapping"),
        ({"tags": {1: "b"}}, "names of tags that are texts"),
        ({"tags": {"a": None}}, r"tags\['a'\] is None; expected a text or a number"),
        ({"timestamp": 5}, "timestamp is 5; expected a datetime"),
        ({"metric_type": "gage"}, "did you mean 'gauge'?"),
    ],
)
def test_a_metric_refuses_what_cannot_be_meant_and_names_it(fields, told):
    given = {"name": "orders", "value": 1} | fields
    with pytest.raises(FlextValidationError, match=told) as raised:
        FlextMetric(**given)
    name, value = given.pop("name"), given.pop("value")
    result = flext_create_metric(name, value, **given)
    assert (result.error, result.error_code) == (str(raised.value), "validation")
    assert result.error_data == {"field": raised.value.field}


@pytest.mark.parametrize("value", [0, -3, 2.5, Decimal("0.1"), Fraction(1, 3), 10**30])
def test_a_gauge_takes_any_finite_number_and_keeps_it(value):
    assert FlextMetric("g", value, "m").value is value


def test_a_time_without_a_zone_is_local_time():
    naive = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001 - the test's subject
    assert FlextMetric("m", 1, timestamp=naive).timestamp == naive.astimezone()
    told = datetime(2026, 1, 2, tzinfo=UTC)
    assert flext_create_metric("m", 1, timestamp=told).unwrap().timestamp is told


def test_numbers_in_tags_become_text():
    metric = FlextMetric("m", 1, tags={"a": 1, "b": 2.5, "c": True, "d": "x"})
    assert metric.tags == {"a": "1", "b": "2.5", "c": "true", "d": "x"}


def test_an_entity_keeps_copies_and_never_changes():
    tags, context = {"a": "1"}, {"deep": {"list": [1, (2, 3)]}}
    metric, trace = FlextMetric("m", 1, tags=tags), FlextTrace("t", "o", context)
    tags["a"] = "2"
    context["deep"]["list"].append(4)
    assert metric.tags == {"a": "1"}
    assert trace.context == {"deep": {"list": [1, [2, 3]]}}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        metric.value = 2


def test_an_unknown_option_is_named_with_the_nearest_one():
    result = flext_create_metric("m", 1, metrictype="gauge")
    assert result.error.endswith("did you mean 'metric_type'?")
    assert "did you mean 'alert_id'?" in flext_create_alert("a", alertid="x").error
    assert "did you mean 'message'?" in flext_create_health_check("h", mesage="x").error


class Unprintable:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("now", "now"),
        (None, None),
        (1.5, 1.5),
        (float("inf"), "inf"),
        (timedelta(seconds=1), "0:00:01"),
        ({1}, [1]),
        (Unprintable(), "<Unprintable>"),
    ],
)
def test_details_are_whatever_json_holds_and_the_text_of_other_things(value, kept):
    assert FlextHealthCheck("db", details={"x": value}).details == {"x": kept}


def test_details_that_nest_for_ever_are_refused():
    endless: dict = {}
    endless["again"] = endless
    result = flext_create_health_check("db", details=endless)
    assert "expected at most 16 levels" in result.error
    assert (
        "keys that are texts"
        in flext_create_health_check("db", "healthy", {1: 2}).error
    )


def test_ids_are_w3c_and_never_twice_the_same():
    traces = [FlextTrace("t", "o") for _ in range(100)]
    assert len({trace.trace_id for trace in traces}) == 100
    assert len({trace.span_id for trace in traces}) == 100
    assert {len(trace.trace_id) for trace in traces} == {32}
    assert {len(trace.span_id) for trace in traces} == {16}
    assert traces[0].id == traces[0].trace_id


@pytest.mark.parametrize("wrong", ["", "0" * 32, "g" * 32, "1" * 31, 7])
def test_an_id_that_w3c_does_not_know_is_refused(wrong):
    with pytest.raises(FlextValidationError, match="32 hexadecimal digits"):
        FlextTrace("t", "o", trace_id=wrong)


def test_a_trace_lasts_from_its_start_to_its_end():
    began = datetime(2026, 1, 2, tzinfo=UTC)
    assert FlextTrace("t", "o").duration is None
    ended = FlextTrace(
        "t", "o", started_at=began, ended_at=began + timedelta(seconds=2)
    )
    assert ended.duration == 2.0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"message": ""}, "message is ''; expected text that is not empty"),
        ({"severity": "warn"}, "did you mean 'warning'?"),
        ({"severity": "fatal"}, "one of info, warning, error, critical"),
        ({"source": ""}, "source is ''"),
        ({"name": "x" * 5000}, "at most 4096 characters"),
    ],
)
def test_an_alert_refuses_what_tells_nobody_anything(fields, told):
    given = {"name": "disk", "severity": "error", "message": "full"} | fields
    assert told in flext_create_alert(**given).error


def test_an_alert_is_a_warning_of_the_system_unless_told_otherwise():
    alert = flext_create_alert("disk", message="full").unwrap()
    assert (alert.severity, alert.source, alert.status) == (
        "warning",
        "system",
        "firing",
    )
    assert alert.id == alert.alert_id
    assert alert.alert_id != FlextAlert("disk", message="full").alert_id


def test_a_health_check_knows_four_statuses():
    for status in ("healthy", "degraded", "unhealthy", "unknown"):
        assert flext_create_health_check("db", status).unwrap().status == status
    assert "did you mean 'healthy'?" in flext_create_health_check("db", "helthy").error
