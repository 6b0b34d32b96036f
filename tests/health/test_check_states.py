"""What is believed of checks: thresholds, dependencies, and all of them together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError
from sluiceway.events import HealthStatus
from sluiceway.health import (
    Check,
    Ending,
    HealthBoard,
    aggregate,
    answered,
    overdue,
    raised,
    timed_out,
)
from sluiceway.health.states import CheckState, after

HEALTHY, DEGRADED = HealthStatus.HEALTHY, HealthStatus.DEGRADED
UNHEALTHY, UNKNOWN = HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN
START = 1_700_000_000_000_000_000
BILLION = 1_000_000_000
OUTCOMES = {
    "healthy": answered(HEALTHY),
    "degraded": answered(DEGRADED),
    "unhealthy": answered(UNHEALTHY),
    "unknown": answered(UNKNOWN),
    "raised": raised(OSError("no route")),
    "timed out": timed_out(5),
    "overdue": overdue(35),
}
FAILING = {"unhealthy", "raised", "timed out", "overdue"}
PASSING = {"healthy", "degraded"}
words = st.sampled_from([*OUTCOMES])
statuses = st.sampled_from(HealthStatus)


def ping():
    return None


def statuses_of(sequence, **settings):
    """The status after each of some results."""
    check, state, found = Check("database", ping, **settings), CheckState(), []
    for word in sequence:
        state = after(state, check, OUTCOMES[word])
        found.append(state.status.value)
    return found


@pytest.mark.parametrize(
    ("settings", "sequence", "expected"),
    [
        ({}, ["healthy", "raised", "raised", "raised"], "hhhU"),
        ({}, ["raised", "timed out", "overdue", "healthy"], "??Uh"),
        ({"failures": 1}, ["timed out", "healthy"], "Uh"),
        ({"failures": 2}, ["healthy", "raised", "healthy", "raised"], "hhhh"),
        ({"failures": 1, "successes": 2}, ["raised", "healthy", "degraded"], "UUd"),
        ({"failures": 1, "successes": 2}, ["healthy", "healthy"], "hh"),
        ({"failures": 2}, ["degraded", "raised", "healthy"], "ddh"),
        ({"failures": 2}, ["raised", "unknown", "raised", "raised"], "???U"),
        ({"failures": 1, "successes": 2}, ["raised", "unknown", "healthy"], "U?U"),
    ],
)
def test_thresholds_decide_when_a_check_is_down_and_up_again(
    settings, sequence, expected
):
    names = {"h": "healthy", "d": "degraded", "U": "unhealthy", "?": "unknown"}
    assert statuses_of(sequence, **settings) == [names[mark] for mark in expected]


def ended(sequence, kinds, count):
    """After which results the last ``count`` were all of these kinds."""
    return [
        at + 1 >= count and all(w in kinds for w in sequence[at + 1 - count : at + 1])
        for at in range(len(sequence))
    ]


@given(st.lists(words, max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_only_failures_in_a_row_bring_it_down_and_only_successes_up(
    sequence, failures, successes
):
    """An oracle that looks back at the whole sequence instead of counting."""
    found = statuses_of(sequence, failures=failures, successes=successes)
    falls = ended(sequence, FAILING, failures)
    rises = ended(sequence, PASSING, successes)
    down, standing = False, "unknown"
    for at, word in enumerate(sequence):
        down = falls[at] or (down and not rises[at])
        if word in PASSING:
            standing = "unhealthy" if down else word
        elif word == "unknown":
            standing = "unknown"
        elif down:
            standing = "unhealthy"
        assert found[at] == standing


def record(board, name, word, at=0.0):
    return board.record(
        name,
        OUTCOMES[word],
        now=at,
        time_ns=START + round(at * BILLION),
        duration=0.25,
    )


def shop(**settings):
    return HealthBoard(
        [
            Check("database", ping, failures=1),
            Check("cache", ping, failures=1, critical=False),
            Check("api", ping, failures=1, depends_on=["database", "cache"]),
            Check("page", ping, failures=1, depends_on=["api"]),
        ],
        **settings,
    )


def stands(board, now=0.0):
    return {
        name: check.status.value for name, check in board.report(now).checks.items()
    }


def test_before_the_first_results_nothing_is_known_and_nothing_ready():
    report = shop().report(0.0)
    assert (report.status, report.ready) == (UNKNOWN, False)
    assert {check.message for check in report.checks.values()} == {"it has not run yet"}
    assert report.trouble == "database is unknown, api is unknown, page is unknown"


def test_what_depends_on_an_unhealthy_check_is_unknown_and_says_on_which():
    board = shop()
    for name in ("database", "api", "page"):
        record(board, name, "raised")
    record(board, "cache", "healthy")
    assert stands(board) == {
        "database": "unhealthy",
        "cache": "healthy",
        "api": "unknown",
        "page": "unknown",
    }
    checks = board.report(0.0).checks
    assert checks["page"].because_of == checks["api"].because_of == ("database",)
    assert checks["page"].message == "database is unhealthy; OSError: no route"
    assert checks["page"].summary == "database is unhealthy; OSError"
    record(board, "database", "healthy")
    assert stands(board)["api"] == "unhealthy"
    assert board.report(0.0).checks["page"].because_of == ("api",)


def test_what_passes_although_its_dependency_is_unhealthy_is_believed():
    board = shop()
    record(board, "database", "raised")
    record(board, "api", "degraded")
    assert stands(board)["api"] == "degraded"


def test_a_result_tells_of_all_checks_whose_status_it_changes():
    board = shop()
    record(board, "api", "raised")
    record(board, "page", "raised")
    told = record(board, "database", "raised", at=2.0)
    assert [(e.name, e.status.value) for e in told.events] == [
        ("database", "unhealthy"),
        ("api", "unknown"),
    ]
    assert told.changed == told.events
    again = record(board, "database", "raised", at=3.0)
    assert ([e.name for e in again.events], again.changed) == (["database"], ())
    assert again.result.time_unix_nano == START + 3 * BILLION
    assert (again.result.duration, again.result.critical) == (0.25, True)
    assert board.report(3.0).checks["database"].since_unix_nano == START + 2 * BILLION


def test_the_first_result_is_a_change_even_if_nothing_is_known_by_it():
    board = HealthBoard([Check("database", ping)])
    first, second = (record(board, "database", "timed out") for _ in range(2))
    assert (first.changed, second.changed) == ((first.result,), ())
    assert first.result.message == "failed 1 of 3 times; no answer within 5 s"


def test_a_check_that_recovers_says_how_far_it_is():
    board = HealthBoard([Check("database", ping, failures=1, successes=3)])
    record(board, "database", "raised")
    told = record(board, "database", "healthy")
    assert (told.result.status, told.result.message) == (
        UNHEALTHY,
        "passed 1 of 3 times",
    )


def test_a_result_is_believed_for_two_intervals_and_the_timeout():
    board = HealthBoard([Check("database", ping, interval=10, timeout=5)])
    record(board, "database", "healthy", at=100.0)
    assert board.report(125.0).ready
    late = board.report(125.1)
    assert (late.status, late.ready) == (UNKNOWN, False)
    assert late.checks["database"].message == "there has been no result for too long"
    assert late.checks["database"].since_unix_nano == START + 100 * BILLION
    record(board, "database", "healthy", at=130.0)
    assert board.report(130.0).ready


def test_results_are_counted_by_how_they_ended():
    board = HealthBoard([Check("database", ping)])
    for word in ("healthy", "degraded", "raised", "timed out", "overdue", "unknown"):
        record(board, "database", word)
    assert board.counts() == {
        "database": {
            Ending.PASSED: 2,
            Ending.FAILED: 1,
            Ending.UNSURE: 1,
            Ending.TIMED_OUT: 1,
            Ending.OVERDUE: 1,
        }
    }
    board.reset()
    assert sum(board.counts()["database"].values()) == 0
    assert board.report(0.0).status is UNKNOWN


def test_a_result_of_a_check_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="did you mean 'database'"):
        record(shop(), "databse", "healthy")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], HEALTHY),
        ([(HEALTHY, True), (DEGRADED, True)], DEGRADED),
        ([(HEALTHY, True), (UNHEALTHY, False)], DEGRADED),
        ([(HEALTHY, True), (UNKNOWN, False)], DEGRADED),
        ([(UNKNOWN, True), (DEGRADED, True)], UNKNOWN),
        ([(UNKNOWN, True), (UNHEALTHY, True)], UNHEALTHY),
    ],
)
def test_the_worst_critical_check_decides_and_others_degrade(found, expected):
    assert aggregate(found) is expected


WORSE = [HEALTHY, DEGRADED, UNKNOWN, UNHEALTHY]


@given(st.lists(st.tuples(statuses, st.booleans())), st.data())
def test_no_check_that_gets_worse_makes_all_of_them_better(found, data):
    before = aggregate(found)
    if found:
        at = data.draw(st.integers(0, len(found) - 1))
        status, critical = found[at]
        worse = data.draw(st.sampled_from(WORSE[WORSE.index(status) :]))
        after_it = aggregate([*found[:at], (worse, critical), *found[at + 1 :]])
        assert WORSE.index(after_it) >= WORSE.index(before)
    assert aggregate(reversed(found)) is before
    others = [(status, False) for status, _ in found]
    assert aggregate(others) in {HEALTHY, DEGRADED}


@st.composite
def boards(draw):
    """Checks that depend on some of those before them, in any order, and results."""
    count = draw(st.integers(1, 7))
    checks = [
        Check(
            f"c{at}",
            ping,
            failures=1,
            critical=draw(st.booleans()),
            depends_on=[f"c{on}" for on in range(at) if draw(st.booleans())],
        )
        for at in range(count)
    ]
    names = st.sampled_from([check.name for check in checks])
    results = draw(st.lists(st.tuples(names, words), max_size=20))
    return draw(st.permutations(checks)), results


@given(boards())
def test_whom_others_keep_from_succeeding_is_never_unhealthy_and_the_blamed_are(drawn):
    checks, results = drawn
    board, own = HealthBoard(checks), {}
    seen = {check.name: UNKNOWN for check in checks}
    for name, word in results:
        for event in record(board, name, word).changed:
            seen[event.name] = event.status
        own[name] = after(CheckState(), Check(name, ping, failures=1), OUTCOMES[word])
    report = board.report(0.0).checks
    assert [*report] == [check.name for check in checks]
    assert {name: check.status for name, check in report.items()} == seen
    for name, check in report.items():
        if name in own and check.status not in {UNHEALTHY, UNKNOWN}:
            assert check.status is own[name].status
        if check.because_of:
            assert check.status is UNKNOWN
            for blamed in check.because_of:
                assert report[blamed].status is UNHEALTHY
                assert report[blamed].because_of == ()
