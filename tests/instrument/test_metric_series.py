from __future__ import annotations

import math
import os
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics as api

from sluiceway.instrument import Telemetry
from sluiceway.instrument.series import KEYS, LIMIT
from sluiceway.testing import ManualClock

BEGIN = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def clock():
    return ManualClock(time_ns=BEGIN)


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def meter(telemetry):
    return telemetry.meter("shop.cart")


def values(telemetry):
    return {
        tuple(sorted(point.attributes.items())): point.value
        for point in telemetry.collect()
    }


def test_a_bound_counter_adds_to_the_series_of_its_attributes(telemetry, meter):
    counter = meter.counter("orders")
    attributes = {"card": "visa"}
    bound = counter.bind(attributes)
    attributes["card"] = "other"
    bound.add()
    bound.add(2.5)
    counter.add(1, {"card": "visa"})
    counter.bind().add(7)
    assert values(telemetry) == {(("card", "visa"),): 4.5, (): 7}
    assert "orders" in repr(bound)
    assert "visa" in repr(bound)


def test_a_bound_histogram_records_into_the_series_of_its_attributes(telemetry, meter):
    histogram = meter.histogram("h", buckets=[1, 2])
    bound = histogram.bind({"a": [1, 2]})
    bound.record(1)
    bound.record(1.5)
    bound.record(9)
    histogram.record(2, {"a": (1, 2)})
    (point,) = telemetry.collect()
    assert point.value.bucket_counts == [1, 2, 1]
    assert (point.value.min, point.value.max, point.value.sum) == (1, 9, 13.5)


def test_levels_gauges_and_exponential_histograms_can_be_bound_too(caplog):
    telemetry = Telemetry("shop", exponential_histograms=True)
    meter = telemetry.meter("m")
    level = meter.up_down_counter("level").bind({"a": 1})
    heat = meter.gauge("heat").bind({"a": 1})
    wait = meter.histogram("wait").bind({"a": 1})
    for amount in (5, -2, 0.5, math.nan, "x"):
        level.add(amount)
        heat.set(amount)
    for amount in (0, 1, 2.5, -1):
        wait.record(amount)
    points = telemetry.collect()
    assert [point.value for point in points[:2]] == [3.5, 0.5]
    assert (points[2].value.count, points[2].value.zero_count) == (3, 1)
    assert {str(point.attributes) for point in points} == {"{'a': 1}"}
    assert len(caplog.records) == 3  # each instrument once


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, "1", None])
def test_a_bound_instrument_refuses_what_the_instrument_refuses(
    telemetry, meter, caplog, amount
):
    meter.counter("c").bind().add(amount)
    if amount != -1:
        meter.histogram("h").bind().record(amount)
    assert telemetry.collect() == []
    assert len(caplog.records) == (1 if amount == -1 else 2)


@pytest.mark.parametrize("name", ["counter", "up_down_counter"])
def test_sums_of_whole_numbers_that_no_float_can_hold_become_infinite(
    telemetry, meter, name
):
    counter = getattr(meter, name)("c")
    counter.add(10**308)
    counter.add(10**308)
    counter.add(0.5)
    assert values(telemetry) == {(): math.inf}


def test_whole_numbers_beyond_the_protocols_become_floats(telemetry, meter):
    counter = meter.counter("c")
    for _ in range(3):
        counter.add(2**62)
    ((_, value),) = values(telemetry).items()
    assert (value, type(value)) == (3 * 2.0**62, float)


def test_numbers_of_other_types_are_plain_once_they_are_measured(telemetry, meter):
    from decimal import Decimal
    from fractions import Fraction

    counter = meter.counter("c")
    for amount in (True, Fraction(1, 2), Decimal("0.25"), 1):
        counter.add(amount)
    ((_, value),) = values(telemetry).items()
    assert (value, type(value)) == (2.75, float)


def test_a_number_that_breaks_when_it_is_used_costs_nobody_anything(
    telemetry, meter, caplog
):
    class Broken(float):
        def __float__(self):
            raise RuntimeError("broken")

        def __le__(self, other):
            raise RuntimeError("broken")

        __ge__ = __lt__ = __gt__ = __le__

    meter.counter("c").add(Broken())
    meter.histogram("h").record(Broken())
    meter.gauge("g").set(Broken())
    assert telemetry.collect() == []
    assert len(caplog.records) == 3


class Hostile:
    @property
    def __class__(self):
        raise RuntimeError("nothing to be known")


def test_attributes_that_cannot_be_read_are_said_once(telemetry, meter, caplog):
    counter = meter.counter("c")
    counter.add(1, Hostile())
    counter.add(1, Hostile())
    counter.add(1, 5)
    assert values(telemetry) == {(): 1}
    assert len(caplog.records) == 1


def test_keys_that_are_no_texts_become_texts(telemetry, meter):
    class Key:
        def __str__(self):
            return "key"

    counter = meter.counter("c")
    for key in (Key(), "key", 1, "1"):
        counter.add(1, {key: "a"})
    assert values(telemetry) == {(("key", "a"),): 2, (("1", "a"),): 2}


def test_values_in_lists_count_as_they_are_when_they_are_measured(telemetry, meter):
    counter = meter.counter("c")
    path = ["a"]
    counter.add(1, {"path": path})
    path.append("b")
    counter.add(1, {"path": path})
    counter.add(1, {"path": ("a", "b")})
    assert [p.attributes["path"] for p in telemetry.collect()] == [["a"], ["a", "b"]]
    assert [p.value for p in telemetry.collect()] == [1, 2]


def test_bytes_and_what_has_the_same_bytes_are_two_series(telemetry, meter):
    counter = meter.counter("c")
    for _ in range(2):
        counter.add(1, {"a": b"\x01"})
        counter.add(1, {"a": bytearray(b"\x01")})
        counter.add(1, {"a": memoryview(b"\x01")})
    assert telemetry.collect()[0].value == 2


ATTRIBUTES = st.dictionaries(
    st.sampled_from("abc"),
    st.one_of(
        st.text(max_size=2),
        st.integers(-2, 2),
        st.booleans(),
        st.sampled_from([0.0, 1.0, 2.0]),
        st.none(),
        st.binary(max_size=1),
        st.lists(st.integers(0, 1), max_size=2),
    ),
)


def identity(attributes):
    return tuple(sorted((k, type(v), repr(v)) for k, v in attributes.items()))


@given(st.lists(st.tuples(ATTRIBUTES, st.integers(0, 5), st.booleans()), max_size=40))
def test_sums_are_by_attributes_in_any_order_and_types_count(measured):
    telemetry = Telemetry("shop")
    counter = telemetry.meter("m").counter("c")
    wanted = {}
    for attributes, amount, backwards in measured:
        items = list(attributes.items())
        counter.add(amount, dict(reversed(items) if backwards else items))
        key = identity(attributes)
        wanted[key] = wanted.get(key, 0) + amount
    found = {identity(p.attributes): p.value for p in telemetry.collect()}
    assert found == wanted


def test_many_orders_of_the_same_attributes_are_one_series_and_bounded(telemetry):
    from itertools import islice, permutations

    counter = telemetry.meter("m").counter("c")
    keys = "abcdefgh"
    orders = list(islice(permutations(keys), KEYS * LIMIT + 100))
    for order in orders:
        counter.add(1, dict.fromkeys(order, 1))
    (point,) = telemetry.collect()
    assert point.value == len(orders)
    assert len(counter._memo) <= KEYS * LIMIT


def test_each_series_begins_with_its_first_measurement(telemetry, meter, clock):
    counter = meter.counter("c")
    clock.move(1)
    counter.add(1, {"a": 1})
    clock.move(1)
    counter.add(1, {"a": 2})
    clock.move(1)
    for _ in range(2):
        starts = [p.start_time_unix_nano for p in telemetry.collect()]
        assert starts == [BEGIN + SECOND, BEGIN + 2 * SECOND]
        clock.move(1)


def test_an_observed_series_begins_where_it_was_not_seen_the_last_time(
    telemetry, meter, clock
):
    told = {"a": 1}
    meter.observable_counter(
        "c", lambda _: [api.Observation(n, {"k": k}) for k, n in told.items()]
    )

    def starts():
        clock.move(1)
        return {
            p.attributes["k"]: (p.start_time_unix_nano - BEGIN) // SECOND
            for p in telemetry.collect()
        }

    assert starts() == {"a": 0}
    told["b"] = 5
    assert starts() == {"a": 0, "b": 1}
    del told["a"]
    assert starts() == {"b": 1}
    told["a"] = 1
    assert starts() == {"b": 1, "a": 3}


def test_no_point_begins_after_its_time_when_the_clock_is_set_back(clock):
    telemetry = Telemetry("shop", clock=clock)
    counter = telemetry.meter("m").counter("c")
    counter.add(1, {"a": 1})
    clock.move(10)
    first = telemetry.collect()
    clock._start_ns -= 60 * SECOND
    counter.add(1, {"a": 2})
    second = telemetry.collect()
    assert all(p.start_time_unix_nano <= p.time_unix_nano for p in first + second)
    assert second[0].time_unix_nano >= first[0].time_unix_nano


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12 warns
def test_a_forked_child_counts_from_zero_and_the_parent_goes_on(telemetry, meter):
    counter = meter.counter("c")
    bound = counter.bind({"a": 1})
    bound.add(5)
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        bound.add(2)
        counter.add(1, {"a": 1})
        found = [p.value for p in telemetry.collect()]
        os.write(sending, repr(found).encode())
        os._exit(0)
    os.close(sending)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(receiving, 100) == b"[3]"
    os.close(receiving)
    assert values(telemetry) == {(("a", 1),): 5}


@pytest.fixture
def hasty_threads():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run_in_threads(work, count=8):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.usefixtures("hasty_threads")
def test_threads_that_find_new_series_lose_and_double_nothing(telemetry, meter):
    counter = meter.counter("c")
    bound = counter.bind({"n": 0})

    def work(number):
        for index in range(3000):
            counter.add(1, {"n": index % 300})
            counter.add(2, {"n": index % 3, "list": [number % 2]})
            bound.add(0.5)

    for thread in run_in_threads(work):
        thread.join()
    found = [point.value for point in telemetry.collect()]
    assert sum(found) == 8 * 3000 * 3.5
    assert len(found) == 300 + 6


@pytest.mark.usefixtures("hasty_threads")
def test_threads_beyond_the_limit_keep_the_sum_right(telemetry, meter, caplog):
    counter = meter.counter("c")

    def work(number):
        for index in range(1000):
            counter.add(1, {"n": index * 8 + number})

    for thread in run_in_threads(work):
        thread.join()
    points = telemetry.collect()
    assert len(points) == 2001
    assert sum(point.value for point in points) == 8000
    assert points[-1].attributes == {"otel.metric.overflow": True}
    assert len(caplog.records) == 1
