"""What is wrong with the files of the monitoring stack, as far as it can be told here.

Prometheus's own tools say it of their files; without them these are named as not
checked, which counts as a failure where SLUICEWAY_REQUIRE_SERVERS=1.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import yaml
from monitoring import COMPOSE, FETCHED, SERVERS, STACK, find

PROMETHEUS = STACK / "prometheus"
GRAFANA = STACK / "grafana"
PINNED = re.compile(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+")
VARIABLE = re.compile(r"\$__\w+")
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
        ("where Grafana finds its dashboards", provisioned),
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


def addresses() -> dict[str, str]:
    """Where the sources are that are provisioned."""
    file = GRAFANA / "provisioning" / "datasources" / "flext.yml"
    told = yaml.safe_load(file.read_text())["datasources"]
    return {each["uid"]: each["url"] for each in told}


def sources() -> Iterator[str]:
    """One for each server that answers questions, where compose has it."""
    known = addresses()
    for name in ("prometheus", "jaeger", "alertmanager"):
        expected = f"http://{name}:{SERVERS[name].port}"
        if known.get(name) != expected:
            yield f"the source {name} is {known.get(name)!r}; expected {expected!r}"


def provisioned() -> Iterator[str]:
    """The folder that Grafana looks in is the one where compose puts dashboards."""
    if not boards():
        yield "there are no dashboards"
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    mounts = [each.split(":") for each in services["grafana"]["volumes"]]
    places = {target for source, target, *_ in mounts if source.endswith("/dashboards")}
    for file in (GRAFANA / "provisioning" / "dashboards").glob("*.yml"):
        for each in yaml.safe_load(file.read_text())["providers"]:
            places.discard(each["options"]["path"])
    for place in places:
        yield f"Grafana is not told to look in {place}"


def boards() -> list[Path]:
    """The dashboards."""
    return sorted((GRAFANA / "dashboards").glob("*.json"))


def dashboard(file: Path) -> Iterator[str]:
    """Panels with questions that can be asked, to sources that there are."""
    told = json.loads(file.read_text())
    if not told["panels"]:
        yield f"{file.name} has no panels"
    asked: list[str] = []
    for panel in told["panels"]:
        questions = [target["expr"] for target in panel["targets"]]
        if not all(questions) or not questions:
            yield f"{file.name}: {panel['title']} asks nothing"
        asked += filter(None, questions)
        for target in panel["targets"]:
            if target["datasource"]["uid"] not in addresses():
                yield f"{file.name}: {panel['title']} asks a source that is not there"
    yield from understood(asked)


def understood(questions: list[str]) -> Iterator[str]:
    """What Prometheus would not understand; Grafana's words are filled in before."""
    asked = [VARIABLE.sub("5m", question) for question in questions]
    rules = [{"record": f"question:{n}", "expr": q} for n, q in enumerate(asked)]
    groups = {"groups": [{"name": "questions", "rules": rules}]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(yaml.safe_dump(groups))
        file.flush()
        yield from tool("promtool", "check", "rules", file.name)()
