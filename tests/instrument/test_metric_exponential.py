from __future__ import annotations

import math
import signal
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError
from sluiceway.events import MetricKind
from sluiceway.formats.histograms import added, at_scale, bucket_index, power
from sluiceway.instrument import ExponentialAggregation, Telemetry, View

SMALLEST = math.ulp(0.0)  # a subnormal number
LARGEST = sys.float_info.max
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
MEASURED = st.one_of(
    st.floats(0, LARGEST), st.integers(0, 2**70), st.sampled_from([0, 1, 2, 4, 8, 0.5])
)


def recorded(measurements, **settings):
    view = View(aggregation=ExponentialAggregation(**settings))
    telemetry = Telemetry("shop", views=[view])
    histogram = telemetry.meter("m").histogram("h")
    for amount in measurements:
        histogram.record(amount)
    (point,) = telemetry.collect()
    assert point.kind is MetricKind.EXPONENTIAL_HISTOGRAM
    return point.value


@pytest.mark.parametrize(
    ("value", "index"),
    [(1, -1), (1.5, 0), (2, 0), (2.0001, 1), (4, 1), (0.5, -2), (0.75, -1)],
)
def test_indices_at_scale_zero_are_those_of_the_data_model(value, index):
    assert bucket_index(value, 0) == index


@given(exponent=st.integers(-1074, 1023), scale=st.integers(-11, 20))
def test_powers_of_two_close_their_bucket_exactly(exponent, scale):
    value = math.ldexp(1.0, exponent)
    wanted = ((exponent << max(scale, 0)) - 1) >> max(-scale, 0)
    assert bucket_index(value, scale) == wanted
    if -1022 <= exponent < 1023:  # below, the next float is buckets away
        assert bucket_index(math.nextafter(value, math.inf), scale) == (
            (exponent << max(scale, 0)) >> max(-scale, 0)
        )


@given(value=POSITIVE, scale=st.integers(-10, 20))
@example(value=SMALLEST, scale=20)
@example(value=LARGEST, scale=20)
def test_a_value_is_between_the_bounds_of_its_bucket(value, scale):
    index = bucket_index(value, scale)
    # the bounds themselves are rounded, more the larger their exponent
    slack = 1 + 1e-12
    assert power(scale, index) / slack <= value or value < 1e-300
    assert value <= power(scale, index + 1) * slack


@given(value=POSITIVE, scale=st.integers(-10, 20), steps=st.integers(0, 8))
def test_a_lower_scale_joins_neighbours(value, scale, steps):
    lower = max(scale - steps, -11)
    fine, coarse = bucket_index(value, scale), bucket_index(value, lower)
    assert coarse in {fine >> (scale - lower), (fine - 1) >> (scale - lower)} | {
        (fine + 1) >> (scale - lower)
    }


@given(first=POSITIVE, second=POSITIVE, scale=st.integers(-10, 20))
def test_indices_rise_with_their_values(first, second, scale):
    low, high = sorted([first, second])
    assert bucket_index(low, scale) <= bucket_index(high, scale)


@given(
    measured=st.lists(MEASURED, min_size=1, max_size=60),
    size=st.sampled_from([2, 3, 4, 160]),
)
@example(measured=[SMALLEST, LARGEST], size=2)
@example(measured=[0, 0], size=2)
@example(measured=[5e-324, 1, 1.7e308, 0], size=160)
def test_everything_is_counted_once_within_the_size_and_the_scale_is_ideal(
    measured, size
):
    value = recorded(measured, max_size=size)
    counts = value.positive.bucket_counts
    positive = [float(amount) for amount in measured if amount]
    assert value.count == len(measured) == value.zero_count + sum(counts)
    assert value.zero_count == len(measured) - len(positive)
    floats = [*map(float, measured)]
    assert (value.min, value.max) == (min(floats), max(floats))
    assert value.sum == pytest.approx(sum(floats))
    assert value.negative.bucket_counts == []
    assert value.scale <= 20
    assert len(counts) <= size
    assert not counts or (counts[0] and counts[-1])
    if positive:
        low, high = min(positive), max(positive)
        wanted = bucket_index(high, value.scale) - bucket_index(low, value.scale)
        assert len(counts) - 1 in {wanted, wanted + 1, wanted - 1}
        finer = value.scale + 1
        width = bucket_index(high, finer) - bucket_index(low, finer) + 1
        assert value.scale == 20 or width >= size


def test_one_value_has_the_finest_scale():
    value = recorded([3.7] * 5)
    assert (value.scale, value.positive.bucket_counts) == (20, [5])
    assert value.positive.offset == bucket_index(3.7, 20)
    assert recorded([3.7], max_scale=5).scale == 5


def test_a_tail_from_a_millisecond_to_a_hundred_seconds_has_scale_three():
    assert recorded([0.001 * 10 ** (n / 100) for n in range(501)]).scale == 3


@pytest.mark.parametrize("amount", [-1, -0.5, math.inf, -math.inf, math.nan])
def test_what_has_no_bucket_is_refused_and_said_once(caplog, amount):
    value = recorded([1, amount, amount])
    assert (value.count, value.sum, value.min) == (1, 1, 1)
    assert len(caplog.records) == 1


def test_negative_zero_is_zero():
    assert recorded([-0.0, 0]).zero_count == 2


HISTOGRAMS = st.lists(
    st.one_of(st.floats(0, 1e6), st.sampled_from([0, 1, 2, 1024])),
    min_size=1,
    max_size=30,
).map(recorded)


@given(HISTOGRAMS, HISTOGRAMS)
def test_the_sum_of_two_does_not_depend_on_their_order(first, second):
    assert added(first, second) == added(second, first)


@given(st.lists(st.sampled_from([2.0**n for n in range(-20, 20)]), min_size=2))
def test_the_sum_of_two_parts_is_the_whole(measured):
    half = len(measured) // 2
    parts = added(recorded(measured[:half]), recorded(measured[half:]))
    assert parts == recorded(measured)


@given(HISTOGRAMS, st.integers(0, 10), st.integers(0, 10))
def test_lowering_the_scale_in_two_steps_is_lowering_it_in_one(value, first, second):
    low = at_scale(value, value.scale - first)
    both = at_scale(low, low.scale - second)
    assert both == at_scale(value, value.scale - first - second)
    assert sum(both.positive.bucket_counts) + both.zero_count == value.count


@pytest.mark.parametrize("wrong", [{"max_size": 1}, {"max_scale": 21}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        ExponentialAggregation(**wrong)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_record_while_the_scale_is_lowered():
    telemetry = Telemetry("shop", exponential_histograms=True)
    histogram = telemetry.meter("m").histogram("h")
    seen = []

    def handler(*_):
        seen.append(1)
        histogram.record(2.0 ** (len(seen) * 7 % 900))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    count = 0
    while len(seen) < 100:
        histogram.record(1.0 + count % 100)
        count += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    (point,) = telemetry.collect()
    assert point.value.count == count + len(seen)
