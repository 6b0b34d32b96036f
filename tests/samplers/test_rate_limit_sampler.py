from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError
from sluiceway.samplers import RateLimitSampler
from sluiceway.testing import ManualClock, check_sampler

arrivals = st.lists(
    st.tuples(st.floats(0, 3), st.integers(0, 40)), min_size=1, max_size=40
)


def test_a_full_bucket_lets_a_burst_pass_and_then_the_rate():
    sampler, clock = RateLimitSampler(2, burst=3), ManualClock()
    assert sampler.sample([1, 2, 3, 4, 5], clock.now()) == [1, 2, 3]
    clock.move(0.5)
    assert sampler.sample([6, 7], clock.now()) == [6]
    clock.move(100)
    assert sampler.sample([*range(9)], clock.now()) == [0, 1, 2]


def test_the_default_burst_is_one_seconds_worth_and_at_least_one():
    assert len(RateLimitSampler(50).sample([0] * 99, 0.0)) == 50
    assert len(RateLimitSampler(0.1).sample([0] * 99, 0.0)) == 1
    assert RateLimitSampler(0).sample([1, 2], 0.0) == [1]


def test_a_clock_that_goes_back_earns_nothing():
    sampler = RateLimitSampler(1)
    assert sampler.sample([1], 10.0) == [1]
    assert sampler.sample([2], 5.0) == []
    assert sampler.sample([3], 10.0) == []
    assert sampler.sample([4], 11.0) == [4]


@given(arrivals, st.floats(0, 20), st.floats(1, 20))
def test_no_window_passes_more_than_the_burst_and_what_it_earns(steps, rate, burst):
    sampler, now, passed = RateLimitSampler(rate, burst), 0.0, []
    for wait, count in steps:
        now += wait
        passed.append((now, len(sampler.sample([0] * count, now))))
    for first in range(len(passed)):
        total = 0
        for last in range(first, len(passed)):
            total += passed[last][1]
            window = passed[last][0] - passed[first][0]
            assert total <= burst + rate * window + 1e-6


@given(arrivals)
def test_what_is_kept_is_the_beginning_of_each_batch(steps):
    sampler, now = RateLimitSampler(3), 0.0
    for wait, count in steps:
        now += wait
        events = list(range(count))
        kept = sampler.sample(events, now)
        assert kept == events[: len(kept)]


@pytest.mark.parametrize(
    ("rate", "burst", "name"),
    [(-1, None, "per_second"), (float("inf"), None, "per_second"), (1, 0.5, "burst")],
)
def test_a_wrong_rate_or_burst_is_refused_by_name(rate, burst, name):
    settings = {} if burst is None else {"burst": burst}
    with pytest.raises(ConfigurationError, match=rf"RateLimitSampler\.{name}"):
        RateLimitSampler(rate, **settings)


def test_it_conforms_and_cannot_stand_in_two_places():
    check_sampler(lambda: RateLimitSampler(2), [1, 2, 3])
    assert RateLimitSampler(2).stateful
