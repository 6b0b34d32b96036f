"""Build the virtual environment that make uses and install the package into it.

``make_venv.py FOLDER`` is for everything but the benchmarks and audits; ``make_venv.py
FOLDER bench`` adds what the former measure against, and ``FOLDER/peers`` for the rest;
``make_venv.py FOLDER security`` adds what audits. Any Python 3 comes as far as to be
told that it is too old.
"""

import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

from pythons import interpreter

GROUPS = ("test", "lint", "nox")
INSTALL = ("--disable-pip-version-check", "install", "-q")
OLDEST = (3, 11)
OF_PEERS = (3, 12)  # every engine that we measure against knows this Python


def main() -> None:
    """Complete the environment named on the command line, made if need be."""
    if sys.version_info < OLDEST:
        have = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"sluiceway needs Python 3.11 or newer, this is {have}; "
            "name another one: make PYTHON=python3.12 ..."
        )
    root, *wanted = sys.argv[1:]
    if wanted == ["bench"]:
        add_bench(Path(root))
    elif wanted:
        subprocess.run([*pip_of(Path(root)), *named(*wanted)], check=True)
    else:
        create(Path(root))
        pip = pip_of(Path(root))
        subprocess.run([*pip, "-e", ".[rich]", *named(*GROUPS)], check=True)


def create(root: Path) -> None:
    """An environment with a pip that knows dependency groups.

    Debian keeps ``ensurepip`` in a package of its own, python3-venv; without it, this
    Python's own pip installs the environment's.
    """
    ensured = find_spec("ensurepip") is not None
    venv.create(root, with_pip=ensured)
    own = [sys.executable, "-m", "pip", "--python", python_of(root), *INSTALL]
    pip = pip_of(root) if ensured else own
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)


def add_bench(root: Path) -> None:
    """The benchmarks' own group, and the peers that need another Python."""
    subprocess.run([*pip_of(root), *named("bench")], check=True)
    if sys.version_info[:2] == OF_PEERS:
        return
    python = interpreter(".".join(map(str, OF_PEERS)))
    if python is None:
        print("no Python 3.12 is here: benchmarks leave out the peers that need it")
        return
    subprocess.run([python, "-m", "venv", str(root / "peers")], check=True)
    pip = pip_of(root / "peers")
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
    subprocess.run([*pip, "-e", ".", *named("peers")], check=True)


def pip_of(root: Path) -> "list[str]":
    """How to install something into an environment."""
    return [python_of(root), "-m", "pip", *INSTALL]


def python_of(root: Path) -> str:
    """An environment's interpreter."""
    return str(root / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def named(*groups: str) -> "list[str]":
    """The arguments of pip for dependency groups."""
    return [argument for group in groups for argument in ("--group", group)]


main()
