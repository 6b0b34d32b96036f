"""The packages of batteries show all their names and load each only when asked."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = ["processors", "samplers", "sinks", "sources", "testing"]


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_shows_its_names_and_loads_no_battery(package):
    name = f"sluiceway.{package}"
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))
    assert set(module.__all__) == set(module.MODULES)
    loaded = modules_after(f"import {name}")
    assert not {each for each in loaded if each.startswith(f"{name}.")}


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package):
    module = importlib.import_module(f"sluiceway.{package}")
    with pytest.raises(AttributeError, match="Nothing"):
        _ = module.Nothing


@pytest.mark.parametrize("package", ["processors", "samplers", "testing"])
def test_every_name_can_be_imported(package):
    module = importlib.import_module(f"sluiceway.{package}")
    assert all(callable(getattr(module, name)) for name in module.__all__)


def test_the_testing_kit_needs_no_test_framework_and_no_network_library():
    names = (
        "CollectingSink, ManualClock, check_sink, check_source, check_processor, run"
    )
    loaded = modules_after(f"from sluiceway.testing import {names}")
    assert not loaded & {"pytest", "_pytest", "hypothesis", "aiohttp", "grpc"}


def test_the_console_needs_no_network_library():
    loaded = modules_after("from sluiceway.sinks import ConsoleSink, JsonLinesSink")
    assert not loaded & {"aiohttp", "grpc", "opentelemetry", "prometheus_client"}
