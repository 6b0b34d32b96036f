"""Runs mypy on files whose lines say which errors it must find, and no others."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src"
SAID = []  # by the one run, for all files: most of its time goes to what they import


def found_and_marked(name, cache):
    """The lines and codes of what mypy found in a file here, and of what it marks.

    The folder ``cache`` is that of the run, if there was none yet.
    """
    if not SAID:
        SAID.append(said_of_all(cache))
    found = [(line, code) for file, line, code in SAID[0] if file == name]
    lines = enumerate((HERE / name).read_text().splitlines(), 1)
    marked = [(str(n), text.split("# E: ")[1]) for n, text in lines if "# E: " in text]
    assert marked
    return found, marked


def said_of_all(cache):
    """The files, lines and codes of what mypy finds in all of them."""
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={cache}"]
    snippets = sorted(map(str, HERE.glob("typed_*.py")))
    done = subprocess.run(
        [*command, "--no-error-summary", "--config-file=", *snippets],
        capture_output=True,
        text=True,
        cwd=SOURCE,
        check=False,
    )
    found = re.findall(r"(\w+\.py):(\d+): error: .*\[(.+)\]", done.stdout)
    assert len(found) == done.stdout.count("error:"), done.stdout
    assert not done.stderr
    return found
