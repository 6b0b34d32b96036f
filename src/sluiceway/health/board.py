"""HealthBoard: the states of several checks, and what follows from all of them.

Law: pure; it is told the results and the time. It may be asked from any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from attrs import evolve, frozen

from ..errors import ConfigurationError, nearest
from ..events import HealthCheck, HealthStatus
from .checks import Check, checked_set, dependencies_first
from .outcomes import Ending, Outcome
from .reports import CheckReport, HealthReport, aggregate
from .states import CheckState, after, is_stale, remark


@frozen
class Recorded:
    """What one result means.

    Attributes:
        result: the check's event.
        changed: the events of all checks whose status has changed by it, this one's
            included; the first result of a check is a change.
    """

    result: HealthCheck
    changed: tuple[HealthCheck, ...]

    @property
    def events(self) -> tuple[HealthCheck, ...]:
        """All of them, the result first."""
        others = (each for each in self.changed if each is not self.result)
        return (self.result, *others)


@frozen
class Shown:
    """The status that a check was last reported with, and since when."""

    status: HealthStatus = HealthStatus.UNKNOWN
    since_unix_nano: int = 0


class HealthBoard:
    """Keeps the results of checks and says how each stands, and all together.

    A check that is unhealthy while one that it depends on is unhealthy too, or unknown
    for the same reason, is unknown: who is to blame is said by name. One that passes
    all the same is believed.

    Args:
        checks: at least one.
        owner: whose setting they are, for errors.

    Raises:
        ConfigurationError: one is no check, a name stands twice, a dependency is
            unknown, or they lead in a circle.
    """

    def __init__(
        self, checks: Iterable[Check], *, owner: str = "HealthBoard.checks"
    ) -> None:
        self._owner = owner
        self._checks = checked_set(owner, checks)
        self._order = dependencies_first(self._checks)
        self.reset()

    def reset(self) -> None:
        """Forget all results."""
        self._states = dict.fromkeys(self._checks, CheckState())
        self._shown = dict.fromkeys(self._checks, Shown())
        self._counts: dict[str, Counter[Ending]] = {
            name: Counter() for name in self._checks
        }

    def change(self, checks: Iterable[Check]) -> None:
        """Keep these checks from now on, and what is known of those that stay.

        A check stays while its name stands for the same function. No other thread may
        ask meanwhile.

        Args:
            checks: at least one.

        Raises:
            ConfigurationError: they do not fit together; nothing has changed then.
        """
        known = checked_set(self._owner, checks)
        before, states, shown = self._checks, self._states, self._shown
        counts = self._counts
        self._checks, self._order = known, dependencies_first(known)
        self.reset()
        for name, check in known.items():
            if name in before and before[name].function == check.function:
                self._states[name], self._shown[name] = states[name], shown[name]
                self._counts[name] = counts[name]

    @property
    def checks(self) -> Mapping[str, Check]:
        """The checks by name."""
        return self._checks

    def record(
        self, name: str, outcome: Outcome, *, now: float, time_ns: int, duration: float
    ) -> Recorded:
        """Take one result in.

        Args:
            name: the check's.
            outcome: how its run ended.
            now: seconds on a monotonic clock.
            time_ns: nanoseconds since the epoch.
            duration: seconds that the run took.

        Raises:
            ConfigurationError: there is no such check.
        """
        check = self._checks.get(name)
        if check is None:
            raise ConfigurationError(
                f"no check is called {name!r}{nearest(name, self._checks)}"
            )
        first = self._states[name].looked_at is None
        self._states[name] = evolve(
            after(self._states[name], check, outcome),
            looked_at=now,
            time_unix_nano=time_ns,
            duration=duration,
        )
        self._counts[name][outcome.ending] += 1
        causes = self._causes()
        moved = self._moved(causes, time_ns, name if first else None)
        reports = {each: self._report(each, causes) for each in {name, *moved}}
        result = reports[name].event()
        changed = (
            result if each == name else reports[each].event()
            for each in sorted(moved, key=lambda each: each != name)
        )
        return Recorded(result, tuple(changed))

    def _moved(
        self, causes: Mapping[str, tuple[str, ...]], time_ns: int, first: str | None
    ) -> list[str]:
        """Keep what is shown; the checks whose status has changed."""
        moved = []
        for name, state in self._states.items():
            status = HealthStatus.UNKNOWN if causes[name] else state.status
            if status is not self._shown[name].status or name == first:
                self._shown[name] = Shown(status, time_ns)
                moved.append(name)
        return moved

    def report(self, now: float) -> HealthReport:
        """How all checks stand, by their latest results; nothing is run.

        Args:
            now: seconds on the clock of ``record``; a result that is older than two
                intervals and the time-out of its check is not believed any more.
        """
        checks = self._reports(now)
        found = ((each.status, each.critical) for each in checks.values())
        return HealthReport(aggregate(found), checks)

    def _reports(self, now: float) -> dict[str, CheckReport]:
        """How each check stands."""
        stale = {
            name
            for name, state in self._states.items()
            if is_stale(state, self._checks[name], now)
        }
        causes = self._causes(stale)
        return {
            name: self._too_old(name) if name in stale else self._report(name, causes)
            for name in self._checks
        }

    def counts(self) -> Mapping[str, Mapping[Ending, int]]:
        """How many runs of each check ended in which way."""
        return {
            name: {ending: counter[ending] for ending in Ending}
            for name, counter in self._counts.items()
        }

    def _causes(self, stale: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
        """For each unhealthy check the unhealthy ones, further up, that explain it."""
        causes: dict[str, tuple[str, ...]] = {}
        for name in self._order:
            found: dict[str, None] = {}
            for other in self._checks[name].depends_on:
                if self._is_down(other, stale):
                    found |= dict.fromkeys(causes[other] or (other,))
            causes[name] = tuple(found) if self._is_down(name, stale) else ()
        return causes

    def _is_down(self, name: str, stale: Collection[str]) -> bool:
        unhealthy = self._states[name].status is HealthStatus.UNHEALTHY
        return unhealthy and name not in stale

    def _report(self, name: str, causes: Mapping[str, tuple[str, ...]]) -> CheckReport:
        check, state, blamed = self._checks[name], self._states[name], causes[name]
        outcome = state.latest
        before = [*(f"{each} is unhealthy" for each in blamed), remark(state, check)]
        return CheckReport(
            name=name,
            status=HealthStatus.UNKNOWN if blamed else state.status,
            message=joined(*before, outcome.message),
            summary=joined(*before, outcome.error or outcome.message),
            details=outcome.details,
            critical=check.critical,
            because_of=blamed,
            since_unix_nano=self._shown[name].since_unix_nano,
            time_unix_nano=state.time_unix_nano,
            duration=state.duration,
        )

    def _too_old(self, name: str) -> CheckReport:
        """A check that nobody runs any more; what it said last is not repeated."""
        told = "there has been no result for too long"
        state = self._states[name]
        return CheckReport(
            name=name,
            status=HealthStatus.UNKNOWN,
            message=told,
            summary=told,
            critical=self._checks[name].critical,
            since_unix_nano=state.time_unix_nano,
            time_unix_nano=state.time_unix_nano,
            duration=state.duration,
        )


def joined(*parts: str) -> str:
    """The parts that say something, as one line."""
    return "; ".join(part for part in parts if part)
