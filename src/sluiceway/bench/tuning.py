"""Tuning: candidates, trials and the search put together.

Law: one trial at a time. Whoever watches is told of each trial; an interrupt ends the
search, and what was found up to then can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Any, Final

from attrs import define, field, frozen

from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError
from .comparing import FEWEST, median
from .halving import CONTROL, Bounds, Decision, Halving, Plan, Shown, plan_for
from .knobs import Changes, Knob, candidates, number_text
from .trials import TrialError, Trials

CURVE_SHARES: Final = (0.3, 0.6, 0.9)  # of the present throughput
TOP_SHARE: Final = 0.9  # of the best one's
MOST_CANDIDATES: Final = 64

Say = Callable[[int, int, Changes, Shown], None]


@frozen
class CurvePoint:
    """A load that some settings were put under.

    Attributes:
        rate: events per second that were wanted.
        throughput: and that were answered for.
        latency: seconds at the 99th percentile.
    """

    rate: float
    throughput: float
    latency: float


@define(eq=False)
class Tuning:
    """One search for better settings.

    Attributes:
        trials: makes them.
        knobs: the settings to search.
        bounds: what no setting may break.
        budget: seconds that it may take.
        seed: of the candidates and of the order of rounds.
        say: told of each trial: its number, of how many, its changes, its figures.
        settings: the candidates' changes; the first one has none.
        figures: all that each candidate's trials have told.
    """

    trials: Trials
    knobs: Sequence[Knob]
    bounds: Bounds
    budget: float
    seed: int = 1
    curves_wanted: bool = False
    say: Say | None = None
    settings: list[Changes] = field(factory=lambda: [{}], init=False)
    figures: dict[int, list[Mapping[str, Any]]] = field(factory=dict, init=False)
    curves: dict[int, list[CurvePoint]] = field(factory=dict, init=False)
    halving: Halving = field(init=False)
    made: int = field(default=0, init=False)
    wanted: int = field(default=0, init=False)
    seconds_each: float = field(default=0.0, init=False)

    def prepare(self) -> Plan:
        """Try the present settings once, and plan what there is time for.

        Raises:
            ConfigurationError: nothing can be searched, or the budget is too short.
            TrialError: they do not run.
        """
        if self._fitting(self.trials.seconds) < 2 * FEWEST:
            raise self._too_short(self.trials.seconds)
        begun = SYSTEM_CLOCK.now()
        shown, _ = self.trials.run({})
        self.seconds_each = SYSTEM_CLOCK.now() - begun
        if shown.trouble:
            raise TrialError(f"a trial run failed: {shown.trouble}")
        chance = Random(self.seed)  # noqa: S311 - no secret
        found = list(islice(candidates(self.knobs, chance), MOST_CANDIDATES))
        if not found:
            raise ConfigurationError("there is no setting that could be searched")
        plan = plan_for(self._fitting(self.seconds_each), len(found))
        if plan is None:
            raise self._too_short(self.seconds_each)
        self.settings += found[: plan.candidates]
        self.wanted = plan.trials
        self.halving = Halving(plan, self.bounds, chance)
        return plan

    @property
    def _other(self) -> int:
        """The trials beside the search's own: the first one, and those of curves."""
        return 1 + self.curves_wanted * (2 * len(CURVE_SHARES) + 2)

    @property
    def untried(self) -> str:
        """That a longer search would try more; empty where it would not."""
        tried = len(self.settings) - 1
        least = sum(len(knob.others) for knob in self.knobs)
        if tried >= min(least, MOST_CANDIDATES):
            return ""
        return (
            f"{tried} of {least} or more possible changes were tried; a longer "
            "--budget tries more"
        )

    def _fitting(self, seconds_each: float) -> int:
        """How many trials of the search there is time for."""
        return int(self.budget / seconds_each) - self._other

    def _too_short(self, seconds_each: float) -> ConfigurationError:
        """The error for a budget in which nothing can be compared."""
        least = (self._other + 2 * FEWEST) * seconds_each
        return ConfigurationError(
            f"--budget is {self.budget:g} s and a trial takes {seconds_each:.1f} s; "
            f"expected more than {least:.0f} s"
        )

    def search(self) -> Decision:
        """Run round after round until it is decided.

        Raises:
            TrialError: the present settings do not run any more.
        """
        while order := self.halving.next_round():
            shown = {index: self._try(index) for index in order}
            trouble = shown[CONTROL].trouble
            if trouble:
                raise TrialError(f"the present settings failed: {trouble}")
            self.halving.add(shown)
        return self.halving.decision()

    def _try(self, index: int) -> Shown:
        changes = self.settings[index]
        shown, figures = self.trials.run(changes)
        self.figures.setdefault(index, []).append(figures)
        self.made += 1
        if self.say is not None:
            self.say(self.made, max(self.made, self.wanted), changes, shown)
        return shown

    def draw_curves(self, indices: Sequence[int]) -> None:
        """Put some settings under rising loads, for a plot."""
        present = self.median_of(CONTROL, "throughput")
        best = max(self.median_of(index, "throughput") for index in indices)
        rates = [present * share for share in CURVE_SHARES]
        if best * TOP_SHARE > present:
            rates.append(best * TOP_SHARE)
        for rate in rates:
            for index in indices:
                changes = self.settings[index]
                shown, told = self.trials.run(changes, f"--rate={rate}")
                if told:
                    point = CurvePoint(rate, told["throughput"], shown.latency)
                    self.curves.setdefault(index, []).append(point)

    def median_of(self, index: int, key: str) -> float:
        """The median of one figure over the trials of a candidate."""
        found = [told[key] for told in self.figures.get(index, []) if told]
        return median([number or 0 for number in found])


def words_for(changes: Changes) -> str:
    """Changes in one line."""
    told = [f"{path}={number_text(value)}" for path, value in changes.items()]
    return " ".join(told) or "present settings"
