"""Alerts of health checks are known as all others, and nobody loses one."""

from __future__ import annotations

import pytest

from flext_observability import (
    FlextAlertService,
    FlextBackend,
    FlextHealthService,
    FlextObservabilityConfig,
    flext_create_alert,
    flext_create_health_check,
)
from flext_observability.alert_book import AlertBook
from flext_observability.alert_channels import AlertChannels
from flext_observability.alert_desk import AlertDesk
from flext_observability.alert_learning import AlertLearner
from sluiceway import Alert
from sluiceway.testing import CollectingSink


@pytest.fixture
def told():
    return CollectingSink()


@pytest.fixture
def backend(told):
    backend = FlextBackend(FlextObservabilityConfig(), sinks={"alerts": [told]})
    yield backend
    backend.stop()


def test_an_alert_of_a_health_check_is_known_and_can_be_acknowledged(backend, told):
    service = FlextAlertService(backend)

    def is_now(status):
        check = flext_create_health_check("db", status).unwrap()
        assert FlextHealthService(backend).execute(check).is_success
        assert backend.flush().is_success

    is_now("unhealthy")
    (found,) = service.active().unwrap()
    assert (found.name, found.severity) == ("HealthCheck", "critical")
    assert (found.source, found.tags) == ("health", {"check": "db"})
    assert service.acknowledge(found, by="ann").is_success
    is_now("degraded")
    assert service.get(found).unwrap().status == "acknowledged"
    is_now("healthy")
    assert service.active().unwrap() == []
    is_now("unhealthy")
    (again,) = service.active().unwrap()
    assert service.resolve(again).is_success
    is_now("healthy")
    assert [(each.status.value, each.severity) for each in told.events] == [
        ("firing", "critical"),
        ("acknowledged", "critical"),
        ("acknowledged", "warning"),
        ("resolved", "warning"),
        ("firing", "critical"),
        ("resolved", "critical"),
    ]
    assert {each.labels["check"] for each in told.events} == {"db"}
    assert told.events[3].annotations["status"] == "healthy"


def test_the_alert_of_a_check_that_is_unregistered_is_over(backend, told):
    health, alerts = FlextHealthService(backend), FlextAlertService(backend)
    assert health.register("db", lambda: False, interval=None).is_success
    assert health.run_all().is_success
    assert backend.flush().is_success
    assert [each.tags["check"] for each in alerts.active().unwrap()] == ["db"]
    assert health.unregister("db").is_success
    assert backend.flush().is_success
    assert alerts.active().unwrap() == []
    assert [each.status.value for each in told.events] == ["firing", "resolved"]


def test_the_alert_of_a_check_that_is_unregistered_meanwhile_ends_with_the_next_start(
    backend, told
):
    health, alerts = FlextHealthService(backend), FlextAlertService(backend)
    assert health.register("db", lambda: False, interval=None).is_success
    assert health.run_all().is_success
    assert backend.stop().unwrap().drained
    assert health.unregister("db").is_success
    assert [each.tags["check"] for each in alerts.active().unwrap()] == ["db"]
    assert backend.start().is_success
    assert backend.flush().is_success
    assert alerts.active().unwrap() == []
    assert [each.status.value for each in told.events] == ["firing", "resolved"]


def test_the_alert_of_a_component_that_gave_way_to_others_is_over(backend):
    health, alerts = FlextHealthService(backend), FlextAlertService(backend)
    for number in range(501):
        status = "healthy" if number else "unhealthy"
        check = flext_create_health_check(f"c{number}", status).unwrap()
        assert health.execute(check).is_success
    assert backend.flush().is_success
    assert alerts.active().unwrap() == []


def test_an_alert_that_cannot_be_known_is_sent_as_it_is():
    desk = AlertDesk([].append, AlertChannels())
    odd = [Alert(name="", message="bad"), Alert(name="Slow", message="no source")]
    assert AlertLearner(desk).process(odd) == odd
    assert len(desk) == 0


def test_who_sends_on_himself_takes_nothing_of_others():
    others, own = [], []
    desk = AlertDesk(lambda alert: not others.append(alert.name), AlertChannels())
    mine, other = (flext_create_alert(n, message=n).unwrap() for n in ("Mine", "Other"))

    def take(alert):
        own.append(alert.name)
        return desk.process(other).is_success  # as another thread might meanwhile

    assert desk.sending(take).process(mine).is_success
    assert (own, others) == (["Mine"], ["Other"])
    assert desk.over(mine).unwrap().status == "resolved"
    assert desk.over(mine).error_code == "unknown_alert"
    assert (own, others) == (["Mine"], ["Other", "Mine"])
    assert len(desk.active({})) == 1


def test_an_alert_that_gives_way_to_a_learnt_one_ends_in_its_own_words():
    desk = AlertDesk([].append, AlertChannels(), AlertBook(most_active=1))
    first, second = (
        Alert(name=name, message=f"{name} is bad", labels={"source": "health"})
        for name in ("First", "Second")
    )
    told = AlertLearner(desk).process([first, second])
    assert [(each.status.value, each.message) for each in told] == [
        ("firing", "First is bad"),
        ("resolved", "First is bad"),
        ("firing", "Second is bad"),
    ]
    assert told[1].annotations["resolved_because"] == "there were too many alerts"


def test_an_alert_of_a_health_check_is_known_without_any_endpoint():
    backend = FlextBackend(FlextObservabilityConfig())
    check = flext_create_health_check("db", "unhealthy").unwrap()
    assert FlextHealthService(backend).execute(check).is_success
    assert backend.flush().is_success
    (found,) = FlextAlertService(backend).active().unwrap()
    assert found.tags == {"check": "db"}
    backend.stop()
    assert backend.ledger().balanced


def test_a_channel_is_told_once_of_each_change_of_a_health_check(backend, told):
    chat = CollectingSink()
    backend.add_alert_channel("chat", chat)
    service = FlextHealthService(backend)
    for status in ("unhealthy", "degraded", "healthy"):
        check = flext_create_health_check("db", status).unwrap()
        assert service.execute(check).is_success
        assert backend.flush().is_success
    assert backend.stop().unwrap().drained
    for sink in (told, chat):
        assert [(each.status.value, each.severity) for each in sink.events] == [
            ("firing", "critical"),
            ("firing", "warning"),
            ("resolved", "warning"),
        ]
