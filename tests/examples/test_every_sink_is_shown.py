"""Every sink has a row of guarantees in the README, and an example that runs."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from sluiceway import sinks

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text()
SECTION = README.partition("### Sinks and what they promise")[2].partition("\n#")[0]
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in SECTION.splitlines()
    if line.startswith("| `")
]
OF_SINK = {re.findall(r"`(\w+)\(", row[0])[0]: row for row in ROWS}
COLUMNS = 6
REASONS = re.findall(r"`([a-z]+_[a-z_]+)`", SECTION)
OF_SLACK = {"channel_not_found"}  # whose words are told as they come


def sinks_in(path):
    """The names of what an example makes."""
    text = path.read_text()
    if path.suffix == ".toml":
        return {stage["type"] for stage in tomllib.loads(text)["stages"].values()}
    calls = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def examples_of(sink):
    return re.findall(r"\]\(examples/([^)]+)\)", OF_SINK[sink][-1])


def test_each_sink_has_one_row_and_no_row_is_of_anything_else():
    assert sorted(OF_SINK) == sorted(sinks.__all__)
    assert len(ROWS) == len(OF_SINK)


@pytest.mark.parametrize("sink", sinks.__all__)
def test_a_row_says_everything(sink):
    row = OF_SINK[sink]
    assert len(row) == COLUMNS
    assert all(row)


@pytest.mark.parametrize("sink", sinks.__all__)
def test_the_examples_of_a_sink_make_it(sink):
    names = examples_of(sink)
    assert names
    for name in names:
        assert sink in sinks_in(EXAMPLES / name), name


@pytest.mark.parametrize("sink", sinks.__all__)
def test_the_examples_of_a_sink_are_run(sink):
    here = Path(__file__)
    tests = "".join(
        path.read_text() for path in here.parent.glob("test_*.py") if path != here
    )
    for name in examples_of(sink):
        assert name in tests or f"{Path(name).stem}:app" in tests, name


@pytest.mark.parametrize("reason", sorted({*REASONS} - OF_SLACK))
def test_a_reason_in_a_row_is_one_that_the_code_gives(reason):
    folders = [ROOT / "src" / "sluiceway" / name for name in ("sinks", "formats")]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    word = re.compile(rf"\b{reason.removeprefix('grpc_')}\b", re.IGNORECASE)
    assert any(word.search(path.read_text()) for path in files)
