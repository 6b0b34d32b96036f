"""What is wrong with the files of the monitoring stack, as far as it can be told here.

Prometheus's own tools say it of their files; without them these are named as not
checked, which counts as a failure where SLUICEWAY_REQUIRE_SERVERS=1.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import yaml
from monitoring import COMPOSE, FETCHED, SERVERS, STACK, find

PROMETHEUS = STACK / "prometheus"
GRAFANA = STACK / "grafana"
PINNED = re.compile(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+")
TOOLS = {"promtool": "prometheus", "amtool": "alertmanager"}
Check = tuple[str, Callable[[], Iterator[str]]]


def checks(_: Path | None) -> list[Check]:
    """Each check by what it looks at."""
    rules = sorted(map(str, (PROMETHEUS / "rules").glob("*.yml")))
    tests = sorted(map(str, (PROMETHEUS / "tests").glob("*.yml")))
    config = str(PROMETHEUS / "prometheus.yml")
    alerts = str(STACK / "alertmanager" / "alertmanager.yml")
    return [
        (
            "the configuration of Prometheus",
            tool("promtool", "check", "config", config),
        ),
        ("the rules", tool("promtool", "check", "rules", *rules)),
        ("the tests of the rules", tool("promtool", "test", "rules", *tests)),
        ("Alertmanager", tool("amtool", "check-config", alerts)),
        ("the compose file", compose),
        ("the sources of Grafana", sources),
        *(
            (f"the dashboard {each.stem}", partial(dashboard, each))
            for each in boards()
        ),
    ]


def tool(name: str, *arguments: str) -> Callable[[], Iterator[str]]:
    """What a tool of Prometheus says."""

    def told() -> Iterator[str]:
        program = tool_of(name)
        if program is None:
            print(f"NOT CHECKED: {name} is not here: run `make servers`")
            if os.environ.get("SLUICEWAY_REQUIRE_SERVERS") == "1":
                yield f"{name} is not here"
            return
        done = subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            yield (done.stdout + done.stderr).strip()

    return told


def tool_of(name: str) -> Path | None:
    """Where a tool is: beside its server."""
    server = find(TOOLS[name])
    beside = server.with_name(name) if server else FETCHED / name
    return beside if beside.exists() else None


def compose() -> Iterator[str]:
    """All servers, each of one version, on this machine only."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for name, server in SERVERS.items():
        service = services.get(name, {"image": "", "ports": []})
        if not PINNED.fullmatch(service["image"]):
            yield f"{name} is {service['image']!r}; expected an image of one version"
        if f"127.0.0.1:{server.port}:{server.port}" not in service["ports"]:
            yield f"{name} is not at 127.0.0.1:{server.port}"


def uids() -> set[str]:
    """The sources that are provisioned."""
    file = GRAFANA / "provisioning" / "datasources" / "flext.yml"
    return {each["uid"] for each in yaml.safe_load(file.read_text())["datasources"]}


def sources() -> Iterator[str]:
    """One for each server that answers questions."""
    for missing in {"prometheus", "jaeger", "alertmanager"} - uids():
        yield f"no source {missing}"


def boards() -> list[Path]:
    """The dashboards."""
    return sorted((GRAFANA / "dashboards").glob("*.json"))


def dashboard(file: Path) -> Iterator[str]:
    """Panels with questions to sources that there are."""
    told = json.loads(file.read_text())
    if not told["panels"]:
        yield f"{file.name} has no panels"
    for panel in told["panels"]:
        asked = [target["expr"] for target in panel["targets"]]
        if not all(asked) or not asked:
            yield f"{file.name}: {panel['title']} asks nothing"
        for target in panel["targets"]:
            if target["datasource"]["uid"] not in uids():
                yield f"{file.name}: {panel['title']} asks a source that is not there"
