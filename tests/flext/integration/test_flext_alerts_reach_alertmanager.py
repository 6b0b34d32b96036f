"""Alerts arrive at a real Alertmanager, behind it, and at channels."""

from __future__ import annotations

import json
import socket
from textwrap import dedent

import pytest
from programs import run_program
from servers.polling import eventually
from servers.processes import alertmanager, free_port

from flext_observability import (
    FlextAlertService,
    FlextBackend,
    FlextEscalationLevel,
    FlextEscalationPolicy,
    FlextHealthService,
    FlextObservabilityConfig,
    flext_create_alert,
    flext_create_health_check,
)
from sluiceway import Pipeline
from sluiceway.sinks import WebhookSink
from sluiceway.sources import WebhookSource
from sluiceway.testing import CollectingSink


class Receiver:
    """A receiver of webhooks, and what it was told."""

    def __init__(self):
        self.source = WebhookSource(port=0, token="none")
        self.sink = CollectingSink()
        self.running = Pipeline(self.source >> self.sink, name="receiver").background()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.source.port}/"

    def told(self, name):
        """``(status, severity)`` of what was told of an alert."""
        events = [each for each in self.sink.events if each.name == name]
        return [(each.status.value, each.severity) for each in events]

    def hears(self, *expected, of):
        eventually(lambda: self.told(of) == [*expected] or None)


@pytest.fixture
def receiver():
    receiver = Receiver()
    with receiver.running:
        yield receiver


@pytest.fixture
def behind():
    receiver = Receiver()
    with receiver.running:
        yield receiver


@pytest.fixture
def server(behind, tmp_path):
    config = dedent(f"""\
    route:
      receiver: behind
      group_by: [alertname, severity]
      group_wait: 100ms
      group_interval: 1s
      repeat_interval: 1h
    receivers:
    - name: behind
      webhook_configs:
      - url: '{behind.url}'
        http_config: {{authorization: {{credentials: none}}}}
    """)
    with alertmanager(tmp_path, config=config) as running:
        yield running


def channel(receiver, name):
    return WebhookSink(
        receiver.url, headers={"authorization": "Bearer none"}, name=name
    )


def shown(server, name):
    """What Alertmanager shows of an alert, by its severity."""
    told = json.loads(server.get("/api/v2/alerts"))
    found = [each for each in told if each["labels"]["alertname"] == name]
    return {each["labels"]["severity"]: each for each in found}


def alert(name, severity="warning", **more):
    return flext_create_alert(name, severity, f"{name} is down", "db", **more).unwrap()


@pytest.fixture
def backend(server, receiver):
    policy = FlextEscalationPolicy(
        "quick",
        [
            FlextEscalationLevel("chat"),
            FlextEscalationLevel("pager", after=0.2, severity="critical"),
        ],
        {"team": "sre"},
    )
    backend = FlextBackend(
        FlextObservabilityConfig(alertmanager_url=server.url),
        channels={name: channel(receiver, name) for name in ("chat", "pager")},
        policies=[policy],
    )
    yield backend
    backend.stop()


@pytest.mark.servers
def test_an_alert_is_shown_made_worse_and_ended_at_alertmanager(
    backend, server, behind
):
    service = FlextAlertService(backend)
    first = service.process(alert("Down", tags={"http.route": "/pay"})).unwrap()
    shows = eventually(lambda: shown(server, "Down"))
    assert shows["warning"]["labels"] == {
        "alertname": "Down",
        "severity": "warning",
        "source": "db",
        "http_route": "/pay",
    }
    assert shows["warning"]["annotations"] == {
        "summary": "Down is down",
        "alert_id": first.alert_id,
    }
    behind.hears(("firing", "warning"), of="Down")
    service.escalate(first, {"level": 2, "severity": "critical"}).unwrap()
    worse = eventually(lambda: shown(server, "Down").get("critical"))
    assert worse["annotations"]["escalation_level"] == "2"
    eventually(lambda: [*shown(server, "Down")] == ["critical"])
    service.acknowledge(first, "ann").unwrap()
    eventually(
        lambda: shown(server, "Down")["critical"]["annotations"].get("acknowledged_by")
    )
    service.resolve(first).unwrap()
    eventually(lambda: not shown(server, "Down") or None)
    eventually(lambda: ("resolved", "critical") in behind.told("Down"))


@pytest.mark.servers
def test_a_policy_tells_channels_and_alertmanager_until_somebody_cares(
    backend, server, receiver
):
    service = FlextAlertService(backend)
    first = service.process(alert("Slow", tags={"team": "sre"})).unwrap()
    receiver.hears(("firing", "warning"), ("firing", "critical"), of="Slow")
    eventually(lambda: "critical" in shown(server, "Slow"))
    assert service.get(first).unwrap().severity == "critical"
    service.acknowledge(first, "ann").unwrap()
    known = [("acknowledged", "critical")] * 2
    receiver.hears(("firing", "warning"), ("firing", "critical"), *known, of="Slow")
    told = [each for each in receiver.sink.events if each.name == "Slow"]
    targets = [each.annotations["escalation.target"] for each in told]
    assert targets == ["chat", "pager", "chat", "pager"]


@pytest.mark.servers
def test_the_health_of_a_component_is_told_to_channels_and_alertmanager(
    backend, server, receiver
):
    health = FlextHealthService(backend)
    for status in ("unhealthy", "healthy"):
        found = flext_create_health_check("database", status).unwrap()
        assert health.execute(found).is_success
        if status == "unhealthy":
            eventually(lambda: shown(server, "HealthCheck"))
    eventually(lambda: ("resolved", "critical") in receiver.told("HealthCheck"))
    assert receiver.told("HealthCheck")[0] == ("firing", "critical")


@pytest.mark.parametrize("stalls", [True, False], ids=["stalls", "refuses"])
def test_a_dead_alertmanager_keeps_nobody_from_channels_and_from_caring(
    receiver, stalls
):
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        if stalls:
            dead.listen()
        url = f"http://127.0.0.1:{dead.getsockname()[1]}"
        backend = FlextBackend(
            FlextObservabilityConfig(alertmanager_url=url, drain_timeout=0.5),
            channels={"chat": channel(receiver, "chat")},
        )
        service = FlextAlertService(backend)
        last = None
        for number in range(500):
            last = service.process(alert(f"Down {number}")).unwrap()
        eventually(lambda: receiver.told("Down 499"))
        assert service.escalate(last, {"severity": "critical"}).is_success
        assert service.acknowledge(last, "ann").is_success
        eventually(
            lambda: receiver.told("Down 499")[-1] == ("acknowledged", "critical")
        )
        backend.stop()
        ledger = backend.ledger()
        assert ledger.balanced
        assert ledger["chat"].delivered >= 502  # the backend's own health may be told
        assert ledger["alertmanager"].delivered == 0


def test_an_alert_without_any_endpoint_or_at_a_closed_port_is_kept():
    url = f"http://127.0.0.1:{free_port()}"
    for config in (
        FlextObservabilityConfig(),
        FlextObservabilityConfig(alertmanager_url=url, drain_timeout=0.1),
    ):
        backend = FlextBackend(config)
        service = FlextAlertService(backend)
        first = service.process(alert("Down")).unwrap()
        backend.stop()
        assert service.active(source="db").unwrap() == [first]


PROGRAM = """
import os
from flext_observability import FlextAlertService, FlextBackend
from flext_observability import FlextObservabilityConfig, flext_create_alert
from sluiceway.sinks import WebhookSink

hook = WebhookSink({url!r}, headers={{"authorization": "Bearer none"}})
backend = FlextBackend(FlextObservabilityConfig(), channels={{"chat": hook}})
service = FlextAlertService(backend)

def tell(name):
    return service.process(flext_create_alert(name, "error", name, "db").unwrap())

first = tell("Parent").unwrap()
backend.flush().unwrap()
{body}
"""


def test_an_alert_of_a_program_that_ends_arrives(receiver):
    run_program(PROGRAM.format(url=receiver.url, body="tell('Last').unwrap()"))
    receiver.hears(("firing", "error"), of="Last")


def test_a_forked_child_tells_of_its_own_alerts_and_leaves_those_of_its_parent(
    receiver,
):
    body = """
pid = os.fork()
if pid == 0:
    assert service.get(first).error_code == "unknown_alert"
    mine = tell("Child").unwrap()
    service.resolve(mine).unwrap()
    assert backend.stop().unwrap().drained
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert service.resolve(first).unwrap().status == "resolved"
print(len(service.active().unwrap()))
"""
    assert run_program(PROGRAM.format(url=receiver.url, body=body)) == "0"
    receiver.hears(("firing", "error"), ("resolved", "error"), of="Child")
    receiver.hears(("firing", "error"), ("resolved", "error"), of="Parent")
