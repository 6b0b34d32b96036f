"""What is shown while the demo runs: a live table, or plain lines.

Law: a screen is shown moments and prints lines; it never asks the pipeline anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from .figures import Figures


@frozen
class Moment:
    """What there is to show.

    Attributes:
        open: whether the shop still has customers; else it drains.
        elapsed: seconds since the shop opened.
        duration: seconds that it is to be open.
        requests: requests that have ended, and of these the ``slow`` and ``failed``.
        stages: the figures of every stage.
    """

    open: bool
    elapsed: float
    duration: float
    requests: int
    slow: int
    failed: int
    stages: Sequence[Figures]


class Screen(Protocol):
    """Where moments and lines are shown.

    Attributes:
        interval: seconds between two moments.
    """

    interval: float

    def open(self) -> None:
        """Get ready for moments."""

    def show(self, moment: Moment) -> None:
        """Show how things are now."""

    def close(self) -> None:
        """The last moment was shown."""

    def say(self, line: str, style: str = "") -> None:
        """Print a line that stays."""


class PlainScreen:
    """Plain lines, for pipes and CI: one a second."""

    interval = 1.0

    def open(self) -> None:
        """Nothing to get ready."""

    def show(self, moment: Moment) -> None:
        """One line about everything."""
        self.say(summary(moment))

    def close(self) -> None:
        """Nothing to put away."""

    def say(self, line: str, style: str = "") -> None:  # noqa: ARG002 - plain
        """Print a line at once."""
        print(line, flush=True)


def summary(moment: Moment) -> str:
    """A moment in one line: the fullest queue and the slowest calls of all stages."""
    fullest = max((s.queue or 0.0 for s in moment.stages), default=0.0)
    slowest = max((s.tail or 0.0 for s in moment.stages), default=0.0)
    lost = sum(stage.lost for stage in moment.stages)
    events = sum(s.incoming for s in moment.stages if s.kind == "source")
    return (
        f"{moment.elapsed:4.1f} s {moment.requests:6,} requests "
        f"{moment.failed:3,} failed {events:5,.0f} events/s  "
        f"queue {fullest:3.0%}  calls {slowest * 1000:2.0f} ms  lost {lost:,}"
        f"{'' if moment.open else '  draining'}"
    )


def choose_screen(*, live: bool) -> Screen:
    """A live table on a terminal where rich is installed, else plain lines."""
    able = os.environ.get("TERM") not in (None, "", "dumb", "unknown")
    able = able and not os.environ.get("CI")
    if live and able and sys.stdout.isatty() and sys.stdout.encoding == "utf-8":
        try:
            from .live import LiveScreen  # noqa: PLC0415 - rich is an extra
        except ImportError:
            plain = PlainScreen()
            plain.say("without a live table, which needs pip install 'sluiceway[rich]'")
            return plain
        return LiveScreen()
    return PlainScreen()
