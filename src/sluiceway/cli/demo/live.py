"""The live table, by rich; imported only on a terminal.

Law: it is drawn when it is shown a moment, by nobody else's thread, and leaves nothing
on the screen when it is closed. No row and no column is ever cut: what has no room on
the terminal is left out as a whole, for all stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .figures import Figures, rate_text, time_text
from .screen import Moment, summary

BAR: Final = 8
WIDEST: Final = 1000  # columns
AROUND: Final = 7  # lines of a drawing that are no stage's
DETAILS: Final[Sequence[str]] = (
    "stage kind in/s out/s queue waiting latency p99 lost",
    "stage kind in/s out/s queue latency lost",
    "stage in/s out/s full latency lost",
)


class LiveScreen:
    """A table that is drawn anew four times a second.

    Args:
        console: where; standard output by default.
    """

    interval = 0.25

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def open(self) -> None:
        """Take the screen's lower part."""
        self._live.start()

    def show(self, moment: Moment) -> None:
        """Draw the table, or one line where there is no room for it."""
        self._live.update(drawing(moment, self._console), refresh=True)

    def close(self) -> None:
        """Give the screen back."""
        self._live.update(Text(), refresh=True)  # or its last lines would stay
        self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        """Print a line above the table."""
        self._console.print(Text(line, style=style))


def drawing(moment: Moment, console: Console) -> Group:
    """As much of a moment as there is room for."""
    if len(moment.stages) + AROUND <= console.height:
        for titles in DETAILS:
            drawn = table(moment, titles.split())
            if uncut_width(drawn, console) <= console.width:
                return Group(Text(), headline(moment), drawn)
    return Group(Text(), Text(summary(moment)))


def uncut_width(drawn: Table, console: Console) -> int:
    """The columns of a terminal that show a table uncut."""
    unbounded = console.options.update(max_width=WIDEST)
    return Measurement.get(console, unbounded, drawn).maximum


def headline(moment: Moment) -> Table:
    """What is going on, in one line."""
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(
        total=moment.duration, completed=moment.elapsed, width=16, complete_style="cyan"
    )
    words = Text.assemble(
        (f"{moment.elapsed:4.1f} s", "bold"),
        f"  {'open' if moment.open else 'draining'}  {moment.requests:,} requests  ",
        (f"{moment.slow:,} slow", "yellow" if moment.slow else ""),
        "  ",
        (f"{moment.failed:,} failed", "red" if moment.failed else ""),
    )
    grid.add_row(bar, words)
    return grid


def table(moment: Moment, titles: Sequence[str]) -> Table:
    """A row for each stage."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for title in titles:
        width, _ = COLUMNS[title]
        drawn.add_column(
            title,
            style={"stage": "bold", "kind": "dim"}.get(title, ""),
            justify="left" if title in ("stage", "kind", "queue") else "right",
            no_wrap=True,
            min_width=width,
        )
    for stage in moment.stages:
        drawn.add_row(*(COLUMNS[title][1](stage) for title in titles))
    return drawn


def losses(stage: Figures) -> Text:
    """What a stage has lost since the beginning."""
    return Text(f"{stage.lost:,}", style="bold red" if stage.lost else "dim")


def waiting(stage: Figures) -> Text:
    """The events in a stage's queue, if it has one."""
    return Text("" if stage.queue is None else f"{stage.waiting:,}")


def fill(stage: Figures) -> Text:
    """A queue as a bar and a percentage."""
    share = stage.queue
    if share is None:
        return Text()
    full = min(BAR, round(share * BAR) or int(share > 0))
    bars = (("━" * full, colour(share)), ("━" * (BAR - full), "bright_black"))
    return Text.assemble(*bars, f" {share:4.0%}")


def percentage(stage: Figures) -> Text:
    """A queue as a percentage."""
    share = stage.queue
    return Text() if share is None else Text(f"{share:.0%}", style=colour(share))


def colour(share: float) -> str:
    """How much a queue's fill is to worry about."""
    return "green" if share < 0.5 else "yellow" if share < 0.9 else "red"


# By title: the least width, and what stands there.
COLUMNS: Final[Mapping[str, tuple[int, Callable[[Figures], Text]]]] = {
    "stage": (0, lambda stage: Text(stage.name)),
    "kind": (0, lambda stage: Text(stage.kind)),
    "in/s": (6, lambda stage: Text(rate_text(stage.incoming))),
    "out/s": (6, lambda stage: Text(rate_text(stage.outgoing))),
    "queue": (BAR + 5, fill),
    "full": (4, percentage),
    "waiting": (9, waiting),
    "latency": (7, lambda stage: Text(time_text(stage.latency))),
    "p99": (7, lambda stage: Text(time_text(stage.tail))),
    "lost": (6, losses),
}
