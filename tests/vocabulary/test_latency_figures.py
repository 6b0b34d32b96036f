"""Latencies: how far off a percentile may be, and what is exact."""

import math

from hypothesis import given
from hypothesis import strategies as st

from sluiceway import Latency
from sluiceway.latencies import ENDS, MANY, STRIDE, Timings

DURATIONS = st.floats(min_value=0, max_value=1e5, allow_subnormal=True)
BOUNDS = [0.001, 0.01, 0.1, 1.0, 10.0]


def measured(durations, rest=10**9):
    timings = Timings()
    for count, seconds in enumerate(durations, 1):
        timings.add(seconds)
        if count % rest == 0:
            timings.fold()
    return timings.snapshot()


def rank(ordered, percent):
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


@given(st.lists(DURATIONS, min_size=1), st.floats(0, 100))
def test_a_percentile_is_off_by_a_thirty_second_at_most(durations, percent):
    told = measured(durations).percentile(percent)
    true = rank(sorted(durations), percent)
    assert abs(told - true) <= true / 32 + 2**-30


@given(st.lists(DURATIONS))
def test_count_total_and_maximum_are_exact(durations):
    told = measured(durations)
    assert told.count == len(durations) == sum(told.buckets.values())
    assert math.isclose(told.total, math.fsum(durations), abs_tol=1e-9)
    assert told.max == max(durations, default=0)


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_what_came_after_an_earlier_look_can_be_told_apart(before, after):
    later = measured([*before, *after]).since(measured(before))
    assert later.count == len(after)
    assert later.buckets == measured(after).buckets
    true = max(after, default=0)
    assert true <= later.max <= true * 17 / 16 + 2**-30


@given(st.lists(DURATIONS))
def test_explicit_buckets_hold_each_duration_once(durations):
    counts = measured(durations).counts_below(BOUNDS)
    assert len(counts) == len(BOUNDS) + 1
    assert sum(counts) == len(durations)


def test_explicit_buckets_hold_what_belongs_there():
    told = measured([0.0, 0.002, 0.002, 0.5, 400.0])
    assert told.counts_below(BOUNDS) == [1, 2, 0, 1, 0, 1]


def test_what_a_worker_sorts_in_while_it_is_not_busy_is_all_counted():
    durations = [index / 1000 for index in range(3 * MANY)]
    told = measured(durations, rest=100)
    assert told.buckets == measured(durations).buckets


def test_of_what_comes_faster_than_it_can_be_sorted_in_every_fifth_stands_for_five():
    durations = [1.0, 2.0, 2.0, 2.0, 2.0] * MANY
    told = measured([*durations, 9.0], rest=len(durations))
    assert told.count == len(durations) + 1
    assert told.total == sum(durations) + 9
    assert told.max == 9
    sampled = (MANY * 5 // STRIDE) * STRIDE
    assert told.buckets[min(told.buckets)] == sampled  # each fifth was a 1.0
    assert told.counts_below([1.5])[0] == sampled


def test_the_longest_of_what_is_not_sampled_is_known():
    durations = [1.0] * (2 * MANY)
    durations[7] = 30.0
    assert measured(durations, rest=2 * MANY).max == 30


@given(st.lists(DURATIONS, min_size=1, max_size=20))
def test_sorted_in_or_not_each_duration_counts_once(durations):
    durations = durations * MANY
    told = measured(durations, rest=MANY + 3)
    assert told.count == sum(told.buckets.values()) == len(durations)
    assert math.isclose(told.total, math.fsum(durations), rel_tol=1e-9, abs_tol=1e-9)
    assert told.max == max(durations)


def test_there_are_no_more_counts_than_buckets():
    told = measured([1e-12 * 1.01**index for index in range(5000)])
    assert len(told.buckets) <= len(ENDS) == 802
    assert told.p99 > 0


def test_without_any_duration_all_is_zero():
    nothing = Latency()
    assert (nothing.count, nothing.mean, nothing.p50, nothing.max) == (0, 0, 0, 0)
    assert nothing.since(nothing) == nothing


def test_half_nine_tenths_and_ninety_nine_hundredths():
    told = measured([0.001] * 50 + [0.01] * 40 + [0.1] * 9 + [1.0])
    assert math.isclose(told.p50, 0.001, rel_tol=1 / 32)
    assert math.isclose(told.p90, 0.01, rel_tol=1 / 32)
    assert math.isclose(told.p99, 0.1, rel_tol=1 / 32)
    assert told.percentile(100) == told.max == 1.0
    assert math.isclose(told.mean, (0.05 + 0.4 + 0.9 + 1.0) / 100)


@given(st.lists(st.lists(DURATIONS, min_size=1, max_size=5), min_size=1, max_size=5))
def test_what_a_snapshot_has_told_is_never_taken_back(bursts):
    timings, before = Timings(), Latency()
    for burst in bursts:
        for seconds in burst * MANY:
            timings.add(seconds)
        told = timings.snapshot() if len(burst) % 2 else before
        timings.fold()
        later = timings.snapshot()
        for earlier in (before, told):
            for index, count in earlier.buckets.items():
                assert later.buckets[index] >= count
        before = later


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_what_was_told_apart_can_be_joined_and_taken_out_again(some, others):
    both = measured(some).joined(measured(others))
    assert both.buckets == measured([*some, *others]).buckets
    assert both.count == len(some) + len(others)
    assert both.max == max([*some, *others], default=0)
    assert both.without(measured(others)).buckets == measured(some).buckets
