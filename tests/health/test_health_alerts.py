"""Alerts of checks: told when something changes, and only then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus, HealthCheck, HealthStatus
from sluiceway.health import HealthAlerts
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, check_accumulator

FIRING, RESOLVED = AlertStatus.FIRING, AlertStatus.RESOLVED


def found(*words, name="database", critical=True):
    """Results of a check, a second apart."""
    return [
        HealthCheck(
            name=name,
            status=HealthStatus(word),
            message="why",
            time_unix_nano=at,
            critical=critical,
        )
        for at, word in enumerate(words, 1)
    ]


def told(stage, events):
    """What is said of the alerts, event by event."""
    return [
        (alert.status.value, alert.severity, alert.annotations["status"])
        for event in events
        for alert in stage.add([event], 0.0)
    ]


def test_an_alert_fires_once_changes_its_severity_and_is_resolved():
    words = ["healthy", "degraded", "degraded", "unhealthy", "unhealthy", "healthy"]
    stage = HealthAlerts(labels={"service": "shop"})
    assert [a for event in found(*words) for a in stage.add([event], 0.0)] == [
        Alert(
            name="HealthCheck",
            severity="warning",
            message="database is degraded: why",
            labels={"service": "shop", "check": "database"},
            annotations={"status": "degraded"},
            starts_at_unix_nano=2,
        ),
        Alert(
            name="HealthCheck",
            severity="critical",
            message="database is unhealthy: why",
            labels={"service": "shop", "check": "database"},
            annotations={"status": "unhealthy"},
            starts_at_unix_nano=2,
        ),
        Alert(
            name="HealthCheck",
            severity="critical",
            status=RESOLVED,
            message="database is healthy: why",
            labels={"service": "shop", "check": "database"},
            annotations={"status": "healthy"},
            starts_at_unix_nano=2,
            ends_at_unix_nano=6,
        ),
    ]


def test_a_check_that_is_not_critical_is_no_catastrophe():
    events = found("unhealthy", "healthy", critical=False)
    assert told(HealthAlerts(), events) == [
        ("firing", "warning", "unhealthy"),
        ("resolved", "warning", "healthy"),
    ]


def test_what_is_unknown_lets_an_alert_stand_unless_it_has_a_severity():
    words = ["unknown", "unhealthy", "unknown", "unhealthy", "healthy", "unknown"]
    assert told(HealthAlerts(), found(*words)) == [
        ("firing", "critical", "unhealthy"),
        ("resolved", "critical", "healthy"),
    ]
    assert told(HealthAlerts(unknown="info"), found(*words)) == [
        ("firing", "info", "unknown"),
        ("firing", "critical", "unhealthy"),
        ("firing", "info", "unknown"),
        ("firing", "critical", "unhealthy"),
        ("resolved", "critical", "healthy"),
        ("firing", "info", "unknown"),
    ]


def test_a_status_without_a_severity_is_no_alert():
    words = ["degraded", "unhealthy", "degraded"]
    assert told(HealthAlerts(degraded=None), found(*words)) == [
        ("firing", "critical", "unhealthy"),
        ("resolved", "critical", "degraded"),
    ]
    assert told(HealthAlerts(unhealthy=None), found(*words)) == [
        ("firing", "warning", "degraded"),
        ("resolved", "warning", "unhealthy"),
        ("firing", "warning", "degraded"),
    ]


severities = st.none() | st.sampled_from(["info", "critical"])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(HealthStatus))),
    st.fixed_dictionaries(
        dict.fromkeys(["unhealthy", "minor", "degraded", "unknown"], severities)
    ),
)
def test_each_alert_tells_something_new_and_what_is_resolved_was_firing(
    results, settings
):
    stage, last = HealthAlerts(**settings), {}
    for at, (name, status) in enumerate(results):
        event = HealthCheck(name=name, status=status, time_unix_nano=at)
        for alert in stage.add([event], float(at)):
            key = alert.labels["check"]
            before = last.get(key, {"firing": False})
            firing = alert.status is FIRING
            assert firing or before["firing"]
            assert (firing, status) != (before["firing"], before.get("status"))
            last[key] = {"firing": firing, "status": status}
            alert.labels.clear()  # whoever is told may change it
        if status is HealthStatus.HEALTHY:
            assert not last.get(name, {"firing": False})["firing"]


def test_what_changes_nothing_is_filtered_and_strangers_too(run):
    async def main():
        sink = CollectingSink()
        events = [*found("healthy", "unhealthy", "unhealthy", "healthy"), "a text"]
        pipeline = Pipeline(IterableSource(events) >> HealthAlerts(name="it") >> sink)
        await pipeline.run()
        return pipeline.ledger(), sink.events

    ledger, alerts = run(main())
    assert ledger.balanced
    assert [alert.status for alert in alerts] == [FIRING, RESOLVED]
    assert ledger.stages["it"].filtered == 5


def test_what_fired_before_a_restart_is_resolved_after_it(run, tmp_path):
    file = tmp_path / "alerts.sqlite"

    async def lived(*words):
        sink = CollectingSink()
        events = IterableSource(found(*words))
        await Pipeline(events >> HealthAlerts(state=file, name="it") >> sink).run()
        return [(alert.status, alert.starts_at_unix_nano) for alert in sink.events]

    assert run(lived("degraded", "unhealthy")) == [(FIRING, 1), (FIRING, 1)]
    assert run(lived("unhealthy", "healthy")) == [(RESOLVED, 1)]
    assert run(lived("healthy")) == []


def test_the_number_of_alerts_that_are_remembered_is_bounded():
    stage = HealthAlerts()
    for n in range(10_001):
        stage.add(found("unhealthy", name=str(n)), 0.0)
    assert repr(stage) == "<HealthAlerts firing=10000>"


def test_an_alert_that_somebody_takes_on_stays_so_until_its_check_is_healthy():
    stage = HealthAlerts()
    (bad, worse, well) = found("degraded", "unhealthy", "healthy")
    assert stage.add([bad], 0.0)
    assert stage.acknowledge_alerts(lambda labels: True) == 1
    assert stage.acknowledge_alerts(lambda labels: True) == 0
    (known,) = stage.flush(1.0)
    (critical,) = stage.add([worse], 2.0)
    (over,) = stage.add([well], 3.0)
    (again,) = stage.add([bad], 4.0)
    assert [a.status.value for a in (known, critical, over, again)] == [
        "acknowledged",
        "acknowledged",
        "resolved",
        "firing",
    ]


@pytest.mark.parametrize("unknown", [None, "info"])
def test_the_alert_of_a_check_that_is_not_run_any_more_ends(unknown):
    stage = HealthAlerts(unknown=unknown)
    last = HealthCheck(name="database", is_last=True, time_unix_nano=9)
    assert told(stage, [*found("unhealthy"), last, last]) == [
        ("firing", "critical", "unhealthy"),
        ("resolved", "critical", "unknown"),
    ]
    assert stage.alerts() == []
    assert told(stage, found("unhealthy")) == [("firing", "critical", "unhealthy")]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alert": ""}, "HealthAlerts.alert is ''; expected a text"),
        ({"degraded": 3}, "HealthAlerts.degraded is 3; expected a severity such as"),
        ({"labels": {"a": 1}}, "HealthAlerts.labels is {'a': 1}; expected texts"),
        ({"labels": {"check": "x"}}, "none of them 'check'"),
        ({"labels": "a"}, "HealthAlerts.labels is 'a'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ConfigurationError) as caught:
        HealthAlerts(**settings)
    assert words in str(caught.value)


def test_it_does_what_the_engine_relies_on():
    check_accumulator(HealthAlerts, found("unhealthy", "degraded", "healthy"))


def test_an_alert_that_was_ended_by_hand_fires_again_when_its_check_changes():
    stage = HealthAlerts()

    def statuses(word):
        return [status for status, _, _ in told(stage, found(word))]

    def end():
        assert stage.resolve_alerts(lambda labels: labels["check"] == "database") == 1
        return [alert.status.value for alert in stage.flush(1.0)]

    assert statuses("degraded") == ["firing"]
    assert [alert.labels["check"] for alert in stage.alerts()] == ["database"]
    assert end() == ["resolved"]
    assert stage.alerts() == []
    assert statuses("degraded") == []
    assert statuses("unhealthy") == ["firing"]
    assert end() == ["resolved"]
    assert statuses("healthy") == []
