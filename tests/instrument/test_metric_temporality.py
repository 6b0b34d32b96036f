from __future__ import annotations

import sys
import threading

import pytest
from opentelemetry import metrics as api

from sluiceway.events import Temporality
from sluiceway.instrument import Telemetry
from sluiceway.instrument.metric_settings import wishes_of
from sluiceway.testing import ManualClock

BEGIN = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
DELTA, CUMULATIVE = Temporality.DELTA, Temporality.CUMULATIVE


@pytest.fixture
def clock():
    return ManualClock(time_ns=BEGIN)


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", temporality="delta", clock=clock)


@pytest.fixture
def meter(telemetry):
    return telemetry.meter("shop.cart")


def times(point):
    return (
        (point.start_time_unix_nano - BEGIN) // SECOND,
        (point.time_unix_nano - BEGIN) // SECOND,
    )


@pytest.mark.parametrize(
    ("preference", "deltas"),
    [
        ("cumulative", set()),
        ("delta", {"counter", "histogram", "observable_counter"}),
        ("lowmemory", {"counter", "histogram"}),
    ],
)
def test_each_preference_chooses_the_temporality_by_instrument(preference, deltas):
    telemetry = Telemetry("shop", temporality=preference)
    meter = telemetry.meter("m")

    def told(options):
        return [api.Observation(1)]

    meter.counter("counter").add(1)
    meter.up_down_counter("up_down").add(1)
    meter.histogram("histogram").record(1)
    meter.gauge("gauge").set(1)
    meter.observable_counter("observable_counter", told)
    meter.observable_up_down_counter("observable_up_down", told)
    meter.observable_gauge("observable_gauge", told)
    points = telemetry.collect()
    assert len(points) == 7
    assert {p.name for p in points if p.temporality is DELTA} == deltas


def test_the_environment_chooses_the_temporality():
    name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    assert wishes_of(environ={name: "Delta"}).temporality == "delta"
    assert wishes_of(environ={name: "LowMemory"}).temporality == "lowmemory"
    assert wishes_of(environ={}).temporality == "cumulative"
    chosen = wishes_of(temporality="cumulative", environ={name: "delta"})
    assert chosen.temporality == "cumulative"


def test_a_delta_counts_since_the_last_collection_and_idle_series_end(
    telemetry, meter, clock
):
    counter = meter.counter("c")
    bound = counter.bind({"a": 1})
    clock.move(1)
    counter.add(2, {"a": 1})
    counter.add(3, {"a": 2})
    clock.move(1)
    first = telemetry.collect()
    assert [(p.value, times(p)) for p in first] == [(2, (0, 2)), (3, (0, 2))]
    clock.move(1)
    bound.add(5)
    second = telemetry.collect()
    assert [(p.value, p.attributes, times(p)) for p in second] == [
        (5, {"a": 1}, (2, 3))
    ]
    clock.move(1)
    assert telemetry.collect() == []
    clock.move(1)
    counter.add(1)
    assert [times(p) for p in telemetry.collect()] == [(4, 5)]


def test_a_histograms_delta_has_the_extremes_of_its_interval(telemetry, meter):
    histogram = meter.histogram("h", buckets=[10])
    bound = histogram.bind()
    histogram.record(1)
    bound.record(50)
    (first,) = telemetry.collect()
    bound.record(7)
    (second,) = telemetry.collect()
    assert (first.value.min, first.value.max, first.value.sum) == (1, 50, 51)
    assert (second.value.min, second.value.max, second.value.sum) == (7, 7, 7)
    assert second.value.bucket_counts == [1, 0]


def test_what_may_fall_and_what_has_no_sum_goes_on(telemetry, meter):
    meter.up_down_counter("u").add(3)
    meter.gauge("g").set(4)
    for _ in range(2):
        assert [(p.value, p.temporality) for p in telemetry.collect()] == [
            (3, CUMULATIVE),
            (4, CUMULATIVE),
        ]


def test_an_observed_delta_is_the_difference_and_a_fall_begins_anew(
    telemetry, meter, clock
):
    told = {"a": 10}
    meter.observable_counter(
        "c", lambda _: [api.Observation(n, {"k": k}) for k, n in told.items()]
    )

    def collected():
        clock.move(1)
        return {p.attributes["k"]: (p.value, times(p)) for p in telemetry.collect()}

    assert collected() == {"a": (10, (0, 1))}
    told.update(a=12, b=1)
    assert collected() == {"a": (2, (1, 2)), "b": (1, (1, 2))}
    told.update(a=5)
    assert collected() == {"a": (5, (2, 3)), "b": (0, (2, 3))}
    del told["a"]
    assert collected() == {"b": (0, (3, 4))}
    told["a"] = 6
    assert collected() == {"a": (6, (4, 5)), "b": (0, (4, 5))}


def test_a_callback_that_fails_once_does_not_double_its_delta(
    telemetry, meter, clock, caplog
):
    state = {"value": 10, "broken": False}

    def told(options):
        if state["broken"]:
            raise RuntimeError("no sensor")
        return [api.Observation(state["value"])]

    def collected():
        clock.move(1)
        return [(p.value, times(p)) for p in telemetry.collect()]

    meter.observable_counter("c", told)
    assert collected() == [(10, (0, 1))]
    state.update(value=15, broken=True)
    assert collected() == []
    assert collected() == []
    state.update(broken=False)
    assert collected() == [(5, (1, 4))]
    assert len(caplog.records) == 1


def test_the_limit_counts_anew_after_each_delta(caplog):
    telemetry = Telemetry("shop", temporality="delta", series_limit=2)
    counter = telemetry.meter("m").counter("c")
    for begin in (0, 10):
        for number in range(4):
            counter.add(1, {"n": begin + number})
        points = telemetry.collect()
        assert [p.attributes.get("n") for p in points] == [begin, begin + 1, None]
        assert [p.value for p in points] == [1, 1, 2]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_beyond_the_limit_the_first_observed_keep_their_series(temporality, caplog):
    telemetry = Telemetry("shop", temporality=temporality, series_limit=2)
    told = [10, 20, 30, 40]
    telemetry.meter("m").observable_counter(
        "c",
        lambda _: [api.Observation(value, {"n": n}) for n, value in enumerate(told)],
    )

    def collected():
        return {p.attributes.get("n", "rest"): p.value for p in telemetry.collect()}

    assert collected() == {0: 10, 1: 20, "rest": 70}
    told[:] = [11, 22, 33, 44]
    delta = temporality == "delta"
    assert collected() == (
        {0: 1, 1: 2, "rest": 7} if delta else {0: 11, 1: 22, "rest": 77}
    )
    assert len(caplog.records) == 1


def test_threads_and_collections_at_once_lose_and_double_nothing(telemetry, meter):
    counter = meter.counter("c")
    bound = counter.bind({"n": 3})
    histogram = meter.histogram("h", buckets=[2, 5])
    fine = Telemetry("x", temporality="delta", exponential_histograms=True)
    exponential = fine.meter("m").histogram("e")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(number):
        for index in range(4000):
            counter.add(1, {"n": index % 7})
            bound.add(2)
            histogram.record(number)
            exponential.record(number)
            counter.add(1, {"n": [index % 2]})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    points = []
    while any(thread.is_alive() for thread in threads):
        points += telemetry.collect() + fine.collect()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    points += telemetry.collect() + fine.collect()
    assert sum(p.value for p in points if p.name == "c") == 8 * 4000 * 4
    for name in ("h", "e"):
        found = [p.value for p in points if p.name == name]
        assert sum(value.count for value in found) == 8 * 4000
        assert sum(value.sum for value in found) == 4000 * sum(range(8))
    assert len(points) > 20
