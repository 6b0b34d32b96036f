"""Start, look at and stop the monitoring stack of examples/monitoring.

``monitoring.py start NAME ...`` runs servers by docker compose where an engine answers,
else Debian's programs as ``make servers`` fetched them or the system has them. What can
be had in neither way is named, and makes the exit code 1, unless ``--what-there-is``.
``status`` asks all of them, ``stop`` ends what ``start`` began.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STACK = ROOT / "examples" / "monitoring"
COMPOSE = STACK / "docker-compose.monitoring.yml"
FETCHED = ROOT / ".venv" / "servers"
FOLDER = ROOT / ".venv" / "monitoring"
SECONDS = 60.0  # for a server to be ready
ENGINE_SECONDS = 15.0
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Server:
    """A server of the stack: where it answers, and which program it is.

    Attributes:
        port: of the host.
        ready: the path that answers when it can be used.
        program: Debian's name of it; ``""`` for none.
        package: Debian's package.
    """

    port: int
    ready: str
    program: str = ""
    package: str = ""


SERVERS = {
    "prometheus": Server(9090, "/-/ready", "prometheus", "prometheus"),
    "pushgateway": Server(
        9091, "/-/ready", "prometheus-pushgateway", "prometheus-pushgateway"
    ),
    "alertmanager": Server(
        9093, "/-/ready", "prometheus-alertmanager", "prometheus-alertmanager"
    ),
    "grafana": Server(3000, "/api/health"),
    "jaeger": Server(16686, "/api/services"),
}
Ports = Mapping[str, int]


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("command", choices=["start", "status", "stop"])
    parser.add_argument("names", nargs="*", choices=[[], *SERVERS])
    parser.add_argument("--port", action="append", default=[], metavar="NAME=PORT")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--what-there-is", action="store_true")
    told = parser.parse_args()
    given = dict(each.split("=") for each in told.port)
    ports = {n: int(given.get(n, server.port)) for n, server in SERVERS.items()}
    names = told.names or [*SERVERS]
    if told.command == "stop":
        stop(told.folder)
    elif told.command == "status":
        sys.exit(status(names, ports))
    else:
        missing = start(names, ports, told.folder)
        sys.exit(bool(missing) and not (told.what_there_is and missing < {*names}))


def start(names: list[str], ports: Ports, folder: Path) -> set[str]:
    """Start servers, each unless it answers already; those that could not be."""
    engine = compose()
    missing = set()
    for name in names:
        if answers(name, ports):
            print(f"monitoring: {name} answers at {address(name, ports)} already")
            continue
        trouble = start_one(name, ports, folder, engine)
        if trouble:
            missing.add(name)
            print(f"NOT STARTED: {name}: {trouble}")
        else:
            print(f"monitoring: {name} is at {address(name, ports)}")
    return missing


def start_one(name: str, ports: Ports, folder: Path, engine: list[str]) -> str:
    """Start a server by whatever there is; why it could not be, or nothing."""
    if engine:
        done = subprocess.run([*engine, "up", "-d", name], check=False)
        trouble = "docker compose failed" if done.returncode else ""
    elif program := find(name):
        trouble = launch(name, program, ports, folder)
    else:
        package = SERVERS[name].package
        debians = f"package {package} of Debian is not here"
        why = debians if package else "Debian has no package of it"
        trouble = f"no docker engine answers, and {why}"
    return trouble or wait_for(name, ports)


def compose() -> list[str]:
    """The command of docker compose, if an engine answers; else nothing."""
    if not quietly("docker", "info"):
        return []
    for command in (["docker", "compose"], ["docker-compose"]):
        if quietly(*command, "version"):
            return [*command, "-f", str(COMPOSE)]
    return []


def quietly(*command: str) -> bool:
    """Whether a command ends well."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=ENGINE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def find(name: str) -> Path | None:
    """Where a server's program is: fetched, or the system's own."""
    server = SERVERS[name]
    fetched = FETCHED / server.package / "usr" / "bin" / server.program
    if server.program and fetched.exists():
        return fetched
    found = shutil.which(server.program or name)
    return Path(found) if found and server.program else None


def launch(name: str, program: Path, ports: Ports, folder: Path) -> str:
    """Start Debian's program; it goes on after this one, until ``stop``."""
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    options = {
        "prometheus": prometheus_options,
        "pushgateway": pushgateway_options,
        "alertmanager": alertmanager_options,
    }[name](own, ports)
    command = [str(program), f"--web.listen-address=127.0.0.1:{ports[name]}", *options]
    with (own / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=program.parents[2],  # fetched programs find their templates from there
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (own / "pid").write_text(f"{process.pid}\n")
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
        return f"it ended at once; {own / 'log'} tells why"
    return ""


def prometheus_options(own: Path, ports: Ports) -> list[str]:
    """Its configuration with this machine's addresses, and its data's folder."""
    shutil.copytree(STACK / "prometheus", own / "config", dirs_exist_ok=True)
    file = own / "config" / "prometheus.yml"
    file.write_text(localised(file.read_text(), ports))
    return [f"--config.file={file}", f"--storage.tsdb.path={own / 'data'}"]


def pushgateway_options(own: Path, _: Ports) -> list[str]:
    """Where it keeps its groups."""
    return [f"--persistence.file={own / 'groups'}"]


def alertmanager_options(own: Path, ports: Ports) -> list[str]:
    """Its configuration with this machine's addresses, and its data's folder."""
    file = own / "alertmanager.yml"
    text = (STACK / "alertmanager" / "alertmanager.yml").read_text()
    file.write_text(localised(text, ports))
    return [
        f"--config.file={file}",
        f"--storage.path={own / 'data'}",
        "--cluster.listen-address=",
    ]


def localised(text: str, ports: Ports) -> str:
    """A configuration of the compose file's network, for programs on this machine."""
    text = text.replace("localhost:9090", f"127.0.0.1:{ports['prometheus']}")
    text = text.replace("host.docker.internal", "127.0.0.1")
    for name, server in SERVERS.items():
        text = text.replace(f"{name}:{server.port}", f"127.0.0.1:{ports[name]}")
    return text


def wait_for(name: str, ports: Ports) -> str:
    """Wait until a server can be used; why it cannot, or nothing."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if answers(name, ports):
            return ""
        time.sleep(0.1)
    return f"it does not answer at {address(name, ports)} after {SECONDS:g} s"


def address(name: str, ports: Ports) -> str:
    """Where a server is."""
    return f"http://127.0.0.1:{ports[name]}"


def answers(name: str, ports: Ports) -> bool:
    """Whether a server says that it can be used."""
    try:
        with DIRECTLY.open(address(name, ports) + SERVERS[name].ready, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def status(names: list[str], ports: Ports) -> int:
    """Tell which servers answer; 1 if one does not."""
    found = {name: answers(name, ports) for name in names}
    for name, is_there in found.items():
        word = "answers" if is_there else "DOES NOT ANSWER"
        print(f"monitoring: {name} {word} at {address(name, ports)}")
    return 0 if all(found.values()) else 1


def stop(folder: Path) -> None:
    """End what was started, and keep its data."""
    if engine := compose():
        subprocess.run([*engine, "stop"], check=True)
    for file in sorted(folder.glob("*/pid")):
        process = int(file.read_text())
        if is_ours(process, file.parent):
            os.kill(process, signal.SIGTERM)
            print(f"monitoring: {file.parent.name} was asked to end")
        file.unlink()


def is_ours(process: int, own: Path) -> bool:
    """Whether a process is the one that was started there, and no later one."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return str(own).encode() in words


if __name__ == "__main__":
    main()
