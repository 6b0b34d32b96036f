"""The live table, by rich; imported only on a terminal.

Law: it is drawn when it is shown a moment, by nobody else's thread, and leaves nothing
on the screen when it is closed.
"""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .figures import Figures, rate_text, time_text
from .screen import Moment

WIDE = 100  # columns from which there is room for more
BAR = 8


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
        """Draw the table."""
        wide = self._console.width >= WIDE
        drawing = Group(Text(), headline(moment), table(moment, wide=wide))
        self._live.update(drawing, refresh=True)

    def close(self) -> None:
        """Give the screen back."""
        self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        """Print a line above the table."""
        self._console.print(Text(line, style=style))


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


def table(moment: Moment, *, wide: bool) -> Table:
    """A row for each stage."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    drawn.add_column("stage", style="bold", no_wrap=True)
    drawn.add_column("kind", style="dim", no_wrap=True)
    for title in ("in/s", "out/s"):
        drawn.add_column(title, justify="right", no_wrap=True, min_width=6)
    drawn.add_column("queue", no_wrap=True, min_width=BAR + 6)
    if wide:
        drawn.add_column("waiting", justify="right", no_wrap=True, min_width=9)
    drawn.add_column("latency", justify="right", no_wrap=True, min_width=7)
    if wide:
        drawn.add_column("p99", justify="right", no_wrap=True, min_width=7)
    drawn.add_column("lost", justify="right", no_wrap=True, min_width=6)
    for stage in moment.stages:
        drawn.add_row(*cells(stage, wide=wide))
    return drawn


def cells(stage: Figures, *, wide: bool) -> list[Text]:
    """One stage's row."""
    texts = [
        Text(stage.name),
        Text(stage.kind),
        Text(rate_text(stage.incoming)),
        Text(rate_text(stage.outgoing)),
        fill(stage.queue),
        Text(f"{stage.waiting:,}" if stage.queue is not None else ""),
        Text(time_text(stage.latency)),
        Text(time_text(stage.tail)),
        Text(f"{stage.lost:,}", style="bold red" if stage.lost else "dim"),
    ]
    if not wide:
        del texts[7], texts[5]
    return texts


def fill(share: float | None) -> Text:
    """A queue as a bar and a percentage."""
    if share is None:
        return Text("")
    full = min(BAR, round(share * BAR) or int(share > 0))
    colour = "green" if share < 0.5 else "yellow" if share < 0.9 else "red"
    return Text.assemble(
        ("━" * full, colour), ("━" * (BAR - full), "bright_black"), f" {share:4.0%}"
    )
