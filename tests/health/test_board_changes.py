"""A board whose checks come and go: what is known of those that stay, stays."""

from __future__ import annotations

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.events import HealthStatus
from sluiceway.health import Check, CheckRuns, Ending, HealthBoard, answered, raised
from sluiceway.testing import ManualClock

DOWN = raised(OSError("no route"))


class Service:
    def ping(self):
        return None


def told(board, name, outcome, now=0.0):
    return board.record(name, outcome, now=now, time_ns=0, duration=0.0)


def test_a_check_that_stays_keeps_its_state_its_failures_and_its_counts():
    service = Service()
    board = HealthBoard([Check("a", service.ping, failures=2)])
    told(board, "a", DOWN)
    board.change([Check("a", service.ping, failures=2), Check("b", print)])
    assert told(board, "a", DOWN).result.status is HealthStatus.UNHEALTHY
    assert board.counts()["a"][Ending.FAILED] == 2
    assert board.report(0.0).checks["b"].message == "it has not run yet"


def test_a_check_that_went_and_came_back_or_asks_another_starts_afresh():
    board = HealthBoard([Check("a", print), Check("b", Service().ping, failures=1)])
    told(board, "b", DOWN)
    board.change([Check("b", Service().ping)])
    assert board.report(0.0).checks["b"].status is HealthStatus.UNKNOWN
    assert [*board.report(0.0).checks] == ["b"]
    board.change([Check("a", print)])
    with pytest.raises(ConfigurationError, match="no check is called 'b'"):
        told(board, "b", DOWN)


def test_checks_may_begin_to_depend_on_one_that_comes():
    api = Check("api", print, failures=1)
    board = HealthBoard([api])
    told(board, "api", DOWN)
    database = Check("database", Service().ping, failures=1)
    board.change([Check("api", print, failures=1, depends_on=["database"]), database])
    changed = told(board, "database", DOWN).changed
    assert [(each.name, each.status.value) for each in changed] == [
        ("database", "unhealthy"),
        ("api", "unknown"),
    ]


@pytest.mark.parametrize(
    ("checks", "told_why"),
    [
        ([], "is empty"),
        ([Check("a", print), Check("a", print)], "two checks called 'a'"),
        (
            [
                Check("a", print, depends_on=["b"]),
                Check("b", print, depends_on=["a"]),
            ],
            "in a circle: a -> b -> a",
        ),
    ],
)
def test_checks_that_do_not_fit_together_change_nothing(checks, told_why):
    board = HealthBoard([Check("a", print)])
    told(board, "a", answered("degraded"))
    with pytest.raises(ConfigurationError, match=told_why):
        board.change(checks)
    assert board.report(0.0).checks["a"].status is HealthStatus.DEGRADED


def test_the_runs_of_a_check_are_one_at_a_time(run):
    async def main():
        runs = CheckRuns(Check("a", lambda: "degraded"))
        outcome, _ = await runs.take_turn(ManualClock())
        return outcome.status, runs.under_way

    assert run(main()) == (HealthStatus.DEGRADED, False)
