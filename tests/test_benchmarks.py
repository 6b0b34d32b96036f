import inspect
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from benchmarks.__main__ import BENCHMARKS, run_all
from benchmarks.plots import PLOTS, draw, lines_of
from benchmarks.report import Figure, Spot, bounded, cost, missing, table
from benchmarks.results import Report, measured

ROOT = Path(__file__).parent.parent

FIGURES = [
    cost(
        "a chain",
        100.0,
        1250.0,
        unit="ns CPU",
        times=10,
        spot=Spot("engine-batch", 100, peer="a queue"),
    ),
    cost(
        "a chain",
        3000.0,
        1250.0,
        unit="ns CPU",
        spot=Spot("engine-batch", 1, peer="a queue"),
    ),
    bounded("growth", 8.5, unit="MiB", limit=4, peer=7.25),
    missing("an engine", "needs Python 3.12"),
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_offers_its_figures_in_a_short_form_and_a_program(name):
    benchmark = import_module(f"benchmarks.{name}")
    short = inspect.signature(benchmark.figures).parameters["short"]
    assert short.kind is inspect.Parameter.KEYWORD_ONLY
    assert short.default is False
    assert not inspect.signature(benchmark.main).parameters
    assert f"python -m benchmarks.{name}" in " ".join(benchmark.__doc__.split())


def test_every_benchmark_of_the_folder_is_in_the_table():
    offered = {
        path.stem
        for path in ROOT.glob("benchmarks/*.py")
        if "\ndef figures(" in path.read_text()
    }
    assert offered == set(BENCHMARKS)


def test_the_table_shows_ours_the_peers_the_ratio_and_the_aim():
    head, reached, behind, missed, absent = table(FIGURES).splitlines()
    assert head.split() == ["ours", "peer", "unit", "ratio", "aim"]
    assert reached.split()[2:] == [
        *("100", "1,250", "ns", "CPU", "12.5x"),
        *("10", "times", "reached"),
    ]
    assert behind.endswith("0.4x")
    assert missed.split() == [
        *("growth", "8.5", "7.25", "MiB", "at", "most", "4", "MiB", "MISSED")
    ]
    assert absent.split() == ["an", "engine", "needs", "Python", "3.12"]


def test_a_report_is_read_back_as_it_was_written():
    written = msgspec.json.encode(FIGURES)
    assert msgspec.json.decode(written, type=list[Figure]) == FIGURES


def test_the_results_name_the_machine_and_show_each_figure_in_a_row():
    report = Report(
        date="2026-11-28T08:00:00+00:00",
        python="3.11.7",
        machine="Linux x86_64, 2 cores",
        processor="a processor",
        load_before=[0.5, 0.4, 0.3],
        load=[1.5, 0.4, 0.3],
        versions={"sluiceway": "0.1.0"},
        short=True,
        figures=FIGURES,
    )
    text = measured(report, [Path("plots/engine-batch.svg")])
    assert "load 0.5 at the beginning and 1.5 at the end, Python 3.11.7" in text
    assert "| growth | 8.5 | 7.25 | MiB |  | at most 4 MiB | **missed** |" in text
    assert "| an engine |  |  |  |  |  | needs Python 3.12 |" in text
    assert text.endswith("![engine-batch](plots/engine-batch.svg)\n")


def test_a_plot_has_a_line_for_us_and_one_for_each_peer_from_left_to_right():
    assert lines_of(FIGURES) == {
        "engine-batch": {
            "sluiceway": [(1, 3000.0), (100, 100.0)],
            "a queue": [(1, 1250.0), (100, 1250.0)],
        }
    }


def test_every_plot_is_drawn_as_a_readable_picture(tmp_path):
    pytest.importorskip("matplotlib")
    for name in PLOTS:
        lines = {"sluiceway": [(1, 100.0), (10, 50.0)], "a queue": [(1, 900.0)]}
        text = draw(name, lines, tmp_path).read_text()
        assert text.startswith("<?xml")
        assert PLOTS[name].title in text
        assert "a queue" in text


def test_an_interrupted_run_tells_what_was_found_and_names_the_rest(tmp_path):
    words = ("--short", "--json", tmp_path / "found")
    only = ("--only", "request_headers", "overload")
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *words, *only],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stderr.readline().startswith("request_headers: ")
        os.killpg(running.pid, signal.SIGINT)
        told, _ = running.communicate(timeout=50)
    assert running.returncode == 130
    assert "headers, in" in told
    assert re.search(r"^overload +interrupted$", told, re.MULTILINE)
    report = msgspec.json.decode((tmp_path / "found").read_bytes(), type=Report)
    assert report.figures[-1].note == "interrupted"


def test_a_benchmark_that_fails_is_named_and_costs_the_others_nothing():
    found, code = run_all(["no_such", "request_headers"], short=True)
    assert code == 1
    assert "failed: ModuleNotFoundError" in found[0].note
    assert {figure.benchmark for figure in found[1:]} == {"request_headers"}


def test_the_benchmarks_tell_what_they_know_by_name():
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--short" in told.stdout
    assert "--json" in told.stdout
