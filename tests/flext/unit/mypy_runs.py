"""Runs mypy on a file whose lines say which errors it must find, and no others."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src"


def found_and_marked(name, cache):
    """The lines and codes of what mypy found in a file here, and of what it marks."""
    snippets = HERE / name
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={cache}"]
    done = subprocess.run(
        [*command, "--no-error-summary", "--config-file=", str(snippets)],
        capture_output=True,
        text=True,
        cwd=SOURCE,
        check=False,
    )
    found = re.findall(r":(\d+): error: .*\[(.+)\]", done.stdout)
    assert len(found) == done.stdout.count("error:"), done.stdout
    assert not done.stderr
    lines = enumerate(snippets.read_text().splitlines(), 1)
    marked = [(str(n), text.split("# E: ")[1]) for n, text in lines if "# E: " in text]
    assert marked
    return found, marked
