from __future__ import annotations

import math

import pytest
from opentelemetry import metrics as api
from opentelemetry.metrics import _Gauge as ApiGauge

from sluiceway.errors import ConfigurationError
from sluiceway.instrument import Telemetry
from sluiceway.instrument.instruments import Counter


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def meter(telemetry):
    return telemetry.meter("shop.cart", "1.2")


CREATED = [
    ("create_counter", api.Counter),
    ("create_up_down_counter", api.UpDownCounter),
    ("create_gauge", ApiGauge),
    ("create_histogram", api.Histogram),
    ("create_observable_counter", api.ObservableCounter),
    ("create_observable_up_down_counter", api.ObservableUpDownCounter),
    ("create_observable_gauge", api.ObservableGauge),
]


@pytest.mark.parametrize(("create", "kind"), CREATED)
def test_every_instrument_is_one_of_the_apis(meter, create, kind):
    made = getattr(meter, create)("x", unit="1", description="d")
    assert isinstance(made, kind)
    assert getattr(meter, create)("x", unit="1") is made


@pytest.mark.parametrize(("create", "kind"), CREATED)
@pytest.mark.parametrize("name", ["", "1st", "a b", "ä", "a" * 256, None, 7])
def test_a_librarys_bad_name_measures_nothing_and_is_warned_of(
    telemetry, caplog, create, kind, name
):
    meter = telemetry.meter("library")
    made = getattr(meter, create)(name)
    assert isinstance(made, kind)
    for method in ("add", "set", "record"):
        if hasattr(made, method):
            getattr(made, method)(1)
    assert telemetry.collect() == []
    assert len(caplog.records) == 1
    assert "not allowed" in caplog.text


def test_a_librarys_unit_and_description_are_taken_as_they_are(telemetry, meter):
    meter.create_counter("a", unit=None, description=None).add(1)
    meter.create_counter("b", unit="µs" * 40).add(1)
    first, second = telemetry.collect()
    assert (first.unit, first.description) == ("", "")
    assert second.unit == "µs" * 40


@pytest.mark.parametrize("advice", [[2, 1], ["a"], 5, [math.nan]])
def test_bad_advice_is_warned_of_and_ignored(telemetry, meter, caplog, advice):
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=advice)
    histogram.record(3)
    assert telemetry.collect()[0].value.explicit_bounds[:2] == [0, 5]
    assert "h is advised" in caplog.text


def test_no_buckets_are_a_choice_too(telemetry, meter):
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=[]).record(3)
    assert telemetry.collect()[0].value.bucket_counts == [1]


def test_names_in_another_case_are_the_first_one_and_warned_of(
    telemetry, meter, caplog
):
    first = meter.create_counter("requestCount")
    assert meter.create_counter("RequestCount") is first
    assert first.description.name == "requestCount"
    assert len(caplog.records) == 1
    assert "RequestCount" in caplog.text


def test_another_description_or_advice_is_warned_of_and_the_first_stays(
    telemetry, meter, caplog
):
    first = meter.create_counter("c", description="one")
    assert meter.create_counter("c", description="two") is first
    assert meter.create_counter("c", description="three") is first
    assert meter.create_counter("c") is first
    histogram = meter.histogram("h", buckets=[1])
    assert meter.histogram("h", buckets=[2]) is histogram
    histogram.record(5)
    first.add(1)
    points = {point.name: point for point in telemetry.collect()}
    assert points["c"].description == "one"
    assert points["h"].value.explicit_bounds == [1]
    assert len(caplog.records) == 2  # each name once


def test_two_kinds_of_one_name_are_both_reported_and_the_warning_knows_the_cure(
    telemetry, meter, caplog
):
    meter.counter("x").add(1)
    meter.gauge("X").set(5)
    meter.histogram("x", "s")
    assert [point.value for point in telemetry.collect()] == [1, 5]
    assert len(caplog.records) == 1
    assert "View('X', kind='gauge', name=...)" in caplog.text


def test_the_short_names_refuse_what_the_application_can_mend(meter):
    for make in (
        meter.observable_counter,
        meter.observable_gauge,
        meter.up_down_counter,
    ):
        with pytest.raises(ConfigurationError, match="letter"):
            make("1st")


@pytest.mark.parametrize("wrong", [7, [lambda _: []]])
def test_the_short_names_refuse_callbacks_that_nobody_can_call(meter, wrong):
    for make in (
        meter.observable_counter,
        meter.observable_gauge,
        meter.observable_up_down_counter,
    ):
        with pytest.raises(ConfigurationError, match="a callback of x is"):
            make("x", wrong)


def test_the_apis_spelling_takes_a_callback_that_is_in_no_list(telemetry, meter):
    def answer(_):
        return [api.Observation(1)]

    def told():
        yield
        while True:
            yield [api.Observation(2)]

    meter.create_observable_gauge("function", answer)
    meter.create_observable_gauge("generator", told())
    meter.create_observable_gauge("number", 7)
    assert [p.value for p in telemetry.collect()] == [1, 2]


def test_observations_have_attributes_and_bad_ones_are_said_once(
    telemetry, meter, caplog
):
    def told(options):
        yield api.Observation(1, {"a": 1})
        yield api.Observation(math.nan, {"a": 2})
        yield api.Observation("x", {"a": 3})
        yield api.Observation(True, {"a": 4})

    meter.observable_gauge("g", told)
    for _ in range(2):
        assert [p.value for p in telemetry.collect()] == [1, 1]
    assert len(caplog.records) == 1


def test_callbacks_of_the_same_instrument_add_up_in_its_list(telemetry, meter):
    meter.create_observable_gauge("g", [lambda _: [api.Observation(1, {"a": 1})]])
    meter.create_observable_gauge("g", [lambda _: [api.Observation(2, {"a": 2})]])
    assert [p.value for p in telemetry.collect()] == [1, 2]


def test_a_callback_that_answers_nothing_useful_costs_only_itself(
    telemetry, meter, caplog
):
    meter.observable_gauge("none", lambda _: None)
    meter.observable_gauge("number", lambda _: 5)
    meter.observable_gauge("wrong", lambda _: ["x"])
    meter.observable_gauge("right", lambda _: [api.Observation(1)])
    meter.create_observable_gauge("no.function", [7])
    for _ in range(2):
        assert [p.name for p in telemetry.collect()] == ["right"]
    assert len(caplog.records) == 3  # the first failure in a row


def test_a_failure_after_a_success_is_told_again(telemetry, meter, caplog):
    answers = iter([1, 0, 0, 1, 0])
    meter.observable_gauge("g", lambda _: [api.Observation(1 / next(answers))])
    found = [len(telemetry.collect()) for _ in range(5)]
    assert found == [1, 0, 0, 1, 0]
    assert len(caplog.records) == 2


def test_a_generator_is_sent_the_options_and_may_end(telemetry, meter, caplog):
    sent = []

    def told():
        options = yield
        while len(sent) < 2:
            sent.append(options.timeout_millis)
            options = yield [api.Observation(len(sent))]

    meter.create_observable_gauge("g", [told()])
    values = [[p.value for p in telemetry.collect()] for _ in range(4)]
    assert values == [[1], [2], [], []]
    assert len(caplog.records) == 1
    assert all(timeout > 0 for timeout in sent)


def test_an_instrument_that_no_thread_may_use_at_once_takes_the_long_way(telemetry):
    """As where the interpreter has no lock of its own."""
    from sluiceway.clock import SYSTEM_CLOCK
    from sluiceway.events import Scope
    from sluiceway.instrument.aggregations import SumAggregation
    from sluiceway.instrument.kinds import Description, InstrumentKind
    from sluiceway.instrument.streams import Moment, Shape, Stream

    stream = Stream(Shape("c", "", "", SumAggregation()), SYSTEM_CLOCK, None)
    told = Description("c", InstrumentKind.COUNTER)
    counter = Counter(told, [stream], quick=False)
    counter.add(1)
    counter.bind().add(2)
    moment = Moment(telemetry.resource, Scope(), 1)
    assert [point.value for point in counter.points(moment)] == [3]
