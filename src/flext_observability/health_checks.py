"""HealthChecks: the checks of one backend, and what is believed of them.

Law: checks come and go from any thread, while others run. What is known of a check is
what it, or whoever reports of it, said last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Final

from attrs import evolve

from sluiceway import HealthCheck, Pipeline
from sluiceway.fork import follow_forks
from sluiceway.health import Check, HealthBoard, HealthReport, Outcome, answered

from .check_options import ONLY_WHEN_ASKED, check_of, usable
from .exceptions import shown, suggestion
from .health_reports import found, nanoseconds, overall, without_passwords
from .health_turns import Asked, HealthTurns, Registered
from .models import FlextHealthCheck
from .pipeline_health import BLOCKED, OWN, Finding, PipelineWatch
from .result import FlextFailure, FlextResult

CONFLICT: Final = "conflict"
UNKNOWN: Final = "unknown_check"
NOT_TAKEN: Final = "not_taken"
OWN_INTERVAL: Final = 15.0  # seconds between two looks at the pipeline
LOOK_SECONDS: Final = 1.0  # that a look waits for the pipeline's loop
MOST_REPORTED: Final = 500  # components that are only reported of


class HealthChecks:
    """All health checks of one backend, its own among them.

    Args:
        emit: takes the events of what is found; False if it cannot.
        pipeline: gives the backend's pipeline; None before there is one.

    Attributes:
        turns: the stage that runs them.
    """

    def __init__(
        self,
        emit: Callable[[HealthCheck], bool],
        pipeline: Callable[[], Pipeline | None],
    ) -> None:
        self._emit = emit
        self._watch = PipelineWatch(pipeline)
        self.turns = HealthTurns(self._repeating, self._record)
        own = Check(OWN, self._ask_own, interval=OWN_INTERVAL, failures=1)
        self._own = Registered(own)
        self._known: dict[str, Registered] = {OWN: self._own}
        self._reported: dict[str, Check] = {}
        self._board = HealthBoard([own], owner="depends_on")
        self._ended: list[str] = []  # of which that is still to be told
        self._lock = threading.RLock()
        follow_forks(self)

    def after_fork(self) -> None:
        """A thread that the child does not have may have held the lock."""
        self._lock = threading.RLock()
        for registered in self._known.values():
            registered.after_fork()

    # Coming and going.

    def register(
        self, name: str, function: Callable[[], Any], options: Mapping[str, Any]
    ) -> FlextResult[str]:
        """Take a check in, from any thread."""
        made = check_of(name, function, options)
        if isinstance(made, FlextFailure):
            return made
        repeats = options.get("interval", ONLY_WHEN_ASKED) is not None
        return self._registered(Registered(made.value, repeats))

    def _registered(self, new: Registered) -> FlextResult[str]:
        name = new.check.name
        with self._lock:
            if name in self._known:
                return taken_already(name)
            reported = {n: c for n, c in self._reported.items() if n != name}
            changed = self._change({**self._known, name: new}, reported)
        self.turns.look()
        return changed.map(lambda _: name)

    def unregister(self, name: str) -> FlextResult[str]:
        """Forget a check, registered or reported."""
        with self._lock:
            known = {n: each for n, each in self._known.items() if n != name}
            reported = {n: each for n, each in self._reported.items() if n != name}
            if len(known) + len(reported) == len(self._known) + len(self._reported):
                return self.no_such(name)
            if OWN not in known:
                error = f"{OWN!r} is the backend's own check, which stays"
                return FlextResult.fail(error, CONFLICT)
            has_results = any(self._board.counts()[name].values())
            changed = self._change(known, reported)
            self._ended += [name] if has_results else []
        self.turns.look()
        self._tell_ends()
        return changed.map(lambda _: name)

    def _tell_ends(self) -> None:
        """Tell of checks that are not run any more, now or once somebody listens."""
        with self._lock:
            ended = self._ended if self.turns.loop is not None else []
            for name in [*ended]:
                is_back = name in self._known or name in self._reported
                if is_back or self._emit(gone(name, self.turns.clock.time_ns())):
                    ended.remove(name)

    def begin(self) -> None:
        """The backend runs: checks get their turns, and what has ended is told."""
        self._tell_ends()
        self.turns.begin()

    def no_such(self, name: object) -> FlextResult[str]:
        """The failure that tells what there is instead."""
        known = [*self.names(), *self._reported]
        hint = suggestion(name, known)
        told = shown("name", name)
        return FlextResult.fail(f"no health check is called {told}{hint}", UNKNOWN)

    def _change(
        self, known: dict[str, Registered], reported: dict[str, Check]
    ) -> FlextResult[None]:
        """Put the checks in the place of those before; if they fit together."""
        checks = {n: each.check for n, each in known.items()} | reported
        fitting = [fitted(check, checks) for check in checks.values()]
        changed = usable(lambda: self._board.change(fitting))
        if changed.is_success:
            self._known, self._reported = known, reported
        return changed

    def names(self) -> list[str]:
        """The checks that were registered."""
        return [name for name in self._known if name != OWN]

    def _repeating(self) -> list[Registered]:
        return [each for each in self._known.values() if each.repeats]

    # Running.

    def execute(self, check: FlextHealthCheck) -> FlextResult[Asked]:
        """Run the check of that name; without one, take what is reported of it."""
        registered = self._known.get(check.name)
        if registered is not None:
            return FlextResult.ok(self.turns.ask([registered]))
        return self._reports(check).map(answered_by)

    def run_all(self) -> Asked:
        """Run all checks, the backend's own as the last."""
        checks = [each for each in self._known.values() if each is not self._own]
        return self.turns.ask([*checks, self._own])

    def _record(
        self, registered: Registered, outcome: Outcome, seconds: float
    ) -> FlextHealthCheck:
        """Take in what a run found, unless the check has gone meanwhile."""
        outcome = evolve(outcome, message=without_passwords(outcome.message))
        time_ns, name = self.turns.clock.time_ns(), registered.check.name
        with self._lock:
            if self._known.get(name) is registered:
                self._keep(name, outcome, time_ns, seconds)
        return found(name, outcome, seconds, time_ns)

    def _keep(self, name: str, outcome: Outcome, time_ns: int, seconds: float) -> bool:
        """Keep a result and send its events; False if they cannot be sent."""
        recorded = self._board.record(
            name,
            outcome,
            now=self.turns.clock.now(),
            time_ns=time_ns,
            duration=seconds,
        )
        sent = [self._emit(event) for event in recorded.events]
        return all(sent)

    def _reports(self, check: FlextHealthCheck) -> FlextResult[FlextHealthCheck]:
        """Take in what somebody says of a component."""
        name = check.name
        outcome = answered((check.status, check.message, check.details))
        with self._lock:
            known = self._place_for(name)
            if isinstance(known, FlextFailure):
                return known
            time_ns = nanoseconds(check.checked_at)
            if self._keep(name, outcome, time_ns, float(check.duration)):
                return FlextResult.ok(check)
        return FlextResult.fail(f"the pipeline cannot take {name!r} now", NOT_TAKEN)

    def _place_for(self, name: str) -> FlextResult[None]:
        """Know a component; the one that was known first gives way to too many."""
        if name in self._reported or name in self._known:  # registered meanwhile
            return FlextResult.ok(None)
        made = check_of(name, nothing, {"interval": None})
        if isinstance(made, FlextFailure):
            return made
        reported = {**self._reported, name: made.value}
        if len(reported) > MOST_REPORTED:
            oldest = next(iter(reported))
            del reported[oldest]
            self._emit(gone(oldest, self.turns.clock.time_ns()))
        return self._change(self._known, reported)

    # How all stand.

    def _look(self) -> Finding:
        finding = self._asked_there() if self.turns.is_elsewhere else None
        return finding or self._watch.look(self.turns.clock.now())

    def _asked_there(self) -> Finding | None:
        """What the pipeline's own loop sees; None if it has ended meanwhile."""
        asked = self.turns.on_loop(self._ask_own())
        try:
            return asked.result(LOOK_SECONDS)
        except (CancelledError, TimeoutError) as error:
            asked.cancel()
            return BLOCKED if isinstance(error, TimeoutError) else None

    async def _ask_own(self) -> Finding:
        return self._look()

    def report(self) -> HealthReport:
        """How all checks stand, by their latest results; nothing is run."""
        finding = answered(self._look())
        clock = self.turns.clock
        with self._lock:
            recorded = self._board.record(
                OWN, finding, now=clock.now(), time_ns=clock.time_ns(), duration=0.0
            )
            for event in recorded.changed if self.turns.loop else ():
                self._emit(event)
            return self._board.report(clock.now())

    def status(self) -> FlextHealthCheck:
        """The same as one entity, with each check among its details."""
        return overall(self.report(), self._missing())

    def _missing(self) -> dict[str, Sequence[str]]:
        """What checks depend on that is none."""
        with self._lock:
            known = {*self._known, *self._reported}
            return {
                name: [each for each in found.check.depends_on if each not in known]
                for name, found in self._known.items()
            }


def fitted(check: Check, known: Mapping[str, Check]) -> Check:
    """The check, without what it depends on and is not there yet."""
    present = [name for name in check.depends_on if name in known]
    fits = len(present) == len(check.depends_on)
    return check if fits else evolve(check, depends_on=present)


def nothing() -> None:
    """What runs for a component that is only reported of."""


def gone(name: str, time_ns: int) -> HealthCheck:
    """What is told last of a check, so that nothing says for ever what it said."""
    told = "it is not checked any more"
    return HealthCheck(name=name, message=told, time_unix_nano=time_ns, is_last=True)


def taken_already(name: str) -> FlextResult[str]:
    """The failure that a second check of a name is."""
    error = f"name is {name!r}; expected the name of no check that is registered"
    return FlextResult.fail(error, CONFLICT, {"field": "name"})


def answered_by(check: FlextHealthCheck) -> Asked:
    """What was asked and has been answered."""
    answers: Future[list[FlextHealthCheck]] = Future()
    answers.set_result([check])
    return Asked([], answers, None)
