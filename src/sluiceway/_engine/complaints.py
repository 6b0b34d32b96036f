"""Complaints: a stage's errors in the log, at most once every ten seconds.

Law: WARNING when events were lost or a stage misbehaved, with the stage's name and how
many events; never a line per event.
"""

from __future__ import annotations

import os
from logging import Logger
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..errors import counted, line_of

INTERVAL = 10.0  # seconds between two lines about one stage
OURS: Final = str(Path(__file__).parents[1]) + os.sep


class Complaints:
    """Logs the errors of stages, each stage's at most every ten seconds.

    Args:
        logger: where to; a logger below ``sluiceway``, which no pipeline takes in.
        clock: for the interval.
    """

    def __init__(self, logger: Logger, clock: Clock) -> None:
        self._logger = logger
        self._clock = clock
        self._next: dict[str, float] = {}
        self._next_retry: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def about(self, stage: str, error: BaseException, count: int = 0) -> None:
        """Say that ``count`` events failed at ``stage``, now or with the next line."""
        unsaid = self._unsaid.get(stage, 0) + count
        now = self._clock.now()
        if now < self._next.get(stage, now):
            self._unsaid[stage] = unsaid
            return
        self._next[stage] = now + INTERVAL
        self._unsaid[stage] = 0
        what = f"{counted(unsaid, 'event')} failed" if unsaid else "failed"
        kind = type(error).__name__
        line = line_of(error) + place_of(error)
        self._logger.warning("stage %s: %s: %s: %s", stage, what, kind, line)

    def retrying(self, stage: str, error: BaseException, seconds: float) -> None:
        """Say that ``stage`` tries again after ``error``; it has lost nothing yet."""
        now = self._clock.now()
        if now < self._next_retry.get(stage, now):
            return
        self._next_retry[stage] = now + INTERVAL
        self._logger.warning(
            "stage %s: trying again in %.1f s after %s: %s",
            stage,
            seconds,
            type(error).__name__,
            line_of(error),
        )

    def say_the_rest(self) -> None:
        """Say how many events failed since the last line about each stage."""
        for stage, count in self._unsaid.items():
            if count:
                more = counted(count, "more event")
                self._logger.warning("stage %s: %s failed", stage, more)
        self._unsaid.clear()


def place_of(error: BaseException) -> str:
    """Where a user's code has raised or passed it, as `` (rules.py:12)``."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename.startswith(OURS):
        at = at.tb_next
    if at is None:
        return ""
    return f" ({Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno})"
