"""Real servers for tests: each runs on a free loopback port and ends with its block."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import NoReturn

import pytest
from servers.polling import eventually

FETCHED = Path(__file__).resolve().parents[2] / ".venv" / "servers"
PACKAGES = {
    "prometheus": ("prometheus", "prometheus"),
    "promtool": ("prometheus", "promtool"),
    "pushgateway": ("prometheus-pushgateway", "prometheus-pushgateway"),
    "alertmanager": ("prometheus-alertmanager", "prometheus-alertmanager"),
    "amtool": ("prometheus-alertmanager", "amtool"),
}
START_SECONDS = 30.0
STOP_SECONDS = 10.0
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerStartError(Exception):
    """A server ended, or was not ready in time; the message holds its last words."""


@dataclass(frozen=True)
class RunningServer:
    """A server that answers at ``url``; its output goes to ``log``."""

    name: str
    url: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> str:
        """The body of a GET; raises urllib's errors."""
        with DIRECTLY.open(self.url + path, timeout=10) as answer:
            return answer.read().decode()


def find(name: str) -> Path | None:
    """Where the program is: what ``make servers`` fetched, or the system's own."""
    package, program = PACKAGES[name]
    fetched = FETCHED / package / "usr" / "bin" / program
    if fetched.exists():
        return fetched
    found = shutil.which(program)
    return Path(found) if found else None


def require(name: str) -> Path:
    """The program's path; without it the test is skipped, or fails where CI says so."""
    path = find(name)
    if path is None:
        missing(f"server {name} is not here: run `make servers`")
    return path


def missing(message: str) -> NoReturn:
    """Skip the test, or fail it where CI wants every server to be there."""
    if os.environ.get("SLUICEWAY_REQUIRE_SERVERS") == "1":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def pushgateway(
    folder: Path, *arguments: str, port: int | None = None
) -> Iterator[RunningServer]:
    """A pushgateway that keeps its groups in ``folder`` from start to start."""
    kept = folder / "pushgateway.store"
    options = (
        f"--persistence.file={kept}",
        "--persistence.interval=1s",
        "--web.enable-admin-api",
        *arguments,
    )
    with running("pushgateway", folder, options, port) as server:
        yield server


@contextmanager
def prometheus(
    folder: Path,
    targets: dict[str, str] | None = None,
    *arguments: str,
    config: str | None = None,
    port: int | None = None,
) -> Iterator[RunningServer]:
    """A Prometheus that scrapes ``targets`` (``host:port`` by job) every second.

    Args:
        folder: where its configuration and data go.
        targets: what to scrape; ``host:port/path`` gives a path other than /metrics.
        arguments: further command-line flags.
        config: a whole configuration file instead of ``targets``.
        port: the port to listen on, by default a free one.
    """
    file = folder / "prometheus.yml"
    file.write_text(config or scrape_config(targets or {}))
    options = (
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.enable-lifecycle",
        "--enable-feature=exemplar-storage",
        *arguments,
    )
    with running("prometheus", folder, options, port) as server:
        yield server


@contextmanager
def alertmanager(
    folder: Path,
    webhook: str | None = None,
    *arguments: str,
    config: str | None = None,
    port: int | None = None,
) -> Iterator[RunningServer]:
    """An Alertmanager that sends alerts on to the URL ``webhook`` at once, if given."""
    file = folder / "alertmanager.yml"
    file.write_text(config or webhook_config(webhook))
    options = (
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        "--cluster.listen-address=",
        *arguments,
    )
    with running("alertmanager", folder, options, port) as server:
        yield server


def scrape_config(targets: dict[str, str]) -> str:
    """A configuration that scrapes each target by its job's name, every second."""
    lines = [
        "global: {scrape_interval: 1s, evaluation_interval: 1s}",
        "scrape_configs:",
    ]
    for job, target in targets.items():
        address, _, path = target.partition("/")
        lines.append(f"- job_name: '{job}'")
        lines.append(f"  metrics_path: '/{path or 'metrics'}'")
        lines.append(f"  static_configs: [{{targets: ['{address}']}}]")
    return "\n".join(lines) + "\n"


def webhook_config(webhook: str | None) -> str:
    """A configuration whose one receiver posts to ``webhook``, or does nothing."""
    receiver = f"\n      webhook_configs: [{{url: '{webhook}'}}]" if webhook else ""
    return dedent(f"""\
    route:
      receiver: tests
      group_by: [alertname]
      group_wait: 0s
      group_interval: 1s
      repeat_interval: 1h
    receivers:
    - name: tests{receiver}
    """)


@contextmanager
def running(
    name: str, folder: Path, options: tuple[str, ...], port: int | None
) -> Iterator[RunningServer]:
    """Start, wait until ready, and stop with the block, come what may."""
    program = require(name)
    server = start(name, program, folder, options, port)
    try:
        yield server
    finally:
        stop(server.process)


def start(
    name: str, program: Path, folder: Path, options: tuple[str, ...], port: int | None
) -> RunningServer:
    """A server that is ready; a free port that somebody else took is tried again."""
    for tries_left in (2, 1, 0):
        server = launch(name, program, folder, options, port or free_port())
        try:
            eventually(lambda server=server: is_ready(server), seconds=START_SECONDS)
        except (AssertionError, ServerStartError) as error:
            stop(server.process)
            words = server.log.read_text(errors="replace")[-2000:]
            taken = port is None and "address already in use" in words
            if not (taken and tries_left):
                raise ServerStartError(f"{name}: {error}\n{words}") from None
        except BaseException:
            stop(server.process)
            raise
        else:
            return server
    raise AssertionError("the last try returns or raises")


def launch(
    name: str, program: Path, folder: Path, options: tuple[str, ...], port: int
) -> RunningServer:
    """The started process; it dies with us where the system can promise that."""
    address = f"127.0.0.1:{port}"
    command = [str(program), f"--web.listen-address={address}", *options]
    if guard := shutil.which("setpriv"):
        command = [guard, "--pdeathsig", "KILL", *command]
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=program.parents[2],  # fetched programs find their templates from there
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return RunningServer(name, f"http://{address}", port, log, process)


def is_ready(server: RunningServer) -> bool:
    """Whether its ready endpoint says so."""
    if server.process.poll() is not None:
        raise ServerStartError(f"ended with exit code {server.process.returncode}")
    try:
        server.get("/-/ready")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and end it."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
