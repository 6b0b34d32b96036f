from __future__ import annotations

import math
import signal
import sys
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics as api

from sluiceway.errors import ConfigurationError
from sluiceway.events import MetricKind, Temporality
from sluiceway.instrument import Telemetry


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def meter(telemetry):
    return telemetry.meter("shop.cart", "1.2")


def values(telemetry):
    """What was collected: the value of each series by its attributes."""
    return {
        tuple(sorted(point.attributes.items())): point.value
        for point in telemetry.collect()
    }


def test_a_counter_adds_up_by_attributes(telemetry, meter):
    counter = meter.counter("orders", "1", "orders taken")
    counter.add(2, {"card": "visa", "eu": True})
    counter.add(3, {"eu": True, "card": "visa"})
    counter.add()
    counter.add(0.5, {})
    first, second = telemetry.collect()
    assert (first.name, first.unit, first.description) == (
        "orders",
        "1",
        "orders taken",
    )
    assert (first.kind, first.is_monotonic) == (MetricKind.SUM, True)
    assert first.temporality is Temporality.CUMULATIVE
    assert first.value == 5
    assert first.attributes == {"card": "visa", "eu": True}
    assert (second.value, second.attributes) == (1.5, {})
    assert first.resource is telemetry.resource
    assert (first.scope.name, first.scope.version) == ("shop.cart", "1.2")
    assert 0 < first.start_time_unix_nano <= first.time_unix_nano


def test_collecting_again_gives_the_sum_since_the_start(telemetry, meter):
    counter = meter.counter("orders")
    counter.add(1)
    (before,) = telemetry.collect()
    counter.add(1)
    (after,) = telemetry.collect()
    assert (before.value, after.value) == (1, 2)
    assert before.start_time_unix_nano == after.start_time_unix_nano


def test_what_was_collected_is_not_shared(telemetry, meter):
    meter.counter("orders").add(1, {"a": [1]})
    telemetry.collect()[0].attributes["a"].append(2)
    assert telemetry.collect()[0].attributes == {"a": [1]}


def test_one_and_true_and_one_point_zero_are_three_series(telemetry, meter):
    counter = meter.counter("orders")
    for value in (1, True, 1.0, "1"):
        counter.add(1, {"a": value})
    assert [type(point.attributes["a"]) for point in telemetry.collect()] == [
        int,
        bool,
        float,
        str,
    ]


def test_eight_threads_end_at_the_exact_sum(telemetry, meter):
    counter, gauge = meter.counter("c"), meter.up_down_counter("g")
    histogram = meter.histogram("h", buckets=[10, 20])
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(number):
        for index in range(5000):
            counter.add(1, {"even": index % 2 == 0})
            gauge.add(-1 if index % 2 else 1)
            histogram.record(number)

    threads = [threading.Thread(target=work, args=(n * 3,)) for n in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        telemetry.collect()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    even, odd, level, distribution = telemetry.collect()
    assert (even.value, odd.value) == (20_000, 20_000)
    assert level.value == 0
    assert distribution.value.count == 40_000
    assert distribution.value.bucket_counts == [20_000, 15_000, 5_000]
    assert distribution.value.sum == 5000 * 3 * sum(range(8))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_add_while_the_program_adds(telemetry, meter):
    counter = meter.counter("c")
    seen = []

    def handler(*_):
        seen.append(1)
        counter.add(1, {"by": str(len(seen) % 5)})
        counter.add(1)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    count = 0
    while len(seen) < 100:
        counter.add(1)
        count += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert values(telemetry)[()] == count + len(seen)


def test_beyond_the_limit_one_series_takes_the_rest(telemetry, meter, caplog):
    counter = meter.counter("visits")
    for number in range(2500):
        counter.add(1, {"user": number})
    counter.add(1, {"user": 0})
    points = telemetry.collect()
    assert len(points) == 2001
    assert points[-1].attributes == {"otel.metric.overflow": True}
    assert points[-1].value == 500
    assert points[0].value == 2
    assert sum(point.value for point in points) == 2501
    assert len(caplog.records) == 1
    assert "visits" in caplog.text


@pytest.mark.parametrize("amount", [-1, -0.1, math.nan, math.inf, "1", None, 10**400])
def test_a_counter_refuses_what_it_cannot_mean_and_says_so_once(
    telemetry, meter, caplog, amount
):
    counter = meter.counter("orders")
    counter.add(4)
    counter.add(amount)
    counter.add(amount)
    assert values(telemetry) == {(): 4}
    assert len(caplog.records) == 1
    assert "orders" in caplog.text


@pytest.mark.parametrize("amount", [math.nan, -math.inf, "x", 10**400])
def test_no_instrument_takes_what_is_no_finite_number(telemetry, meter, caplog, amount):
    meter.up_down_counter("u").add(amount)
    meter.gauge("g").set(amount)
    meter.histogram("h").record(amount)
    assert telemetry.collect() == []
    assert len(caplog.records) == 3


@pytest.mark.parametrize("wrong", ["", "1st", "a b", "ä", "a" * 256, None])
def test_a_name_that_is_not_allowed_is_refused_with_the_rule(meter, wrong):
    with pytest.raises(ConfigurationError, match="letter"):
        meter.counter(wrong)


@pytest.mark.parametrize("unit", ["µs", "x" * 64])
def test_a_unit_that_is_not_allowed_is_refused(meter, unit):
    with pytest.raises(ConfigurationError, match="unit"):
        meter.gauge("g", unit)


def test_the_same_instrument_is_given_again(telemetry, meter):
    assert meter.counter("orders") is telemetry.meter("shop.cart", "1.2").counter(
        "Orders"
    )
    assert telemetry.meter("other").counter("orders") is not meter.counter("orders")


def test_two_instruments_of_one_name_are_warned_of(meter, caplog):
    assert meter.counter("orders", "1") is not meter.counter("orders", "By")
    assert "orders" in caplog.text


def test_an_up_down_counter_may_fall(telemetry, meter):
    level = meter.up_down_counter("level")
    level.add(5)
    level.add(-7)
    (point,) = telemetry.collect()
    assert (point.value, point.is_monotonic) == (-2, False)


def test_a_gauge_keeps_the_last_value_whoever_set_it(telemetry, meter):
    gauge = meter.gauge("temperature", "Cel")
    gauge.set(5, {"room": "a"})
    other = threading.Thread(target=gauge.set, args=(7.5, {"room": "a"}))
    other.start()
    other.join()
    (point,) = telemetry.collect()
    assert (point.value, point.kind) == (7.5, MetricKind.GAUGE)
    assert point.start_time_unix_nano == 0


@given(
    bounds=st.lists(st.integers(-50, 50), unique=True, max_size=6).map(sorted),
    measured=st.lists(
        st.one_of(st.integers(-60, 60), st.floats(-60, 60)), min_size=1, max_size=40
    ),
)
def test_a_measurement_is_in_the_bucket_that_its_upper_bound_closes(bounds, measured):
    telemetry = Telemetry("shop")
    histogram = telemetry.meter("m").histogram("h", buckets=bounds)
    for amount in measured:
        histogram.record(amount)
    (point,) = telemetry.collect()
    edges = [-math.inf, *bounds, math.inf]
    wanted = [
        sum(low < amount <= high for amount in measured)
        for low, high in pairwise(edges)
    ]
    assert point.kind is MetricKind.HISTOGRAM
    assert point.value.bucket_counts == wanted
    assert point.value.count == len(measured)
    if min(measured) >= 0:
        assert point.value.sum == pytest.approx(math.fsum(measured))
    assert (point.value.min, point.value.max) == (min(measured), max(measured))
    assert point.value.explicit_bounds == bounds


def test_a_histogram_of_negative_measurements_has_no_sum_that_could_fall(
    telemetry, meter
):
    histogram = meter.histogram("drift", buckets=[0])
    histogram.record(2)
    assert telemetry.collect()[0].value.sum == 2
    histogram.record(-1)
    (point,) = telemetry.collect()
    assert (point.value.count, point.value.sum) == (2, None)
    assert (point.value.min, point.value.max) == (-1, 2)


@pytest.mark.parametrize("wrong", [[2, 1], [1, 1], [1, math.inf], [math.nan], ["a"]])
def test_buckets_that_do_not_rise_are_refused(meter, wrong):
    with pytest.raises(ConfigurationError, match="buckets"):
        meter.histogram("h", buckets=wrong)


def test_seconds_choose_buckets_for_durations(telemetry, meter):
    meter.histogram("duration", "s").record(0.02)
    meter.histogram("size", "By").record(20)
    duration, size = telemetry.collect()
    assert duration.value.explicit_bounds[0] == 0.005
    assert size.value.explicit_bounds[-1] == 10000


def test_the_apis_spelling_makes_the_same_instruments(telemetry, meter):
    assert isinstance(meter, api.Meter)
    assert meter.create_counter("c") is meter.counter("c")
    assert meter.create_up_down_counter("u") is meter.up_down_counter("u")
    assert meter.create_gauge("g") is meter.gauge("g")
    advised = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2])
    assert advised is meter.histogram("h")
    assert isinstance(advised, api.Histogram)
    advised.record(1.5)
    assert telemetry.collect()[0].value.bucket_counts == [0, 1, 0]


def test_observable_instruments_are_asked_at_each_collection(telemetry, meter, caplog):
    state = {"cpu": 1}

    def cpu(options):
        assert options.timeout_millis > 0
        yield api.Observation(state["cpu"], {"cpu": 0})

    def broken(options):
        raise RuntimeError("no sensor")

    def generator():
        yield
        while True:
            yield [api.Observation(7)]

    meter.create_observable_counter("cpu.time", [cpu], "s")
    meter.create_observable_gauge("temperature", [broken, generator()])
    meter.create_observable_up_down_counter("memory", [lambda _: []])
    first = telemetry.collect()
    state["cpu"] = 4
    second = telemetry.collect()
    assert [point.value for point in first] == [1, 7]
    assert [point.value for point in second] == [4, 7]
    assert second[0].is_monotonic
    assert "temperature" in caplog.text
    assert "no sensor" in caplog.text
