"""The Rust collector that PyPI ships as ``rotel``, between a sink and a source."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from servers.polling import eventually
from servers.processes import free_port, stop


@dataclass(frozen=True)
class Rotel:
    """A collector that runs: where it listens, and what it says."""

    grpc: str
    http: str
    log: Path


def program() -> Path:
    """The collector's path; without one that starts the test is skipped, or fails."""
    spec = find_spec("rotel")
    if spec is None or spec.origin is None:
        return missing("rotel is not installed")
    path = Path(spec.origin).with_name("rotel-agent")
    asked = subprocess.run([path, "--version"], capture_output=True, check=False)
    if asked.returncode:
        return missing(f"rotel cannot start: {asked.stderr.decode()[-200:]}")
    return path


def missing(words: str) -> Path:
    if os.environ.get("SLUICEWAY_REQUIRE_ROTEL") == "1":
        pytest.fail(words)
    pytest.skip(words)


@contextmanager
def rotel(folder: Path, to: str, protocol: str):
    """A collector on free ports that exports all it gets to the address ``to``."""
    listen = {name: f"127.0.0.1:{free_port()}" for name in ("grpc", "http")}
    command = [
        *(program(), "start", "--batch-timeout=50ms", "--exporter=otlp"),
        f"--pid-file={folder / 'rotel.pid'}",
        f"--log-file={folder / 'rotel.txt'}",
        f"--otlp-grpc-endpoint={listen['grpc']}",
        f"--otlp-http-endpoint={listen['http']}",
        f"--otlp-exporter-endpoint={to}",
        f"--otlp-exporter-protocol={protocol}",
    ]
    if guard := shutil.which("setpriv"):
        command = [guard, "--pdeathsig", "KILL", *command]
    log = folder / "rotel.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: is_listening(process, listen, log))
        urls = {name: f"http://{address}" for name, address in listen.items()}
        yield Rotel(log=log, **urls)
    finally:
        stop(process)


def is_listening(process, listen, log) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")[-2000:]
    return all(map(accepts, listen.values()))


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
