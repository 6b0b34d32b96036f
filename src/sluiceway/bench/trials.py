"""A trial: a fresh process that runs ``sluiceway bench`` with some settings changed.

Law: a trial that does not work out is a trial with a trouble, not an error; the process
ends before ``run`` returns, whatever happens.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from attrs import field, frozen

from ..errors import SluicewayError
from ..settings import one_of
from .halving import Shown
from .knobs import Changes

Goal = Literal["throughput", "latency", "cpu"]
PROGRAM: Final = "from sluiceway.cli import main; raise SystemExit(main())"
DRAIN_SHARE: Final = 0.25  # of a trial's seconds
CUT_OFF: Final = "dropped{drain_timeout}"
LOOK_INTERVAL: Final = 0.1  # seconds
LATE: Final = 60.0  # seconds beyond its duration after which a trial is given up


class TrialError(SluicewayError):
    """The present settings do not run, so that nothing can be compared with them."""


@frozen
class Trials:
    """Makes trials of one pipeline under one load.

    Attributes:
        target: the file, or ``module:name``.
        words: further words for ``sluiceway bench`` that describe the load.
        seconds: how long each trial is driven.
        warm_up: seconds of it that are not measured.
        goal: what is to become better.
        interrupted: whether somebody wants it to end.
    """

    target: str
    words: Sequence[str]
    seconds: float
    warm_up: float
    goal: Goal = field(default="throughput", validator=one_of(Goal))
    interrupted: Callable[[], bool] = bool

    def run(self, changes: Changes, *more: str) -> tuple[Shown, Mapping[str, Any]]:
        """Try some settings; what it has shown, and all of its figures."""
        with tempfile.TemporaryDirectory(prefix="sluiceway-") as folder:
            path = Path(folder) / "figures.json"
            trouble = self._run(changes, path, more)
            if not path.exists():
                return Shown(0.0, trouble=trouble or "it told no figures"), {}
            figures = json.loads(path.read_text(encoding="utf-8"))
        return shown_by(figures, self.goal), figures

    def _run(self, changes: Changes, path: Path, more: Sequence[str]) -> str:
        """Let the process run to its end; why it failed, if it said so."""
        words = [sys.executable, "-c", PROGRAM, "bench", self.target]
        words += ["--quiet", f"--json={path}", *self.words, *more]
        words += [f"--duration={self.seconds}", f"--warm-up={self.warm_up}"]
        words.append(f"--drain={self.seconds * DRAIN_SHARE}")
        words += [f"--set={path_}={value!r}" for path_, value in changes.items()]
        # A session of its own: Ctrl-C is for us, who then end the trial.
        with subprocess.Popen(  # noqa: S603 - our own program
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                said = self._wait(process)
            finally:
                process.kill()
        if said is None:
            return f"it did not end within {LATE:g} s of its time"
        lines = said.strip().splitlines()
        return lines[-1] if lines else f"it ended with {process.returncode}"

    def _wait(self, process: subprocess.Popen[str]) -> str | None:
        """What the process said; None if it takes too long.

        Raises:
            KeyboardInterrupt: it was asked for, here where it harms nothing.
        """
        for _ in range(int((self.seconds + LATE) / LOOK_INTERVAL)):
            if self.interrupted():
                raise KeyboardInterrupt
            try:
                return process.communicate(timeout=LOOK_INTERVAL)[1]
            except subprocess.TimeoutExpired:
                continue
        return None


def shown_by(figures: Mapping[str, Any], goal: Goal) -> Shown:
    """What a trial's figures say about its settings."""
    answered = figures["answered"]
    if not answered or not figures["balanced"] or figures["failures"]:
        return Shown(0.0, trouble="no event was answered for")
    late = sum(why.get(CUT_OFF, 0) for why in figures["losses"].values())
    arrived = max(0, answered - figures["lost"] + late) / answered
    latency = figures["latency"]["at"]["99"]
    score = figures["throughput"]
    if goal == "latency":
        score = arrived / latency if latency else 0.0
    elif goal == "cpu":
        used = figures["cpu_per_event"]
        score = arrived / used if used else 0.0
    trouble = "" if score > 0 else f"no event arrived{losses_text(figures['losses'])}"
    return Shown(score, latency, figures["memory_peak"], trouble)


def losses_text(losses: Mapping[str, Mapping[str, int]]) -> str:
    """Where events were lost, and why."""
    told = [
        f"{count:,} {reason} at {stage}"
        for stage, reasons in losses.items()
        for reason, count in reasons.items()
    ]
    return f": {', '.join(told)}" if told else ""
