"""The live table, seen through a real terminal, and the figures that it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from io import StringIO

import pytest
from attrs import evolve
from cli.demo_runs import command, environment

from sluiceway.cli.demo.figures import Figures, figures_of, rate_text, time_text
from sluiceway.cli.demo.screen import Moment, choose_screen
from sluiceway.latencies import Timings
from sluiceway.reports import StageStatistics

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
STAGES = ["metrics", "scrape", "pushgateway", "logs", "spans", "hide_card"]


WITHOUT_RICH = """
import sys
sys.modules["rich"] = None
from sluiceway.cli import main
sys.exit(main(["demo", "--duration", "0.1"]))
"""


def run_on_terminal(columns: int, *words: str, **further: str) -> tuple[int, str]:
    """The exit code and everything that a terminal of this width was sent."""
    return on_terminal(columns, command("demo", "--duration", "1", *words), **further)


def on_terminal(columns: int, program: list[str], **further: str) -> tuple[int, str]:
    """The same of any program."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        program,
        env=environment({"TERM": "xterm-256color", **further}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read(ours), b""))
    os.close(ours)
    return process.returncode, shown.decode()


def read(terminal: int) -> bytes:
    """The next bytes; nothing once the other side has closed."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say the end
        return b""


@pytest.mark.parametrize("columns", [80, 140])
def test_on_a_terminal_a_table_shows_every_stage_uncut(columns):
    pytest.importorskip("rich")
    code, shown = run_on_terminal(columns)
    lines = ESCAPE.sub("", shown).splitlines()
    rows = {stage: [x for x in lines if x.startswith(f" {stage} ")] for stage in STAGES}
    assert code == 0
    assert all(rows.values())
    assert ("waiting" in shown) == (columns == 140)
    assert "…" not in shown
    assert max(len(line.rpartition("\r")[2]) for line in lines) <= columns
    assert lines[-1].startswith("balanced")


def test_without_live_a_terminal_gets_plain_lines():
    code, shown = run_on_terminal(80, "--no-live")
    assert (code, ESCAPE.search(shown)) == (0, None)
    assert "events/s" in shown


@pytest.mark.parametrize(
    ("name", "value"), [("CI", "true"), ("TERM", "dumb"), ("TERM", "")]
)
def test_in_ci_and_on_a_dumb_terminal_there_are_plain_lines(name, value):
    code, shown = run_on_terminal(80, **{name: value})
    assert (code, ESCAPE.search(shown)) == (0, None)


def test_where_rich_is_missing_plain_lines_say_how_to_get_the_table():
    code, shown = on_terminal(80, [sys.executable, "-c", WITHOUT_RICH])
    assert (code, ESCAPE.search(shown)) == (0, None)
    assert "pip install 'sluiceway[rich]'" in shown.splitlines()[0]


def statistics(**counts: float) -> StageStatistics:
    known = {
        "incoming": 0,
        "outgoing": 0,
        "left_out": 0,
        "lost": 0,
        "held": 0,
        "queue_used": None,
        "queue_capacity": None,
        "batches": 0,
        "busy": 0.0,
    }
    return StageStatistics(name="otlp", kind="sink", **{**known, **counts})


def test_figures_are_of_the_time_between_two_snapshots():
    timings = Timings()
    timings.add(8.0)
    before = statistics(incoming=100, outgoing=90, calls=timings.snapshot())
    for seconds in (0.25, 0.25, 0.25, 2.0):
        timings.add(seconds)
    now = statistics(
        incoming=300, outgoing=190, calls=timings.snapshot(), lost=7, queue_used=25,
        queue_capacity=100,
    )  # fmt: skip
    (figures,) = figures_of([before], [now], 2.0)
    assert (figures.incoming, figures.outgoing) == (100.0, 50.0)
    assert (figures.queue, figures.waiting, figures.lost) == (0.25, 25, 7)
    assert figures.latency == pytest.approx(0.25, rel=1 / 32)
    assert figures.tail == pytest.approx(2.0, rel=1 / 16)


def test_a_stage_that_was_not_called_has_no_latency_and_no_queue_has_no_fill():
    (figures,) = figures_of([statistics()], [statistics()], 1.0)
    assert (figures.latency, figures.tail, figures.queue) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.000_008_8, "8.8 µs"),
        (0.000_5, "500 µs"),
        (0.000_999_6, "1.0 ms"),
        (0.25, "250 ms"),
        (1.25, "1.2 s"),
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds, text):
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0"), (0.26, "0.3"), (9.96, "10"), (12345.6, "12,346")]
)
def test_rates_have_as_many_digits_as_mean_something(rate, text):
    assert rate_text(rate) == text


def stage(name: str, **figures: object) -> Figures:
    known = {"incoming": 304.4, "outgoing": 0.0, "latency": 0.0042, "tail": 0.031}
    return Figures(
        name=name,
        kind="sink",
        **{**known, "queue": None, "waiting": 0, "lost": 0, **figures},
    )


MOMENT = Moment(
    open=True, elapsed=4.2, duration=20.0, requests=1234, slow=5, failed=6,
    stages=[
        stage("spans", latency=None, tail=None),
        stage("otlp", queue=0.95, waiting=7782, lost=42),
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (65, ["spans 304 0 - 0", "otlp 304 0 95% 4.2 ms 42"]),
        (80, ["spans sink 304 0 - 0", "otlp sink 304 0 ━━━━━━━━ 95% 4.2 ms 42"]),
        (
            140,
            [
                "spans sink 304 0 - - 0",
                "otlp sink 304 0 ━━━━━━━━ 95% 7,782 4.2 ms 31 ms 42",
            ],
        ),
    ],
)
def test_a_row_tells_rates_fill_latency_and_losses(columns, rows):
    live = pytest.importorskip("sluiceway.cli.demo.live")
    console = pytest.importorskip("rich.console").Console(
        file=StringIO(), width=columns, force_terminal=True
    )
    screen = live.LiveScreen(console)
    screen.open()
    screen.show(MOMENT)
    screen.say("a line that stays")
    screen.close()
    text = ESCAPE.sub("", console.file.getvalue())
    shown = [" ".join(line.split()) for line in text.splitlines()]
    assert all(row in shown for row in rows)
    assert "━ 4.2 s open 1,234 requests 5 slow 6 failed" in "\n".join(shown)
    assert "a line that stays" in shown


@pytest.mark.parametrize(("columns", "lines"), [(40, 24), (80, 7), (10, 1)])
def test_where_the_table_has_no_room_one_line_stands_for_it_and_nothing_stays(
    columns, lines
):
    live = pytest.importorskip("sluiceway.cli.demo.live")
    console = pytest.importorskip("rich.console").Console(
        file=StringIO(), width=columns, height=lines, force_terminal=True
    )
    screen = live.LiveScreen(console)
    screen.open()
    screen.show(MOMENT)
    text = " ".join(ESCAPE.sub("", console.file.getvalue()).split())
    shown = console.file.tell()
    screen.close()
    assert "spans" not in text
    assert "4.2 s" in text or lines == 1
    assert ESCAPE.sub("", console.file.getvalue()[shown:]).strip() == ""


def test_a_plain_line_says_when_it_only_drains(capsys):
    screen = choose_screen(live=False)
    screen.open()
    screen.show(MOMENT)
    screen.show(evolve(MOMENT, open=False))
    screen.close()
    running, draining = capsys.readouterr().out.splitlines()
    assert running == (
        " 4.2 s  1,234 requests   6 failed     0 events/s  "
        "queue 95%  calls 31 ms  lost 42"
    )
    assert draining == f"{running}  draining"
