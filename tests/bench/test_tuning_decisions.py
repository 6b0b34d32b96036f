"""The search's decisions, on figures that are made up and noisy."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.bench.comparing import interval_of, ways_to_rank
from sluiceway.bench.halving import (
    CONTROL,
    Bounds,
    Halving,
    Plan,
    Shown,
    plan_for,
    stage_trials,
)
from sluiceway.bench.knobs import Knob
from sluiceway.bench.trials import Trials
from sluiceway.bench.tuning import Tuning

ratios = st.lists(st.floats(0.01, 100), min_size=1, max_size=20)


def noisy(chance, truth, moment):
    """A score: the truth, times what the machine does now, times its own noise."""
    return truth * moment * math.exp(chance.gauss(0, 0.08))


def searched(truths, seed, *, bounds=None, latencies=None, memories=None):
    """A search that has ended; ``truths[0]`` are the present settings."""
    chance = Random(seed)
    halving = Halving(Plan(len(truths) - 1, 12), bounds or Bounds(), chance)
    while order := halving.next_round():
        moment = math.exp(chance.gauss(0, 0.5))
        halving.add(
            {
                index: Shown(
                    noisy(chance, truths[index], moment),
                    latency=(latencies or {}).get(index, 0.1),
                    memory=(memories or {}).get(index, 1),
                )
                for index in order
            }
        )
    return halving


@given(ratios)
def test_an_interval_holds_its_estimate_and_its_mirror_is_that_of_the_inverse(found):
    interval = interval_of(found)
    assert interval.low <= interval.ratio * (1 + 1e-9)
    assert interval.ratio <= interval.high * (1 + 1e-9)
    mirrored = interval_of([1 / ratio for ratio in found])
    assert mirrored.ratio == pytest.approx(1 / interval.ratio)
    assert mirrored.low == pytest.approx(1 / interval.high)


@given(ratios, st.floats(0.1, 10))
def test_an_interval_moves_with_its_ratios(found, factor):
    moved = interval_of([ratio * factor for ratio in found])
    assert moved.ratio == pytest.approx(interval_of(found).ratio * factor)


@given(st.integers(1, 30))
def test_every_choice_of_signs_is_counted(pairs):
    assert sum(ways_to_rank(pairs)) == 2**pairs
    assert ways_to_rank(pairs) == ways_to_rank(pairs)[::-1]


def test_fewer_than_six_pairs_are_sure_of_nothing_and_six_are():
    assert interval_of([2.0] * 5).low == 0
    assert not interval_of([2.0] * 5).differs
    six = interval_of([2.0] * 6)
    assert (six.low, six.high) == pytest.approx((2, 2))
    assert six.confidence == pytest.approx(1 - 2 / 64)
    assert interval_of([]).confidence == 1


def test_known_intervals_of_eight_pairs():
    """C = 4 for n = 8 at 5 %: the fourth lowest and highest of 36 means."""
    found = [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8]
    logs = sorted(
        (math.log(a) + math.log(b)) / 2 for i, a in enumerate(found) for b in found[i:]
    )
    interval = interval_of(found)
    assert interval.low == pytest.approx(math.exp(logs[3]))
    assert interval.high == pytest.approx(math.exp(logs[-4]))
    assert interval.confidence == pytest.approx(1 - 2 * 5 / 256)


def test_an_interval_of_equal_settings_misses_one_no_more_often_than_promised():
    chance = Random(20)
    for pairs in (6, 8, 12):
        missed = sum(
            interval_of([math.exp(chance.gauss(0, 0.3)) for _ in range(pairs)]).differs
            for _ in range(1000)
        )
        assert missed <= 50 + 3 * math.sqrt(50)


def test_a_planted_best_candidate_is_found_however_the_machine_sways():
    found = 0
    for seed in range(100):
        truths = [1.0] * 13
        truths[1 + seed % 12] = 1.5
        decision = searched(truths, seed).decision()
        found += decision.recommended == 1 + seed % 12
    assert found >= 95


def test_equal_candidates_make_no_difference_at_the_promised_rate():
    """The best of twelve looks better by luck; fresh rounds do not believe it."""
    wrong = sum(searched([1.0] * 13, s).decision().recommended != 0 for s in range(400))
    assert wrong <= 20 + 3 * math.sqrt(20)


def test_worse_candidates_are_never_recommended():
    for seed in range(40):
        assert searched([1.0] + [0.8] * 7, seed).decision().recommended == CONTROL


@pytest.mark.parametrize("bound", ["latency", "memory"])
def test_the_fastest_that_breaks_a_bound_is_dropped_and_the_next_one_is_found(bound):
    bounds = Bounds(latency=0.25, memory=100)
    broken = {"latencies": {3: 0.3}} if bound == "latency" else {"memories": {3: 101}}
    for seed in range(20):
        halving = searched([1, 1, 1.4, 2, 1, 1], seed, bounds=bounds, **broken)
        assert halving.decision().recommended == 2
        assert halving.dropped[3] == bound


def test_where_the_present_settings_break_a_bound_even_a_slower_one_is_recommended():
    halving = searched([1, 0.9, 0.5], 1, bounds=Bounds(latency=0.2), latencies={0: 0.3})
    decision = halving.decision()
    assert decision.control_breaks == "latency"
    assert decision.recommended == 1


def test_where_all_break_a_bound_nothing_is_recommended():
    halving = searched([1, 2, 3], 1, bounds=Bounds(latency=0.05))
    assert halving.decision().best is None
    assert halving.decision().recommended == CONTROL
    assert halving.decided


def test_one_bad_moment_in_which_all_break_a_bound_decides_nothing():
    halving = Halving(Plan(4, 6), Bounds(latency=1), Random(1))
    rounds = 0
    while order := halving.next_round():
        rounds += 1
        late = 5.0 if rounds == 1 else 0.5
        halving.add({index: Shown(1.0 + index, latency=late) for index in order})
    assert halving.decision().best == 4
    assert set(halving.dropped.values()) == {"slower"}


def test_a_candidate_whose_trial_fails_is_out_and_says_why():
    halving = Halving(Plan(3, 6), Bounds(), Random(1))
    while order := halving.next_round():
        halving.add(
            {i: Shown(0.0, trouble="no") if i == 2 else Shown(1.0 + i) for i in order}
        )
    assert halving.dropped[2] == "no"
    assert halving.decision().best == 3


def test_a_best_one_that_breaks_a_bound_only_at_last_gives_way_to_the_next():
    halving = Halving(Plan(2, 6), Bounds(latency=1), Random(1))
    while order := halving.next_round():
        late = 2.0 if halving.confirming else 0.5
        halving.add({i: Shown(1.0 + i, latency=late if i == 2 else 0.5) for i in order})
    assert halving.dropped[2] == "latency"
    assert halving.decision().best == 1
    assert halving.decision().interval.pairs == 6


@pytest.mark.parametrize(
    ("tried", "told"),
    [
        (1, "1 of 6 or more possible changes were tried; a longer --budget tries "),
        (6, ""),
    ],
)
def test_a_search_tells_how_much_of_what_there_is_it_has_tried(tried, told):
    knobs = [Knob("a.workers", 1, (2, 4)), Knob("a.queue.capacity", 9, (1, 2, 3, 4))]
    trials = Trials("shop:pipeline", [], seconds=1.0, warm_up=0.0)
    tuning = Tuning(trials, knobs, Bounds(), budget=60.0)
    tuning.settings += [{"a.workers": number} for number in range(tried)]
    assert tuning.untried.startswith(told)
    assert bool(tuning.untried) == bool(told)


def test_the_present_settings_run_in_every_round_at_no_fixed_place():
    halving = Halving(Plan(8, 8), Bounds(), Random(3))
    places = set()
    while order := halving.next_round():
        assert order.count(CONTROL) == 1
        places.add(order.index(CONTROL) / len(order))
        halving.add({index: Shown(1.0) for index in order})
    assert len(places) > 4
    assert halving.next_round() == []


@given(st.integers(1, 40), st.integers(6, 16))
def test_a_plan_makes_as_many_trials_as_it_says(candidates, pairs):
    plan = Plan(candidates, pairs)
    halving = Halving(plan, Bounds(), Random(0))
    made = 0
    while order := halving.next_round():
        made += len(order)
        halving.add({index: Shown(1.0) for index in order})
    assert made == plan.trials


@given(st.integers(0, 500), st.integers(0, 64))
def test_a_plan_stays_within_its_trials_and_can_decide(trials, available):
    plan = plan_for(trials, available)
    if plan is None:
        assert trials < 12 or not available
    else:
        assert plan.trials <= trials
        assert 1 <= plan.candidates <= available
        assert plan.pairs >= 6
        assert stage_trials(plan.candidates) < trials
