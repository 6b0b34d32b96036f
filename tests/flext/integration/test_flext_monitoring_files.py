"""What is wrong with the stack's files is found, file by file."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from scripts.monitoring import ROOT, STACK
from servers.processes import require


@pytest.fixture
def copied(tmp_path):
    """The stack and the scripts that check it, to be spoilt."""
    shutil.copytree(STACK, tmp_path / "examples" / "monitoring")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def checked(folder):
    """The exit code, and what is wrong by what was looked at."""
    done = subprocess.run(
        [sys.executable, folder / "scripts" / "observability.py", "files"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    marked = [line for line in done.stdout.splitlines() if line.startswith("WRONG: ")]
    wrong = [line.removeprefix("WRONG: ").split(": ", 1) for line in marked]
    return done.returncode, dict(wrong), done.stdout


def spoil(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@pytest.mark.servers
def test_each_file_that_is_wrong_is_named_and_hides_no_other(copied):
    require("promtool")
    require("amtool")
    stack = copied / "examples" / "monitoring"
    boards = stack / "grafana" / "dashboards"
    spoil(boards / "flext-shop.json", '"expr": "', '"expr": "sum((')
    (boards / "flext-health.json").write_text("{")
    provisioning = stack / "grafana" / "provisioning"
    spoil(provisioning / "datasources" / "flext.yml", ":9090", ":9999")
    spoil(provisioning / "dashboards" / "flext.yml", "/lib/grafana", "/elsewhere")
    spoil(stack / "alertmanager" / "alertmanager.yml", "receiver: relay", "receiver: x")
    spoil(stack / "prometheus" / "rules" / "flext.yml", "expr: ", "expr: sum((")
    code, wrong, _ = checked(copied)
    assert code == 1
    assert sorted(wrong) == [
        "Alertmanager",
        "the configuration of Prometheus",
        "the dashboard flext-health",
        "the dashboard flext-shop",
        "the rules",
        "the sources of Grafana",
        "the tests of the rules",
        "where Grafana finds its dashboards",
    ]
    assert "JSONDecodeError" in wrong["the dashboard flext-health"]
    assert "expected 'http://prometheus:9090'" in wrong["the sources of Grafana"]


def test_a_stack_without_dashboards_and_a_compose_file_that_is_none_are_wrong(copied):
    stack = copied / "examples" / "monitoring"
    for file in (stack / "grafana" / "dashboards").iterdir():
        file.unlink()
    (stack / "docker-compose.monitoring.yml").write_text("services: {")
    code, wrong, said = checked(copied)
    assert code == 1
    assert "where Grafana finds its dashboards: there are no dashboards" in said
    assert "ParserError" in wrong["the compose file"]
