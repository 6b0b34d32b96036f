"""What the answers of checks mean, and which settings are refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError
from sluiceway.events import HealthCheck, HealthStatus
from sluiceway.health import Check, Ending, HealthBoard, answered, raised
from sluiceway.health.checks import first_turns, turn_after

HEALTHY, DEGRADED = HealthStatus.HEALTHY, HealthStatus.DEGRADED
UNHEALTHY, UNKNOWN = HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN


@pytest.mark.parametrize(
    ("answer", "status", "message", "details"),
    [
        (None, HEALTHY, "", {}),
        (True, HEALTHY, "", {}),
        (False, UNHEALTHY, "", {}),
        (DEGRADED, DEGRADED, "", {}),
        (UNKNOWN, UNKNOWN, "", {}),
        ("degraded", DEGRADED, "", {}),
        (" Unhealthy ", UNHEALTHY, "", {}),
        ("97 % full", HEALTHY, "97 % full", {}),
        ((DEGRADED, "97 % full"), DEGRADED, "97 % full", {}),
        ((False, "gone", {"port": 1}), UNHEALTHY, "gone", {"port": 1}),
        (("healthy", None, None), HEALTHY, "", {}),
        (
            HealthCheck(name="any", status=DEGRADED, message="m", details={"a": [1]}),
            DEGRADED,
            "m",
            {"a": [1]},
        ),
    ],
)
def test_an_answer_means_a_status(answer, status, message, details):
    outcome = answered(answer)
    told = (outcome.status, outcome.message, outcome.details, outcome.error)
    assert told == (status, message, details, "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "answered 3; expected a bool"),
        ("unhealty", "did you mean 'unhealthy'?"),
        (("helthy", ""), "did you mean 'healthy'?"),
        ((), "expected a bool"),
        ((True, 5), "expected a bool"),
        ((True, "", [1]), "expected a bool"),
        ((True, "", {}, 4), "expected a bool"),
        (HealthCheck(name="a", status=7), "expected a bool"),
    ],
)
def test_an_answer_that_means_nothing_is_a_failure_that_says_what_was_expected(
    answer, words
):
    outcome = answered(answer)
    assert (outcome.ending, outcome.status) == (Ending.FAILED, UNHEALTHY)
    assert words in outcome.message


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


def test_what_a_check_raises_is_quoted_and_its_class_kept():
    outcome = raised(ValueError("no route"))
    assert (outcome.status, outcome.message) == (UNHEALTHY, "ValueError: no route")
    assert outcome.error == "ValueError"
    assert raised(HostileError()).message == "HostileError"
    assert answered(HostileError()).ending is Ending.FAILED
    assert raised(ValueError("\ud800")).message == "ValueError: ?"


@given(st.text())
def test_a_text_is_bounded_and_can_be_written(text):
    for outcome in (answered((True, text)), raised(ValueError(text))):
        assert len(outcome.message) <= 1000
        outcome.message.encode()


def test_details_are_the_results_own():
    details = {"pools": [1]}
    outcome = answered((True, "", details))
    details["pools"].append(2)
    assert outcome.details == {"pools": [1]}


def ping():
    return None


def test_a_check_has_settings_that_fit_its_interval():
    check = Check("database", ping)
    assert (check.interval, check.timeout, check.failures) == (30.0, 5.0, 3)
    assert Check("database", ping, interval=0.5).timeout == 0.5
    assert Check("api", ping, depends_on=["database"]).depends_on == ("database",)
    assert Check("of C", dict).function is dict


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": " "}, "Check.name is ' '; expected a text"),
        ({"name": "a\nb"}, "Check.name is 'a\\nb'; expected a text"),
        ({"name": "\ud800"}, "Check.name is '\\ud800'; expected a text"),
        ({"function": 3}, "Check.function is 3; expected a function without"),
        ({"function": lambda pool: pool}, "expected a function without arguments"),
        ({"interval": 0}, "Check.interval is 0; expected a number from 0.001"),
        ({"interval": "5"}, "Check.interval is '5'; expected a number"),
        ({"timeout": 31}, "expected seconds from 0.001, the interval (30) at most"),
        ({"timeout": float("nan")}, "Check.timeout is nan"),
        ({"failures": 0}, "Check.failures is 0; expected a whole number from 1"),
        ({"successes": True}, "Check.successes is True"),
        ({"depends_on": "database"}, "expected a list of names of checks"),
        ({"depends_on": [3]}, "expected a list of names of checks"),
        ({"critical": "no"}, "Check.critical is 'no'; expected True or False"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_by_name(settings, words):
    with pytest.raises(ConfigurationError) as caught:
        Check(**{"name": "database", "function": ping, **settings})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ([], "is empty; expected at least one check"),
        ("database", "is 'database'; expected a list of checks"),
        (Check("database", ping), "expected a list of checks"),
        ([ping], "expected a Check such as Check('database', ping)"),
        ([Check("a", ping), Check("a", ping)], "two checks called 'a'"),
        (
            [Check("database", ping), Check("api", ping, depends_on=["databse"])],
            "api depends on 'databse', which is no check; did you mean 'database'?",
        ),
        (
            [Check("x", ping), Check("api", ping, depends_on=["queue"])],
            "api depends on 'queue', which is no check; expected one of x",
        ),
        (
            [Check("a", ping, depends_on=["a"])],
            "the dependencies lead in a circle: a -> a",
        ),
    ],
)
def test_checks_that_do_not_fit_together_are_refused_by_name(checks, words):
    with pytest.raises(ConfigurationError) as caught:
        HealthBoard(checks)
    assert str(caught.value).startswith("HealthBoard.checks")
    assert words in str(caught.value)


def test_a_circle_is_told_in_the_direction_of_its_dependencies():
    needs = {"api": ["cache"], "cache": ["database"], "database": ["api"]}
    checks = [Check(name, ping, depends_on=on) for name, on in needs.items()]
    with pytest.raises(ConfigurationError) as caught:
        HealthBoard(checks)
    way = str(caught.value).rpartition(": ")[2].split(" -> ")
    assert sorted(way[1:]) == ["api", "cache", "database"]
    assert all(needs[one] == [other] for one, other in itertools.pairwise(way))


times = st.floats(0, 1e9)


@given(times, st.floats(0.001, 86_400), st.floats(0, 1e6))
def test_turns_are_whole_intervals_after_the_first_and_always_to_come(
    first, interval, passed
):
    now = first + passed
    turn = turn_after(first, interval, now)
    assert now < turn <= now + interval * 1.001 + 1e-3
    count = (turn - first) / interval
    assert abs(count - round(count)) * interval <= 1e-3


def test_first_turns_are_spread_over_a_second_or_the_interval():
    checks = [Check(str(n), ping, interval=30) for n in range(4)]
    assert first_turns(checks, 10.0) == [10.0, 10.25, 10.5, 10.75]
    assert first_turns([Check("a", ping), Check("b", ping, interval=0.5)], 0.0) == [
        0.0,
        0.25,
    ]
