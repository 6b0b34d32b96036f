"""Successive halving over an interleaved design: which of many settings is the best.

Law: pure; it is told what trials have shown and says which come next. The present
settings run in every round, a round's order is random, and only ratios within a round
count: a machine that is slow for a while is slow for all. The last comparison is made
with fresh rounds, since the best of many owes a part of its figures to luck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from attrs import define, field, frozen

from .comparing import FEWEST, Interval, interval_of, median

CONTROL: Final = 0  # the index of the present settings
FIRST_ROUNDS: Final = 1
ROUNDS: Final = 2  # of each later stage
ROUNDS_AGAINST_ALL: Final = 3  # before no candidate keeps the bounds
MOST_PAIRS: Final = 16


@frozen
class Shown:
    """What one trial has shown.

    Attributes:
        score: above 0, the higher the better; 0 if the trial failed.
        latency: seconds at the 99th percentile.
        memory: bytes at the peak; None if unknown.
        trouble: why it failed, if it did.
    """

    score: float
    latency: float = 0.0
    memory: int | None = None
    trouble: str = ""


@frozen
class Bounds:
    """What no setting may break.

    Attributes:
        latency: seconds; None for no bound.
        memory: bytes; None for no bound.
    """

    latency: float | None = None
    memory: int | None = None

    def broken_by(self, shown: Sequence[Shown]) -> str:
        """Which bound trials of one setting break, by their median; empty for none."""
        failed = [trial.trouble for trial in shown if trial.trouble]
        if failed:
            return failed[0]
        latency = median([trial.latency for trial in shown])
        if self.latency is not None and latency > self.latency:
            return "latency"
        memory = median([trial.memory or 0 for trial in shown])
        if self.memory is not None and memory > self.memory:
            return "memory"
        return ""


@frozen
class Plan:
    """How many trials a search makes.

    Attributes:
        candidates: settings that are tried beside the present ones.
        pairs: rounds of the last comparison.
    """

    candidates: int
    pairs: int

    @property
    def trials(self) -> int:
        """All of them, if no bound is broken."""
        return stage_trials(self.candidates) + 2 * self.pairs


def stage_trials(candidates: int) -> int:
    """The trials until one candidate is left."""
    total, rounds = 0, FIRST_ROUNDS
    while candidates > 1:
        total += rounds * (candidates + 1)
        candidates, rounds = (candidates + 1) // 2, ROUNDS
    return total


def plan_for(trials: int, available: int) -> Plan | None:
    """The widest search that so many trials allow; None if they are too few.

    Args:
        trials: that there is time for.
        available: different settings that there are.
    """
    fitting = [
        count
        for count in range(1, available + 1)
        if Plan(count, FEWEST + 2).trials <= trials
    ]
    if not fitting:
        return Plan(1, FEWEST) if available and trials >= 2 * FEWEST else None
    count = fitting[-1]
    pairs = (trials - stage_trials(count)) // 2
    return Plan(count, min(pairs, MOST_PAIRS))


@frozen
class Decision:
    """What the search has found.

    Attributes:
        best: the index of the best candidate; None if none keeps the bounds.
        interval: of its ratio to the present settings, by fresh rounds.
        control_breaks: which bound the present settings break; empty for none.
    """

    best: int | None
    interval: Interval
    control_breaks: str

    @property
    def recommended(self) -> int:
        """The index of the settings to use."""
        if self.best is None:
            return CONTROL
        better = self.interval.low > 1 or bool(self.control_breaks)
        return self.best if better else CONTROL


@define(eq=False)
class Halving:
    """One search.

    Attributes:
        plan: how wide and how long.
        bounds: what no setting may break.
        chance: puts rounds in order.
        shown: what trials have shown, by candidate.
        dropped: why candidates are out, by candidate: a bound, or ``"slower"``.
    """

    plan: Plan
    bounds: Bounds
    chance: Random
    shown: dict[int, list[Shown]] = field(factory=dict, init=False)
    ratios: dict[int, list[float]] = field(factory=dict, init=False)
    dropped: dict[int, str] = field(factory=dict, init=False)
    _fresh: list[float] = field(factory=list, init=False)
    _standing: list[int] = field(init=False)
    _reserve: list[int] = field(factory=list, init=False)
    _rounds: int = field(default=0, init=False)
    _stage_rounds: int = field(default=FIRST_ROUNDS, init=False)

    def __attrs_post_init__(self) -> None:
        self._standing = list(range(1, self.plan.candidates + 1))

    @property
    def confirming(self) -> bool:
        """Whether the last comparison runs."""
        return len(self._standing) == 1

    @property
    def decided(self) -> bool:
        """Whether there is nothing more to try."""
        return not self._standing or len(self._fresh) >= self.plan.pairs

    def next_round(self) -> list[int]:
        """The candidates of the next round in their order; empty once decided."""
        if self.decided:
            return []
        order = [CONTROL, *self._standing]
        self.chance.shuffle(order)
        return order

    def add(self, shown: Mapping[int, Shown]) -> None:
        """What the trials of a round have shown."""
        control = shown[CONTROL]
        for index, trial in shown.items():
            self.shown.setdefault(index, []).append(trial)
            if index != CONTROL and trial.score > 0 and control.score > 0:
                ratio = trial.score / control.score
                self.ratios.setdefault(index, []).append(ratio)
                if self.confirming:
                    self._fresh.append(ratio)
        self._rounds += 1
        self._drop_failed()
        if self.confirming:
            if self.decided:
                self._check_best()
        elif self._rounds >= self._stage_rounds:
            self._halve()

    def _drop_failed(self) -> None:
        for index in list(self._standing):
            if self.shown[index][-1].trouble:
                self._drop(index, self.shown[index][-1].trouble)
        if not self._standing:
            self._take_reserve()

    def _drop(self, index: int, why: str) -> None:
        self._standing.remove(index)
        self.dropped[index] = why

    def _halve(self) -> None:
        broken = {i: self.bounds.broken_by(self.shown[i]) for i in self._standing}
        if all(broken.values()) and self._rounds < ROUNDS_AGAINST_ALL:
            self._stage_rounds += 1
            return
        for index, why in broken.items():
            if why:
                self._drop(index, why)
        ranked = sorted(self._standing, key=self._merit, reverse=True)
        keep = max(1, (len(ranked) + 1) // 2)
        for index in ranked[keep:]:
            self._drop(index, "slower")
        self._reserve = ranked[1:keep] + [i for i in ranked[keep:] if keep == 1]
        self._standing = ranked[:keep]
        self._rounds, self._stage_rounds = 0, ROUNDS

    def _merit(self, index: int) -> float:
        return median(list(map(math.log, self.ratios.get(index, [1e-9]))))

    def _check_best(self) -> None:
        """The best one may break a bound after all; then the next best one is it."""
        [best] = self._standing
        why = self.bounds.broken_by(self.shown[best])
        if why:
            self._drop(best, why)
            self._take_reserve()

    def _take_reserve(self) -> None:
        if self._reserve:
            index = self._reserve.pop(0)
            self.dropped.pop(index, None)
            self._standing, self._fresh = [index], []

    def decision(self) -> Decision:
        """What has been found up to now."""
        best = self._standing[0] if self.confirming else None
        controls = self.shown.get(CONTROL, [])
        breaks = self.bounds.broken_by(controls) if controls else ""
        return Decision(best, interval_of(self._fresh), breaks)
