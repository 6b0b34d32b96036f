"""The gates of the FLEXT document: narrower than the house's, and really closed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import flext_observability
import sluiceway

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

TOO_MANY_ARGUMENTS = """
def probe(a: int, b: int, c: int, *, d: int, e: int, f: int) -> int:
    '''Add.'''
    return a + b + c + d + e + f
"""
TOO_MANY_RETURNS = """
def probe(a: int) -> int:
    '''Choose.'''
    if a == 1:
        return 2
    if a == 2:
        return 3
    if a == 3:
        return 4
    return a
"""
TOO_COMPLEX = "def probe(a: int) -> None:\n    '''Loop.'''\n" + "\n".join(
    f"    if a == {number}:\n        print(a)" for number in range(11)
)


def complaints(code, place="src/flext_observability/probe.py"):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--output-format", "concise"),
            *("--stdin-filename", place, "-"),
        ],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {*re.findall(r": ([A-Z]+\d+) ", done.stdout)}


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (TOO_MANY_ARGUMENTS, "PLR0913"),
        (TOO_MANY_RETURNS, "PLR0911"),
        (TOO_COMPLEX, "C901"),
    ],
)
def test_the_gates_are_closed_in_this_package(code, rule):
    pytest.importorskip("ruff")
    assert rule in complaints(code)


def test_the_house_has_its_own_bounds():
    pytest.importorskip("ruff")
    place = "src/sluiceway/probe.py"
    assert not {"PLR0913", "PLR0911"} & complaints(TOO_MANY_ARGUMENTS, place)
    assert "C901" in complaints(TOO_COMPLEX, place)


@pytest.mark.parametrize(
    "words",
    [
        "import opentelemetry|import prometheus_client|import logging",
        r"from flext_observability\.[a-z]",
    ],
)
def test_the_documents_searches_find_nothing_in_the_sources(words):
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 300
    assert [str(f) for f in files if re.search(words, f.read_text())] == []


def test_the_extra_of_this_package_brings_grpc():
    extras = PROJECT["project"]["optional-dependencies"]
    assert {*extras["grpc"]} <= {*extras["flext"]}


FILES = {
    "models": ("FlextMetric", "FlextTrace", "FlextAlert", "FlextHealthCheck"),
    "exceptions": ("FlextObservabilityError",),
    "services": (
        "FlextMetricsService",
        "FlextTracingService",
        "FlextAlertService",
        "FlextHealthService",
    ),
    "factories": ("FlextObservabilityMasterFactory", "get_global_factory"),
    "monitoring": ("FlextObservabilityMonitor", "flext_monitor_function"),
    "api": ("flext_create_metric", "flext_create_trace", "flext_create_alert"),
    "config": ("FlextObservabilityConfig",),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_document_has_what_it_names_and_the_root_has_it_too(name):
    assert (SOURCE / "flext_observability" / f"{name}.py").is_file()
    module = importlib.import_module(f"flext_observability.{name}")
    for each in FILES[name]:
        assert getattr(module, each) is getattr(flext_observability, each)


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "flext_observability" / "py.typed").is_file()


def test_ninety_percent_of_all_branches_must_be_covered():
    coverage = PROJECT["tool"]["coverage"]
    assert coverage["run"]["branch"] is True
    assert coverage["report"]["fail_under"] >= 90
    # One package's coverage must not be measured over both.
    assert not {"source", "source_pkgs"} & {*coverage["run"]}


def test_both_packages_tell_the_version_of_their_distribution():
    told = {flext_observability.__version__, sluiceway.__version__}
    assert told == {PROJECT["project"]["version"]}
