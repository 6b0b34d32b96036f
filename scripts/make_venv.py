"""Build the virtual environment that make uses and install the package into it."""

import subprocess
import sys
import venv
from pathlib import Path

GROUPS = ("test", "lint", "nox")
OLDEST = (3, 11)


def main() -> None:
    """Create the environment named on the command line, or complete it."""
    if sys.version_info < OLDEST:
        have = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"sluiceway needs Python 3.11 or newer, this is {have}; "
            "name another one: make PYTHON=python3.12 ..."
        )
    root = Path(sys.argv[1])
    venv.create(root, with_pip=True)
    python = root / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
    groups = [argument for group in GROUPS for argument in ("--group", group)]
    subprocess.run([*pip, "-e", ".[rich]", *groups], check=True)


main()
