"""Where `sluiceway bench` writes its figures, and what it does where it cannot."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from cli.demo_runs import command, environment

SHOP = """
from sluiceway import Pipeline
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

pipeline = Pipeline(OtlpSource(port=0) >> CollectingSink())
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def test_a_full_disk_for_the_output_is_told_in_one_line(folder):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("bench", "shop:pipeline", "--events", "100"),
            cwd=folder,
            env=environment({}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "the output cannot be written: [Errno 28]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_output_is_nothing_to_fail_of(folder):
    words = command("bench", "shop:pipeline", "--events", "20", "--json", "all.json")
    done = subprocess.run(
        f"{shlex.join(words)} >&-",
        shell=True,
        cwd=folder,
        env=environment({}),
        stderr=subprocess.PIPE,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((folder / "all.json").read_text())["sent"] == 20


def test_the_files_are_written_even_if_who_reads_the_figures_leaves(folder):
    words = ("--duration=1s", "--json=all.json", "--report=page.html")
    with subprocess.Popen(
        command("bench", "shop:pipeline", *words),
        cwd=folder,
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout.readline().startswith("shop:pipeline: ")
        running.stdout.close()
        assert running.stderr.read() == ""
    assert json.loads((folder / "all.json").read_text())["balanced"]
    assert "<figure>" in (folder / "page.html").read_text()


def test_figures_are_printed_even_if_their_file_cannot_be_written(folder):
    done = subprocess.run(
        command("bench", "shop:pipeline", "--events=20", "--report=/dev/full"),
        cwd=folder,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.endswith("\n20 delivered, 0 lost; balanced\n")
    assert "/dev/full: cannot be written (No space left on device)" in done.stderr
