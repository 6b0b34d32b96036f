"""Running `sluiceway` as a user does, and reading what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REDIRECTING = ("OTEL_", "PROMETHEUS_", "ALERTMANAGER_")
SECONDS = 30.0


def environment(further: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without what would change where telemetry goes."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(REDIRECTING) and name not in {"CI", "TERM"}
    }
    return {**own, "PYTHONWARNINGS": "error", **further}


def command(*words: str) -> list[str]:
    """The command line of the installed program."""
    return [str(Path(sys.executable).with_name("sluiceway")), *words]


@dataclass
class Run:
    """A run that has ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def verdict(self) -> str:
        """The last line."""
        return self.out.rstrip().splitlines()[-1]

    def number(self, pattern: str) -> int:
        """The number that the pattern's one group finds."""
        found = re.search(pattern, self.out)
        assert found, f"{pattern} is not in:\n{self.out}\n{self.err}"
        return int(found[1].replace(",", ""))


def run(*words: str, **further: str) -> Run:
    """Run it to its end, its output a pipe."""
    done = subprocess.run(
        command(*words),
        env=environment(further),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(*words: str, **further: str) -> Iterator[subprocess.Popen[str]]:
    """Run it, to be interrupted."""
    process = subprocess.Popen(
        command(*words),
        env=environment(further),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints, up to the line with these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"{words!r} is not in:\n{''.join(lines)}")


def ended(process: subprocess.Popen[str], before: str = "") -> Run:
    """The rest of what it prints, once it has ended."""
    out, err = process.communicate(timeout=SECONDS)
    return Run(process.returncode, before + (out or ""), err)
