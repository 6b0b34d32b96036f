"""The make targets of the FLEXT document: all there, and each does its job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import security
from scripts.monitoring import ROOT, answers
from servers.polling import eventually
from servers.processes import alertmanager, free_port, pushgateway, require

from sluiceway import Pipeline, Span
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

OF_THE_DOCUMENT = (
    *("validate", "v", "check", "lint", "l", "type-check", "tc", "test", "t", "format"),
    *("security", "observability-config-check", "observability-init"),
    *("monitoring-setup", "observability-validate", "observability-test"),
    *("metrics-collect", "traces-start", "alerts-configure", "health-monitor"),
    *("prometheus-start", "grafana-setup", "jaeger-start", "alertmanager-config"),
    *("test-fast", "test-unit", "test-integration", "test-observability"),
    *("test-monitoring", "coverage-html", "test-metrics-e2e"),
    *("test-tracing-distributed", "test-alerts-integration", "test-health-monitoring"),
    *("install-dev", "setup"),
)
MADE = (".venv/.installed", ".venv/.security", ".venv/.benchmarks")
NO_ENGINE = "unix:///nowhere/docker.sock"
STACK = ("prometheus", "pushgateway", "alertmanager")


def make(*words, **variables):
    """Run make here, with the environment that runs the tests."""
    known = [part for name in MADE for part in ("-o", name)]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "MAKE"))}
    done = subprocess.run(
        ["make", *known, f"BIN={Path(sys.executable).parent}", *words],
        cwd=ROOT,
        env={**own, "PYTHON": sys.executable, "DOCKER_HOST": NO_ENGINE, **variables},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    done.said = done.stdout + done.stderr
    return done


def test_help_lists_every_target_in_groups():
    told = make("help")
    assert told.returncode == 0
    listed = re.findall(r"^  ([a-z0-9-]+)(?: ([a-z]+))? +\S", told.stdout, re.MULTILINE)
    names = {name for pair in listed for name in pair if name}
    assert {*OF_THE_DOCUMENT, "demo", "bench", "nox", "servers", "clean"} <= names
    groups = [line for line in told.stdout.splitlines() if line and line[0] != " "]
    assert len(groups) == 5


@pytest.mark.parametrize("name", OF_THE_DOCUMENT)
def test_a_target_of_the_document_is_there_and_does_something(name):
    told = make("-n", name)
    assert told.returncode == 0, told.said
    assert told.stdout.strip()


def test_the_configuration_is_checked_and_a_bad_variable_fails_the_target():
    assert "2 checks, 0 problems" in make("observability-config-check").stdout
    told = make("observability-config-check", ALERTMANAGER_URL="nowhere")
    assert told.returncode != 0
    assert "ALERTMANAGER_URL is 'nowhere'" in told.stdout


def test_a_file_of_ones_own_is_checked_in_place_of_the_stacks(tmp_path):
    file = tmp_path / "flext.toml"
    file.write_text("export_interval = 'often'\n")
    told = make("observability-config-check", f"ARGS=--config {file}")
    assert told.returncode != 0
    assert f"{file}:1: export_interval is 'often'" in told.stdout


@pytest.mark.servers
def test_the_complete_configuration_is_validated():
    require("promtool")
    require("amtool")
    told = make("observability-validate", SLUICEWAY_REQUIRE_SERVERS="1")
    assert told.returncode == 0, told.said
    checks = int(re.search(r"(\d+) checks, 0 problems", told.stdout)[1])
    assert checks >= 15


@pytest.mark.servers
def test_metrics_are_collected_and_reach_the_pushgateway(tmp_path):
    with pushgateway(tmp_path) as gateway:
        told = make(
            "metrics-collect",
            PROMETHEUS_PUSH_GATEWAY=gateway.url,
            OTEL_SERVICE_NAME="target",
        )
        page = gateway.get("/metrics")
    assert told.returncode == 0, told.said
    assert re.search(r'^flext_host_cpus\{.*job="target".*\} [1-9]', page, re.MULTILINE)


@pytest.fixture
def impatient(tmp_path):
    """The words for a configuration that gives what is lost up early."""
    file = tmp_path / "impatient.toml"
    file.write_text("drain_timeout = 0.3\n")
    return f"ARGS=--config {file}"


def test_metrics_that_reach_nobody_fail_the_target(impatient):
    nowhere = f"http://127.0.0.1:{free_port()}"
    told = make("metrics-collect", impatient, PROMETHEUS_PUSH_GATEWAY=nowhere)
    assert told.returncode != 0
    assert "WRONG: metrics: " in told.stdout


@pytest.mark.servers
def test_traces_are_started_and_reach_a_collector():
    source, kept = OtlpSource(port=0), CollectingSink()
    with Pipeline(source >> kept).background():
        endpoint = f"http://127.0.0.1:{source.port}"
        told = make("traces-start", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        assert told.returncode == 0, told.said

        def spans_of():
            return [event for event in kept.events if isinstance(event, Span)]

        spans = eventually(lambda: len(spans_of()) == 2 and spans_of())
    first, second = sorted(spans, key=lambda span: span.start_time_unix_nano)
    assert second.trace_id == first.trace_id
    assert second.parent_span_id == first.span_id
    assert f"trace {first.trace_id.hex()}" in told.stdout


@pytest.mark.servers
def test_an_alert_is_raised_escalated_and_resolved_at_a_real_alertmanager(tmp_path):
    with alertmanager(tmp_path) as server:
        told = make("alerts-configure", ALERTMANAGER_URL=server.url)
    assert told.returncode == 0, told.said
    said = [line for line in told.stdout.splitlines() if line.startswith("Flext")]
    assert said == [
        "FlextConfigured: raised",
        "FlextConfigured: escalated",
        "FlextConfigured: resolved",
    ]


def test_alerts_that_reach_nobody_fail_the_target(impatient):
    nowhere = f"http://127.0.0.1:{free_port()}"
    told = make("alerts-configure", impatient, ALERTMANAGER_URL=nowhere)
    assert told.returncode != 0
    assert "WRONG: alerts: " in told.stdout


@pytest.mark.servers
def test_health_is_told_of_what_is_configured(tmp_path):
    with pushgateway(tmp_path) as gateway:
        well = make("health-monitor", PROMETHEUS_PUSH_GATEWAY=gateway.url)
        page = gateway.get("/metrics")
    assert well.returncode == 0, well.said
    assert "pushgateway: healthy" in well.stdout
    assert 'health_check_name="pushgateway",health_check_state="healthy"' in page
    ill = make("health-monitor", GRAFANA_URL=f"http://127.0.0.1:{free_port()}")
    assert ill.returncode != 0
    assert "WRONG: health: grafana is unhealthy" in ill.stdout


@pytest.fixture(scope="module")
def collected():
    """The files in which pytest finds tests of flext_observability."""
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/flext", "--collect-only", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
        check=True,
    )
    return {line.split("::")[0] for line in told.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("test-unit", "/unit/"),
        ("test-integration", "/integration/"),
        ("test-observability", "/e2e/"),
        ("test-metrics-e2e", "metrics_end_to_end"),
        ("test-tracing-distributed", "traces_travel"),
        ("test-alerts-integration", "reach_alertmanager"),
        ("test-health-monitoring", "health_endpoints"),
    ],
)
def test_a_target_of_tests_chooses_some(collected, name, part):
    command = make("-n", name).stdout.splitlines()[-1].split()
    patterns = [word for word in command if word.startswith("tests/flext")]
    chosen = [
        str(path.relative_to(ROOT)) for each in patterns for path in ROOT.glob(each)
    ]
    run = {file for file in collected if file.startswith(tuple(chosen))}
    assert "pytest" in command
    assert any(part in file for file in run)


@pytest.mark.servers
@pytest.mark.parametrize("name", ["test-monitoring", "observability-test"])
def test_a_target_of_tests_finds_them_itself(name):
    told = make(name, "ARGS=--collect-only -q --no-cov")
    assert told.returncode == 0, told.said
    assert re.search(r"^(\d+/)?[1-9]\d* tests collected", told.stdout, re.MULTILINE)


# The stack, without a docker engine.


@pytest.fixture
def stack(tmp_path):
    """The words that let the stack's targets use a folder and ports of their own."""
    for name in STACK:
        require(name)
    ports = {name: free_port() for name in (*STACK, "grafana", "jaeger")}
    words = [f"--port {name}={port}" for name, port in ports.items()]
    arguments = f"ARGS=--folder {tmp_path} {' '.join(words)}"
    yield arguments, ports
    make("monitoring-stop", arguments)


@pytest.mark.servers
def test_without_an_engine_debians_servers_start_and_the_others_are_named(stack):
    arguments, ports = stack
    told = make("monitoring-setup", arguments)
    assert told.returncode == 0, told.said
    for name in STACK:
        assert f"monitoring: {name} is at http://127.0.0.1:{ports[name]}" in told.stdout
        assert answers(name, ports)
    for name in ("grafana", "jaeger"):
        assert f"NOT STARTED: {name}: no docker engine answers" in told.stdout
    again = make("monitoring-setup", arguments)
    assert again.stdout.count(" already") == len(STACK)
    status = make("monitoring-status", arguments)
    assert status.returncode != 0
    assert "grafana DOES NOT ANSWER" in status.stdout
    assert make("monitoring-stop", arguments).returncode == 0
    for name in STACK:
        eventually(lambda name=name: not answers(name, ports))


@pytest.mark.servers
def test_prometheus_and_alertmanager_start_by_targets_of_their_own(stack):
    arguments, ports = stack
    for name, servers in (
        ("prometheus-start", ("pushgateway", "prometheus")),
        ("alertmanager-config", ("alertmanager",)),
    ):
        told = make(name, arguments)
        assert told.returncode == 0, told.said
        assert all(answers(server, ports) for server in servers)


@pytest.mark.parametrize(
    ("target", "name"), [("jaeger-start", "jaeger"), ("grafana-setup", "grafana")]
)
def test_a_target_whose_one_server_cannot_be_had_fails_and_says_so(
    target, name, tmp_path
):
    told = make(target, f"ARGS=--folder {tmp_path} --port {name}={free_port()}")
    assert told.returncode != 0
    assert f"NOT STARTED: {name}: no docker engine answers" in told.stdout


# The audit.


def test_no_finding_of_bandit_is_open():
    pytest.importorskip("bandit")
    assert security.code()


def test_a_finding_counts_unless_it_is_explained_where_it_stands(tmp_path):
    file = tmp_path / "code.py"
    file.write_text("eval(text)\neval(text)  # noqa: S307 - our own\n")
    finding = {"test_id": "B307", "filename": str(file), "line_range": []}
    assert not security.is_explained({**finding, "line_number": 1})
    assert security.is_explained({**finding, "line_number": 2})
    assert not security.is_explained({**finding, "line_number": 2, "test_id": "B310"})


GOOD = {"name": "attrs", "version": "26.1.0", "vulns": []}
SKIPPED = {"name": "attrs", "skip_reason": "attrs was not found"}
FLAW = {"id": "PYSEC-1", "fix_versions": ["26.2"]}


@pytest.mark.parametrize(
    ("told", "offline", "good"),
    [
        ([GOOD], "", True),
        ([], "1", False),
        ([GOOD, SKIPPED], "", False),
        ([GOOD, SKIPPED], "1", True),
        ([{**GOOD, "vulns": [FLAW]}], "1", False),
        ([{**GOOD, "vulns": [FLAW]}, SKIPPED], "1", False),
    ],
)
def test_an_audit_with_gaps_fails_unless_they_are_known(
    monkeypatch, capsys, told, offline, good
):
    monkeypatch.setenv(security.OFFLINE, offline)
    assert security.judged(told) is good
    said = capsys.readouterr().out
    assert ("NOT AUDITED: " in said) is (SKIPPED in told)
    assert ("PYSEC-1, fixed in: 26.2" in said) is any(
        each.get("vulns") for each in told
    )


def test_what_is_audited_is_what_the_package_installs():
    known = security.installed()
    assert {"aiohttp", "attrs", "msgspec", "opentelemetry-sdk", "yarl"} <= {*known}
    assert "pytest" not in known
