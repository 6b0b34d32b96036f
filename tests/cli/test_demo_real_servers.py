"""`sluiceway demo` against Debian's pushgateway and Alertmanager."""

from __future__ import annotations

import json

import pytest
from cli.demo_runs import run
from servers import processes
from servers.polling import eventually

pytestmark = pytest.mark.servers


def test_a_real_pushgateway_shows_every_request(tmp_path):
    with processes.pushgateway(tmp_path) as gateway:
        done = run("demo", "--duration", "2", PROMETHEUS_PUSH_GATEWAY=gateway.url)
        page = gateway.get("/metrics")
    counts = [
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith("http_server_request_duration_seconds_count{")
    ]
    assert done.code == 0
    assert done.verdict.endswith("lost 0")
    assert f"PROMETHEUS_PUSH_GATEWAY  {gateway.url}" in done.out
    assert sum(counts) == done.number(r"; ([\d,]+) traces") > 0


def test_a_real_alertmanager_takes_the_rules_alerts(tmp_path):
    with processes.alertmanager(tmp_path) as server:
        done = run("demo", "--duration", "2", ALERTMANAGER_URL=server.url)
        path = "/api/v2/alerts?active=true&inhibited=true&silenced=true"
        groups = eventually(lambda: server.get("/metrics").count("alertmanager_alerts"))
        metrics = server.get("/metrics")
        active = json.loads(server.get(path))
    assert groups
    assert done.code == 0
    assert done.verdict.endswith("lost 0")
    sent = done.number(r"alerts +sink .* = (\d+) delivered")
    received = [
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("alertmanager_alerts_received_total{")
        and 'version="v2"' in line
    ]
    assert sum(received) == sent > 0
    assert all(alert["labels"]["alertname"] == "HighErrorRate" for alert in active)
