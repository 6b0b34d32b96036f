"""Programs of their own, for what can happen only once in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run_program(program, **variables):
    """What the program prints; no OTEL_* variable is set but those that are given."""
    return run_python("-W", "error", "-c", textwrap.dedent(program), **variables)


def run_python(*arguments, **variables):
    """What Python prints with these arguments; it must end well."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**own, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
