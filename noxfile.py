"""The suite on every supported Python that is here, looked for behind pyenv too."""

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
from pythons import interpreter

PYTHONS = ("3.11", "3.12", "3.13")
nox.options.sessions = [f"tests-{version}" for version in PYTHONS]
nox.options.error_on_missing_interpreters = False


def tests(session: nox.Session) -> None:
    """Run the suite; the real servers are those that `make servers` has fetched."""
    session.install("pip>=25.1")
    session.run("python", "-m", "pip", "install", "-q", "-e", ".[rich]")
    session.run("python", "-m", "pip", "install", "-q", "--group", "test")
    session.run("python", "-m", "pytest", *session.posargs)


for version in PYTHONS:
    nox.session(tests, python=interpreter(version) or version, name=f"tests-{version}")


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Style and types, as `make lint` does."""
    session.run("make", "lint", external=True)


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """The benchmarks in their short form, as `make bench` does."""
    session.run("make", "bench", external=True)


@nox.session(python=False)
def security(session: nox.Session) -> None:
    """The audit of the code and the dependencies, as `make security` does."""
    session.run("make", "security", external=True)


@nox.session(python=False)
def observability(session: nox.Session) -> None:
    """The gates of flext_observability: its coverage, its configuration, its stack."""
    session.run("make", "test-observability", "observability-validate", external=True)
