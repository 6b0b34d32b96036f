from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError, PartialError, PermanentError
from sluiceway.events import Alert, HealthCheck, LogRecord, MetricPoint, Span
from sluiceway.formats.tracestate import read_ot
from sluiceway.samplers import ProbabilitySampler
from sluiceway.samplers.probability import trace_state_with_threshold
from sluiceway.testing import check_sampler

QUARTER = 0xC0000000000000
randomness = st.integers(min_value=0, max_value=(1 << 56) - 1)
thresholds = st.integers(min_value=0, max_value=(1 << 56) - 1)


def span(randomness=0, trace_state=""):
    trace_id = b"\xaa" * 9 + randomness.to_bytes(7, "big")
    return Span(
        name="s", trace_id=trace_id, span_id=b"\x01" * 8, trace_state=trace_state
    )


def record(randomness=0, **attributes):
    trace_id = b"\xaa" * 9 + randomness.to_bytes(7, "big")
    return LogRecord(body="b", trace_id=trace_id, attributes=attributes)


def keep(sampler, *events):
    return sampler.sample(list(events), 0.0)


def test_the_randomness_that_reaches_the_threshold_is_kept():
    sampler = ProbabilitySampler(0.25)
    at, below = span(QUARTER), span(QUARTER - 1)
    assert sampler.threshold == QUARTER
    assert keep(sampler, at, below) == [at]
    assert at.trace_state == "ot=th:c"
    assert below.trace_state == ""


def test_one_keeps_everything_and_zero_nothing():
    low, high = span(0), span((1 << 56) - 1)
    assert keep(ProbabilitySampler(1), low, high) == [low, high]
    assert low.trace_state == "ot=th:0"
    assert keep(ProbabilitySampler(0), low, high) == []


def test_an_explicit_randomness_stands_before_the_trace_id_and_is_not_rewritten():
    kept = span(0, "ot=rv:ffffffffffffff")
    left_out = span((1 << 56) - 1, "ot=rv:00000000000000")
    assert keep(ProbabilitySampler(0.25), kept, left_out) == [kept]
    assert kept.trace_state == "ot=th:c;rv:ffffffffffffff"


def test_other_vendors_and_unknown_sub_keys_are_kept():
    event = span(QUARTER, "a=1,ot=zz:9,b=2")
    keep(ProbabilitySampler(0.25), event)
    assert event.trace_state == "ot=th:c;zz:9,a=1,b=2"


def test_equalizing_leaves_what_was_sampled_harder_before():
    event = span((1 << 56) - 1, "x=1,ot=th:e")
    assert keep(ProbabilitySampler(0.25), event) == [event]
    assert event.trace_state == "x=1,ot=th:e"


def test_equalizing_brings_what_was_sampled_less_down_to_its_probability():
    kept, left_out = span(QUARTER, "ot=th:8"), span(QUARTER - 1, "ot=th:8")
    assert keep(ProbabilitySampler(0.25), kept, left_out) == [kept]
    assert kept.trace_state == "ot=th:c"


def test_proportional_keeps_its_share_of_what_comes():
    sampler = ProbabilitySampler(0.5, mode="proportional")
    kept, left_out = span(QUARTER, "ot=th:8"), span(QUARTER - 1, "ot=th:8")
    first = span(1 << 55)
    assert keep(sampler, kept, left_out, first) == [kept, first]
    assert kept.trace_state == "ot=th:c"
    assert first.trace_state == "ot=th:8"


def test_a_proportional_sampler_of_everything_changes_nothing():
    event = span((1 << 56) - 1, "ot=th:aaaaaaaaaaaaac")
    keep(ProbabilitySampler(1, mode="proportional"), event)
    assert event.trace_state == "ot=th:aaaaaaaaaaaaac"


@given(thresholds, randomness, st.sampled_from(["equalizing", "proportional"]))
def test_a_threshold_is_only_ever_raised(before, value, mode):
    event = span(value, trace_state_with_threshold("", before))
    for probability in (1.0, 0.9, 0.3, 2.0**-56):
        last = read_ot(event.trace_state)[0]
        if keep(ProbabilitySampler(probability, mode=mode), event):
            assert read_ot(event.trace_state)[0] >= last
        else:
            assert read_ot(event.trace_state)[0] == last


@given(randomness, st.floats(0.001, 1), st.floats(0.001, 1))
def test_a_higher_probability_keeps_a_superset(value, one, other):
    low, high = sorted((one, other))
    if keep(ProbabilitySampler(low), span(value)):
        assert keep(ProbabilitySampler(high), span(value))


def test_the_kept_spans_stand_for_all_of_them():
    import random

    dice = random.Random(7)
    events = [span(dice.getrandbits(56)) for _ in range(100_000)]
    kept = keep(ProbabilitySampler(0.1), *events)
    kept = keep(ProbabilitySampler(0.05), *kept)
    total = len(kept) * 20
    five_sigma = 5 * (100_000 * 0.05 * 0.95) ** 0.5 * 20
    assert abs(total - 100_000) < five_sigma


def test_a_log_record_is_kept_with_its_trace_and_carries_the_threshold():
    at, below = record(QUARTER), record(QUARTER - 1)
    assert keep(ProbabilitySampler(0.25), at, below) == [at]
    assert at.attributes == {"sampling.threshold": "c"}


def test_a_log_record_may_bring_its_own_threshold_and_randomness():
    harder = record(0, **{"sampling.threshold": "e"})
    luck = record(0, **{"sampling.randomness": "ffffffffffffff"})
    broken = record(0, **{"sampling.threshold": 5, "sampling.randomness": "x"})
    assert keep(ProbabilitySampler(0.25), harder, luck, broken) == [harder, luck]
    assert harder.attributes["sampling.threshold"] == "e"
    assert luck.attributes["sampling.threshold"] == "c"


def test_what_belongs_to_no_trace_passes():
    events = [
        MetricPoint(name="m", value=1),
        Alert(name="a"),
        HealthCheck(name="h"),
        LogRecord(body="outside"),
    ]
    assert keep(ProbabilitySampler(0), *events) == events


def test_an_object_without_a_trace_is_refused_by_name_and_its_neighbours_are_not():
    good = span((1 << 56) - 1)
    with pytest.raises(PartialError) as caught:
        keep(ProbabilitySampler(0.25), {"trace": 1}, good)
    assert caught.value.kept == [good]
    error = caught.value.failed[0]
    assert isinstance(error, PermanentError)
    assert "dict" in str(error)


@pytest.mark.parametrize("value", [-0.1, 1.1, "1", None, True, float("nan"), 2.0**-57])
def test_a_probability_that_means_nothing_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"ProbabilitySampler\.probability"):
        ProbabilitySampler(value)


def test_a_wrong_mode_is_refused_with_the_nearest_right_word():
    with pytest.raises(ConfigurationError, match="did you mean 'proportional'"):
        ProbabilitySampler(0.5, mode="proportionel")


def test_it_conforms_shows_itself_and_can_stand_in_two_places():
    check_sampler(
        lambda: ProbabilitySampler(0.25, mode="proportional"),
        [span(QUARTER), span(0), span(QUARTER, "ot=th:8"), record(QUARTER)],
    )
    sampler = ProbabilitySampler(0.25)
    assert repr(sampler).startswith("ProbabilitySampler(probability=0.25")
    assert not sampler.stateful
    assert sampler.mutates
