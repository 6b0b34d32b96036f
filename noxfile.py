"""The suite on every supported Python that is here, looked for behind pyenv too."""

import os
import shutil
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
nox.options.sessions = [f"tests-{version}" for version in PYTHONS]
nox.options.error_on_missing_interpreters = False


def interpreter(version: str) -> str:
    """The newest pyenv interpreter of this version, else what the path has."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        *root.glob(f"versions/{version}/bin/python"),
        *root.glob(f"versions/{version}.*/bin/python"),
    ]
    if found:
        return str(max(found, key=patch_of))
    return shutil.which(f"python{version}") or version


def patch_of(python: Path) -> tuple[int, ...]:
    """The version of a pyenv interpreter, from its folder's name."""
    return tuple(int(n) for n in python.parts[-3].split(".") if n.isdigit())


def tests(session: nox.Session) -> None:
    """Run the suite; the real servers are those that `make servers` has fetched."""
    session.install("pip>=25.1")
    session.run("python", "-m", "pip", "install", "-q", "-e", ".[rich]")
    session.run("python", "-m", "pip", "install", "-q", "--group", "test")
    session.run("python", "-m", "pytest", *session.posargs)


for version in PYTHONS:
    nox.session(tests, python=interpreter(version), name=f"tests-{version}")


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Style and types, as `make lint` does."""
    session.run("make", "lint", external=True)


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """The benchmarks in their short form, as `make bench` does."""
    session.run("make", "bench", external=True)
