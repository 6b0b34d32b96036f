"""The document's samples of alerts and health, unchanged."""

import asyncio

import pytest
from document_samples import names_of

from flext_observability import (
    FlextAlertService,
    FlextBackend,
    FlextObservabilityConfig,
)
from flext_observability.backend import PROCESS
from flext_observability.compat import install, uninstall
from sluiceway.testing import CollectingSink


@pytest.fixture(autouse=True)
def flext_core_can_be_imported():
    install().unwrap()
    yield
    uninstall()


@pytest.fixture
def pager():
    return CollectingSink()


@pytest.fixture(autouse=True)
def backend(pager):
    backend = FlextBackend(
        FlextObservabilityConfig(export_interval=3600.0), channels={"pager": pager}
    )
    before = PROCESS.use(backend)
    yield backend
    PROCESS.use(before)
    backend.stop().unwrap()


@pytest.fixture
def service():
    make = names_of("alerting_pattern")["create_enterprise_alerting_service"]
    return asyncio.run(make()).unwrap()


CONFIG = {"name": "Down", "message": "it is down", "source": "db"}


def test_an_alert_is_created_processed_and_escalated(backend, service, pager):
    alert = asyncio.run(service.create_system_alert(CONFIG)).unwrap()
    assert (alert.severity, alert.source) == ("warning", "db")
    escalation = {"level": 2, "severity": "critical", "channels": ["pager"], "team": 7}
    answer = asyncio.run(service.process_alert_escalation(alert, escalation)).unwrap()
    assert answer == {
        "alert_id": alert.alert_id,
        "escalated": True,
        "escalation_level": 2,
        "processed_at": "now",
        "success": True,
    }
    known = FlextAlertService().get(alert).unwrap()
    assert (known.level, known.severity, known.status) == (2, "critical", "firing")
    assert backend.flush().is_success
    assert [each.severity for each in pager.events] == ["warning", "critical"]


def test_an_empty_configuration_escalates_to_the_next_level(service):
    alert = asyncio.run(service.create_system_alert(CONFIG)).unwrap()
    for level in (1, 2):
        answer = asyncio.run(service.process_alert_escalation(alert, {}))
        assert answer.is_success
        assert FlextAlertService().get(alert).unwrap().level == level


def test_the_pattern_fails_as_it_says(service):
    bad = asyncio.run(service.create_system_alert({**CONFIG, "severity": "bad"}))
    assert bad.error.startswith("Alert creation failed: severity is 'bad'")
    assert (
        "System alert creation failed"
        in asyncio.run(service.create_system_alert({})).error
    )
    alert = asyncio.run(service.create_system_alert(CONFIG)).unwrap()
    result = asyncio.run(service.process_alert_escalation(alert, {"level": 0}))
    assert result.error.startswith(
        "Alert escalation failed: escalation_config['level']"
    )
    failed = asyncio.run(service.process_alert_escalation("no alert", {}))
    assert failed.error.startswith("Alert processing failed: alert is 'no alert'")


def test_the_health_of_components_is_monitored(service):
    found = asyncio.run(service.monitor_system_health(["database", "cache"])).unwrap()
    assert [(each.name, each.status) for each in found] == [
        ("database", "healthy"),
        ("cache", "healthy"),
    ]
    assert found[0].details == {"checked_at": "now", "component": "database"}
