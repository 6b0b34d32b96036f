"""Counters whose points come late, or from a clock that is wrong."""

from __future__ import annotations

import pytest

from sluiceway.alerting import RateRule, RatioRule
from sluiceway.events import MetricKind, MetricPoint

SECOND = 10**9


def total(value, time, **attributes):
    return MetricPoint(
        name="requests",
        value=value,
        kind=MetricKind.SUM,
        is_monotonic=True,
        attributes=attributes,
        time_unix_nano=time * SECOND,
    )


def fired(rule, points):
    """Whether an alert fires when each point comes a second after the one before."""
    return any(rule.add([each], float(now)) for now, each in enumerate(points, 1))


def busy():
    return RateRule("Busy", above=2, window=10)


def test_a_point_that_comes_late_is_no_reset():
    points = [(1_000_000, 10), (1_000_010, 20), (1_000_005, 15), (1_000_012, 30)]
    assert not fired(busy(), [total(*each) for each in points])


def test_a_point_from_before_a_reset_that_comes_late_is_no_growth():
    points = [(1_000_000, 10), (5, 20), (1_000_001, 15), (8, 30)]
    assert not fired(busy(), [total(*each) for each in points])


def test_a_reset_is_still_one():
    assert fired(busy(), [total(1_000_000, 10), total(25, 20)])


def test_points_without_a_time_are_in_the_order_in_which_they_come():
    assert fired(busy(), [total(1_000_000, 0), total(1_000_025, 0)])


def test_one_point_of_a_far_future_does_not_silence_a_rule_for_ever():
    points = [total(0, 10), total(1, 2**33 - 1)]
    points += [total(30 * n, 10 + n) for n in range(1, 15)]
    assert fired(busy(), points)


@pytest.mark.parametrize("late", [True, False])
def test_a_ratio_leaves_late_points_out_too(late):
    rule = RatioRule("Errors", of={"attributes.code": 500}, above=0.5, window=60)
    points = [total(900, 10, code=200), total(900, 10, code=500)]
    points += [total(910, 20, code=200), total(901, 20, code=500)]
    points += [total(800, 15 if late else 25, code=500)]
    assert fired(rule, points) is not late
