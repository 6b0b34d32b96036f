"""The monitoring stack: its files are valid, and its questions have answers.

Of a real Prometheus, each question of a dashboard must get samples, and each recorded
series must be there. The condition of an alert must be evaluated without an error and
ask for metrics that are there: as nothing is wrong, it has no samples. That it fires
when something is, the unit tests of the rules say, and each is seen to fail here.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse

import pytest
import yaml
from scripts.monitoring import SERVERS, STACK, localised
from servers.polling import eventually
from servers.processes import alertmanager, free_port, prometheus, pushgateway, require

from flext_observability import FlextBackend, FlextObservabilityConfig
from sluiceway import Pipeline
from sluiceway.sources import OtlpSource, WebhookSource
from sluiceway.testing import CollectingSink

ROOT = STACK.parents[1]
RULES = STACK / "prometheus" / "rules" / "flext.yml"
DASHBOARDS = sorted((STACK / "grafana" / "dashboards").glob("*.json"))
COMPOSE = yaml.safe_load((STACK / "docker-compose.monitoring.yml").read_text())
PORTS = {name: server.port for name, server in SERVERS.items()}
OF_PROMETHEUS = {"up"}  # what a rule may ask that is not told by us
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "or"}
WORDS |= {"and", "unless", "offset"}


def panels():
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            yield file.stem, panel


QUERIES = [
    (f"{dashboard}: {panel['title']}", target["expr"])
    for dashboard, panel in panels()
    for target in panel["targets"]
]
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALL_RULES = [rule for group in GROUPS for rule in group["rules"]]
RECORDED = {rule["record"] for rule in ALL_RULES if "record" in rule}


def run(*command, check=True):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


# What the tools of Prometheus say of the files.


@pytest.mark.servers
def test_promtool_finds_the_configuration_and_the_rules_valid():
    promtool = require("promtool")
    run(promtool, "check", "config", STACK / "prometheus" / "prometheus.yml")
    told = run(promtool, "check", "rules", RULES).stdout
    assert f"SUCCESS: {len(ALL_RULES)} rules found" in told


@pytest.mark.servers
def test_the_rules_say_what_their_unit_tests_expect():
    run(require("promtool"), "test", "rules", STACK / "prometheus/tests/flext.yml")


@pytest.mark.servers
@pytest.mark.parametrize("name", [r["alert"] for r in ALL_RULES if "alert" in r])
def test_the_unit_tests_notice_an_alert_that_never_fires(tmp_path, name):
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == name:
                rule["expr"] = "vector(1) > 2"
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "rules" / "flext.yml").write_text(yaml.safe_dump(rules))
    tests = (STACK / "prometheus" / "tests" / "flext.yml").read_text()
    (tmp_path / "tests" / "flext.yml").write_text(tests)
    told = run(
        require("promtool"), "test", "rules", tmp_path / "tests/flext.yml", check=False
    )
    assert told.returncode != 0
    assert name in told.stdout + told.stderr


@pytest.mark.servers
def test_amtool_finds_the_configuration_of_alertmanager_valid():
    told = run(
        require("amtool"), "check-config", STACK / "alertmanager/alertmanager.yml"
    )
    assert "2 receivers" in told.stdout


@pytest.mark.servers
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("severity=critical", "relay"),
        ("severity=warning", "relay"),
        ("severity=info", "nobody"),
    ],
)
def test_alerts_are_routed_by_their_severity(labels, receiver):
    file = STACK / "alertmanager" / "alertmanager.yml"
    told = run(
        require("amtool"), "config", "routes", "test", f"--config.file={file}", labels
    )
    assert told.stdout.split() == [receiver]


# Compose and Grafana, as far as it can be seen without them.


def test_the_stack_has_all_five_servers_pinned_and_on_the_documents_ports():
    ports = {
        (name, port.split("#")[0].strip())
        for name, service in COMPOSE["services"].items()
        for port in service["ports"]
    }
    assert ports == {
        ("prometheus", "127.0.0.1:9090:9090"),
        ("pushgateway", "127.0.0.1:9091:9091"),
        ("alertmanager", "127.0.0.1:9093:9093"),
        ("grafana", "127.0.0.1:3000:3000"),
        ("jaeger", "127.0.0.1:16686:16686"),
        ("jaeger", "127.0.0.1:4317:4317"),
        ("jaeger", "127.0.0.1:4318:4318"),
    }
    assert {*COMPOSE["services"]} == {*SERVERS}
    for service in COMPOSE["services"].values():
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])


def test_what_the_servers_mount_exists():
    mounted = [
        part.split(":")[0]
        for service in COMPOSE["services"].values()
        for part in service.get("volumes", [])
    ]
    folders = [part for part in mounted if part.startswith("./")]
    assert len(folders) == 4
    assert all((STACK / folder).is_dir() for folder in folders)
    assert {*mounted} - {*folders} <= {*COMPOSE["volumes"]}


def test_grafana_finds_its_sources_and_its_dashboards():
    provisioning = STACK / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources/flext.yml").read_text())
    urls = {each["uid"]: each["url"] for each in sources["datasources"]}
    for name, url in urls.items():
        assert url == f"http://{name}:{SERVERS[name].port}"
    providers = yaml.safe_load((provisioning / "dashboards/flext.yml").read_text())
    (provider,) = providers["providers"]
    mounted = "./grafana/dashboards:/var/lib/grafana/dashboards:ro"
    assert provider["options"]["path"] in mounted
    assert mounted in COMPOSE["services"]["grafana"]["volumes"]
    for _, panel in panels():
        assert {target["datasource"]["uid"] for target in panel["targets"]} <= {*urls}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_whole(file):
    told = json.loads(file.read_text())
    assert told["uid"] == file.stem
    assert told["title"].startswith("FLEXT: ")
    numbers = [panel["id"] for panel in told["panels"]]
    assert numbers
    assert len(numbers) == len({*numbers})
    assert all(panel["targets"] for panel in told["panels"])
    assert [variable["name"] for variable in told["templating"]["list"]] == ["job"]


def test_the_services_configuration_is_one():
    config = FlextObservabilityConfig.from_toml(STACK / "flext.toml").unwrap()
    ports = {name: int(url.split(":")[-1]) for name, url in config.endpoints().items()}
    assert ports.pop("otlp") == 4317
    assert ports == {name: SERVERS[name].port for name in ports}
    assert {*ports} == {"pushgateway", "alertmanager", "grafana"}


# A service, a pushgateway and a Prometheus: each question has its answer.


def names_in(expression):
    """The metrics of an expression: words that are no function, label or keyword."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", bare)
    words = re.findall(r"\b[a-zA-Z_][\w:]*(?!\w)(?!\s*\()", bare)
    return {word for word in words if word not in WORDS}


def filled_in(expression):
    """An expression as Grafana asks it, for all services."""
    return expression.replace("$__rate_interval", "15s").replace("$job", ".+")


class Asked:
    """Prometheus's HTTP API."""

    def __init__(self, server):
        self._server = server

    def get(self, path, **parameters):
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        told = json.loads(self._server.get(f"/api/v1/{path}{query}"))
        assert told["status"] == "success"
        return told["data"]

    def samples(self, expression):
        """The samples of an expression that are numbers."""
        result = self.get("query", query=expression)["result"]
        return [each for each in result if each["value"][1] != "NaN"]

    def names(self):
        return {*self.get("label/__name__/values")}


@pytest.fixture(scope="module")
def told_gateway(tmp_path_factory):
    with pushgateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


class Listener:
    """What listens behind the stack, and keeps what has come."""

    def __init__(self, source):
        self._source = source
        self._sink = CollectingSink()
        self.background = Pipeline(self._source >> self._sink).background()

    @property
    def port(self):
        return self._source.port

    def names(self):
        return {event.name for event in self._sink.events}


@pytest.fixture(scope="module")
def relay():
    """In Alertmanager's receiver's place: the source of examples/alert_relay.toml."""
    relay = Listener(WebhookSource(port=0, token="none"))
    with relay.background:
        yield relay


@pytest.fixture(scope="module")
def alerted(relay, tmp_path_factory):
    """The stack's Alertmanager, only that it waits less."""
    text = (STACK / "alertmanager" / "alertmanager.yml").read_text()
    config = localised(text, PORTS).replace(":9095/", f":{relay.port}/")
    config = config.replace("group_wait: 10s", "group_wait: 1s")
    with alertmanager(tmp_path_factory.mktemp("am"), config=config) as server:
        yield server


@pytest.fixture(scope="module")
def traced():
    """In Jaeger's place: OTLP, over HTTP."""
    collector = Listener(OtlpSource(port=0))
    with collector.background:
        yield collector


@pytest.fixture(scope="module")
def shop(told_gateway, alerted, traced, tmp_path_factory):
    """The example, as it runs beside the stack, for as long as the module."""
    log = tmp_path_factory.mktemp("shop") / "log"
    own = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    addresses = {
        "PROMETHEUS_PUSH_GATEWAY": told_gateway.url,
        "ALERTMANAGER_URL": alerted.url,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{traced.port}",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", STACK / "shop.py"],
            env={**own, **addresses, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "0 lost" in log.read_text()


@pytest.fixture(scope="module")
def lossy(told_gateway):
    """A service of which a stage loses something, so that losses can be asked for."""
    backend = FlextBackend(
        FlextObservabilityConfig(
            service_name="lossy",
            pushgateway_url=told_gateway.url,
            export_interval=0.5,
            own_metrics=True,
        )
    )
    assert backend.start().is_success
    backend.health.emit_nowait("no health check")
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def asked(told_gateway, alerted, shop, lossy, tmp_path_factory):
    """The stack's Prometheus with its rules, only that it looks more often."""
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    ports = {**PORTS, "pushgateway": told_gateway.port, "prometheus": port}
    ports["alertmanager"] = alerted.port
    config = localised((STACK / "prometheus/prometheus.yml").read_text(), ports)
    config = config.replace("15s", "1s").replace("rules/*.yml", str(RULES))
    with prometheus(folder, config=config, port=port) as server:
        yield Asked(server)


@pytest.mark.servers
@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_each_question_of_a_dashboard_is_answered(asked, title, expression):
    assert eventually(lambda: asked.samples(filled_in(expression)), seconds=40), title


@pytest.mark.servers
def test_a_dashboard_asks_only_for_what_we_export(asked, told_gateway):
    page = told_gateway.get("/metrics")
    ours = {*re.findall(r'^(\w+)\{[^\n]*job="(?:shop|lossy)"', page, re.MULTILINE)}
    wanted = set().union(*(names_in(expression) for _, expression in QUERIES))
    assert len(wanted) > 10
    assert wanted <= ours


@pytest.mark.servers
@pytest.mark.parametrize("name", sorted(RECORDED))
def test_each_recorded_series_is_there(asked, name):
    assert eventually(lambda: asked.samples(name), seconds=40)


@pytest.mark.servers
def test_each_rule_can_be_evaluated_and_asks_for_what_is_there(asked):
    def evaluated():
        rules = [r for group in asked.get("rules")["groups"] for r in group["rules"]]
        return all(rule["health"] != "unknown" for rule in rules) and rules

    rules = eventually(evaluated)
    assert [(r["name"], r.get("lastError")) for r in rules if r["health"] != "ok"] == []
    assert len(rules) == len(ALL_RULES)
    eventually(lambda: asked.names() >= RECORDED, seconds=40)
    for rule in ALL_RULES:
        known = asked.names() | OF_PROMETHEUS
        assert names_in(rule["expr"]) <= known, rule


@pytest.mark.servers
def test_the_alerts_of_prometheus_and_the_shop_reach_the_relay(asked, alerted, relay):
    def members():
        return asked.get("alertmanagers")["activeAlertmanagers"]

    (member,) = eventually(members)
    assert member["url"] == f"{alerted.url}/api/v2/alerts"

    def names():
        told = json.loads(alerted.get("/api/v2/alerts"))
        return {alert["labels"]["alertname"] for alert in told}

    both = {"HealthCheck", "FlextTelemetryLost"}
    eventually(lambda: both <= names())
    eventually(lambda: both <= relay.names())


@pytest.mark.servers
def test_the_shops_calls_are_traced(shop, traced):
    assert eventually(traced.names) == {"shop.sell"}


@pytest.mark.servers
def test_nothing_but_the_loss_that_was_made_is_found_wrong(asked):
    def firing():
        alerts = asked.get("alerts")["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("job"))
            for each in alerts
            if each["labels"]["job"] in {"shop", "lossy"} and each["state"] == "firing"
        }

    assert firing() <= {("FlextTelemetryLost", "lossy")}
