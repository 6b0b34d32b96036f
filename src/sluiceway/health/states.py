"""What is believed of one check after each of its runs.

Law: pure. A status changes to unhealthy only by ``failures`` failed runs in a row, and
back only by ``successes`` that did not fail.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from ..events import HealthStatus
from .checks import Check
from .outcomes import Ending, Outcome

SOUND: Final = frozenset({HealthStatus.HEALTHY, HealthStatus.DEGRADED})
NOT_RUN: Final = Outcome(Ending.UNSURE, HealthStatus.UNKNOWN, "it has not run yet")
MISSED_TURNS: Final = 2  # after which a result is too old to be believed


@frozen
class CheckState:
    """Where a check stands, by its own results.

    Attributes:
        status: what is believed; unknown before the first result.
        latest: the latest result.
        failures: how many in a row have failed.
        successes: how many in a row have passed.
        down: whether it has failed often enough, and not recovered since.
        looked_at: seconds on a monotonic clock when the latest result came; None
            before the first one.
        time_unix_nano: the same on the wall's clock; 0 before.
        duration: seconds that the latest run took.
    """

    status: HealthStatus = HealthStatus.UNKNOWN
    latest: Outcome = NOT_RUN
    failures: int = 0
    successes: int = 0
    down: bool = False
    looked_at: float | None = None
    time_unix_nano: int = 0
    duration: float = 0.0


def after(state: CheckState, check: Check, outcome: Outcome) -> CheckState:
    """The state after one more result."""
    if outcome.ending is Ending.PASSED:
        return passed(state, check, outcome)
    if outcome.ending is Ending.UNSURE:
        unknown = HealthStatus.UNKNOWN
        return evolve(state, status=unknown, latest=outcome, failures=0, successes=0)
    return failed(state, check, outcome)


def passed(state: CheckState, check: Check, outcome: Outcome) -> CheckState:
    """It did not fail: believed at once, unless it has to recover."""
    successes = state.successes + 1
    down = state.down and successes < check.successes
    return evolve(
        state,
        status=HealthStatus.UNHEALTHY if down else outcome.status,
        latest=outcome,
        failures=0,
        successes=successes,
        down=down,
    )


def failed(state: CheckState, check: Check, outcome: Outcome) -> CheckState:
    """It failed, or did not answer: believed when it has happened often enough."""
    failures = state.failures + 1
    down = state.down or failures >= check.failures
    return evolve(
        state,
        status=HealthStatus.UNHEALTHY if down else state.status,
        latest=outcome,
        failures=failures,
        successes=0,
        down=down,
    )


def is_stale(state: CheckState, check: Check, now: float) -> bool:
    """Whether the latest result is too old: nobody runs the check any more."""
    if state.looked_at is None:
        return False
    return now - state.looked_at > MISSED_TURNS * check.interval + check.timeout


def remark(state: CheckState, check: Check) -> str:
    """Why the status is not what the latest result says; nothing if it is."""
    if state.failures and not state.down:
        return f"failed {state.failures} of {check.failures} times"
    if state.successes and state.down:
        return f"passed {state.successes} of {check.successes} times"
    return ""
