from __future__ import annotations

import pytest
from opentelemetry import metrics as api

from sluiceway.errors import ConfigurationError
from sluiceway.events import (
    ExponentialHistogram,
    Histogram,
    MetricKind,
    Scope,
)
from sluiceway.instrument import (
    DropAggregation,
    ExponentialAggregation,
    HistogramAggregation,
    LastValueAggregation,
    SumAggregation,
    Telemetry,
    View,
)
from sluiceway.instrument.meter import Meter
from sluiceway.instrument.metric_settings import wishes_of
from sluiceway.testing import ManualClock


def made(*views, **settings):
    telemetry = Telemetry("shop", views=views, **settings)
    return telemetry, telemetry.meter("shop.cart", "1.2")


def test_a_view_renames_and_describes_an_instrument():
    telemetry, meter = made(View("Orders", name="orders.taken", description="taken"))
    meter.counter("orders", description="x").add(1)
    meter.counter("other", description="x").add(1)
    renamed, other = telemetry.collect()
    assert (renamed.name, renamed.description) == ("orders.taken", "taken")
    assert (other.name, other.description) == ("other", "x")


@pytest.mark.parametrize(
    ("view", "taken"),
    [
        (View("http.*", aggregation=DropAggregation()), {"http.a", "http.b"}),
        (View("http.?", aggregation=DropAggregation()), {"http.a", "http.b"}),
        (View("HTTP.A", aggregation=DropAggregation()), {"http.a"}),
        (View("http.[ab]", aggregation=DropAggregation()), set()),
        (View("httpxa", aggregation=DropAggregation()), set()),
        (View(kind="counter", aggregation=DropAggregation()), {"http.a", "sql"}),
        (View(unit="s", aggregation=DropAggregation()), {"http.b"}),
        (View("*.b", unit="By", aggregation=DropAggregation()), set()),
        (View(meter="m", aggregation=DropAggregation()), {"http.a", "http.b", "sql"}),
        (View(meter="n", aggregation=DropAggregation()), set()),
        (View(meter_version="2", aggregation=DropAggregation()), set()),
        (View("sql", meter_schema_url="u", aggregation=DropAggregation()), {"sql"}),
        (View("sql", meter_schema_url="v", aggregation=DropAggregation()), set()),
    ],
)
def test_a_view_matches_what_all_its_criteria_say(view, taken):
    meter = Meter(
        Scope("m", "1", schema_url="u"), ManualClock(), wishes_of(views=[view])
    )
    meter.counter("http.a").add(1)
    meter.histogram("http.b", "s").record(1)
    meter.counter("sql", "By").add(1)
    telemetry = Telemetry("shop")
    left = {point.name for point in meter.collect(telemetry.resource)}
    assert left == {"http.a", "http.b", "sql"} - taken


def test_a_dropped_instrument_costs_no_series_and_its_callbacks_are_not_asked():
    telemetry, meter = made(View(aggregation=DropAggregation()))

    def refuse(options):
        raise AssertionError("asked")

    meter.observable_gauge("o", refuse)
    meter.counter("c").add(1, {"a": 1})
    meter.counter("c").bind({"a": 1}).add(1)
    meter.histogram("h").record(1)
    meter.gauge("g").set(1)
    assert telemetry.collect() == []


def test_where_the_environment_switches_all_off_nothing_is_measured(monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    telemetry, meter = made()
    telemetry.observe_runtime()
    counter = meter.counter("c")
    counter.add(1, {"a": 1})
    counter.bind().add(1)
    meter.create_histogram("h").record(1)
    meter.observable_gauge("g", lambda _: [api.Observation(1)])
    assert telemetry.collect() == []
    assert meter.observables() == []
    assert counter._streams == []


def test_only_the_instruments_that_another_view_names_survive_a_drop_of_all():
    telemetry, meter = made(View("x"), View("*", aggregation=DropAggregation()))
    meter.counter("x").add(1)
    meter.counter("y").add(1)
    assert [point.name for point in telemetry.collect()] == ["x"]


def test_a_filter_of_attributes_adds_up_what_it_does_not_tell_apart():
    telemetry, meter = made(
        View("kept", keep=["route"]),
        View("left", leave_out={"user"}),
        View("none", keep=[]),
    )
    for name in ("kept", "left", "none"):
        counter = meter.counter(name)
        bound = counter.bind({"route": "/a", "user": 1, "eu": True})
        for user in range(3):
            counter.add(1, {"route": "/a", "user": user, "eu": True})
            counter.add(1, {"user": user, "eu": True})
        bound.add(10)
    found = [(p.name, p.attributes, p.value) for p in telemetry.collect()]
    assert found == [
        ("kept", {"route": "/a"}, 13),
        ("kept", {}, 3),
        ("left", {"route": "/a", "eu": True}, 13),
        ("left", {"eu": True}, 3),
        ("none", {}, 16),
    ]


def test_attributes_are_filtered_before_the_limit_counts_them():
    telemetry, meter = made(View(keep=["a"], limit=2))
    counter = meter.counter("c")
    for number in range(100):
        counter.add(1, {"a": number % 2, "b": number})
    assert [point.value for point in telemetry.collect()] == [50, 50]


def test_a_view_sets_the_limit_and_code_sets_all_others(caplog):
    telemetry, meter = made(View("few", limit=2), series_limit=3)
    for name in ("few", "more"):
        for number in range(5):
            meter.counter(name).add(1, {"n": number})
    points = telemetry.collect()
    assert [p.value for p in points if p.name == "few"] == [1, 1, 3]
    assert [p.value for p in points if p.name == "more"] == [1, 1, 1, 2]
    assert len(caplog.records) == 2


def test_views_choose_buckets_and_how_measurements_are_added_up():
    telemetry, meter = made(
        View("size", aggregation=HistogramAggregation([1, 2])),
        View("wait", aggregation=ExponentialAggregation(max_size=4)),
        View("total", aggregation=SumAggregation()),
        View("amounts", aggregation=HistogramAggregation(buckets=[10])),
    )
    meter.histogram("size", buckets=[7]).record(1.5)
    meter.histogram("wait").record(1.5)
    meter.histogram("total").record(1.5)
    meter.counter("amounts").add(12)
    size, wait, total, amounts = telemetry.collect()
    assert size.value == Histogram(1, 1.5, [0, 1, 0], [1, 2], 1.5, 1.5)
    assert isinstance(wait.value, ExponentialHistogram)
    assert (total.value, total.kind, total.is_monotonic) == (1.5, MetricKind.SUM, True)
    assert amounts.value.bucket_counts == [0, 1]


def test_every_view_that_matches_makes_a_metric_of_its_own():
    telemetry, meter = made(
        View("wait", name="wait.by_route", keep=["route"]),
        View("wait", name="wait.all", keep=[], aggregation=ExponentialAggregation()),
    )
    histogram = meter.histogram("wait", "s")
    histogram.record(0.3, {"route": "/a"})
    histogram.record(0.3, {"route": "/b"})
    histogram.record(-1)
    found = [(p.name, p.attributes, p.value.count) for p in telemetry.collect()]
    assert found == [
        ("wait.by_route", {"route": "/a"}, 1),
        ("wait.by_route", {"route": "/b"}, 1),
        ("wait.all", {}, 2),
    ]


def test_views_that_make_two_metrics_of_one_name_are_applied_and_warned_of_once(caplog):
    telemetry, meter = made(View("x", aggregation=SumAggregation()), View(keep=["a"]))
    for _ in range(2):
        meter.counter("x").add(1, {"b": 1})
    meter.counter("y").add(1)
    assert [point.value for point in telemetry.collect()] == [2, 2, 1]
    assert len(caplog.records) == 1
    assert "'x'" in caplog.text


def test_a_view_that_tells_two_instruments_apart_needs_no_warning(caplog):
    telemetry, meter = made(View("x", kind="gauge", name="x.now"))
    meter.counter("x").add(1)
    meter.gauge("x").set(5)
    assert {p.name: p.value for p in telemetry.collect()} == {"x": 1, "x.now": 5}
    assert caplog.text == ""


def test_the_same_view_twice_makes_one_metric():
    telemetry, meter = made(View("x"), View("*"))
    meter.counter("x").add(1)
    assert len(telemetry.collect()) == 1


@pytest.mark.parametrize(
    ("make", "aggregation"),
    [
        (lambda meter: meter.counter("x").add(1), LastValueAggregation()),
        (lambda meter: meter.gauge("x").set(1), SumAggregation()),
        (lambda meter: meter.up_down_counter("x").add(1), HistogramAggregation()),
        (
            lambda meter: meter.observable_counter("x", lambda _: [api.Observation(1)]),
            HistogramAggregation(),
        ),
    ],
)
def test_a_view_that_cannot_be_applied_is_warned_of_and_ignored(
    caplog, make, aggregation
):
    telemetry, meter = made(View("x", aggregation=aggregation))
    make(meter)
    (point,) = telemetry.collect()
    assert point.value == 1
    assert "ignored" in caplog.text


def test_observed_sums_that_a_view_does_not_tell_apart_are_added_up():
    telemetry, meter = made(View(keep=["host"]))
    meter.observable_counter(
        "cpu",
        lambda _: [
            api.Observation(1, {"host": "a", "core": 0}),
            api.Observation(2, {"host": "a", "core": 1}),
            api.Observation(5, {"host": "a", "core": 1}),  # the last one counts
        ],
    )
    meter.observable_gauge(
        "heat", lambda _: [api.Observation(n, {"host": "a", "n": n}) for n in (7, 3)]
    )
    assert [point.value for point in telemetry.collect()] == [6, 3]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "couter"}, "did you mean 'counter'"),
        ({"name": "x"}, "pattern"),
        ({"keep": "route"}, "keys"),
        ({"leave_out": [1]}, "keys"),
        ({"keep": 1}, "keys"),
        ({"instrument": None}, "View.instrument is None"),
        ({"instrument": "x", "name": "1st"}, "View.name is '1st'; expected a letter"),
        ({"limit": 0}, "limit"),
        ({"aggregation": "drop"}, "DropAggregation"),
    ],
)
def test_a_view_that_means_nothing_is_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        View(**settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"views": ["x"]},
        {"views": View("x")},
        {"views": "x"},
        {"exponential_histograms": "yes"},
        {"log_limits": {"attributes": 1}},
        {"resource": ["team"]},
        {"temporality": "deltas"},
        {"exemplars": "on"},
        {"series_limit": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=f"Telemetry.{next(iter(wrong))} "):
        Telemetry("shop", **wrong)


def test_the_environment_chooses_where_code_does_not(monkeypatch):
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "Base2_Exponential_Bucket_Histogram",
    )
    telemetry, meter = made()
    meter.histogram("h", buckets=[1]).record(1)
    assert isinstance(telemetry.collect()[0].value, ExponentialHistogram)
    telemetry, meter = made(exponential_histograms=False)
    meter.histogram("h", buckets=[1]).record(1)
    assert telemetry.collect()[0].value.bucket_counts == [1, 0]


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_METRICS_EXEMPLAR_FILTER",
    ],
)
def test_a_word_that_the_environment_has_wrong_is_named_and_ignored(caplog, name):
    assert wishes_of(environ={name: "sometimes"}) == wishes_of(environ={name: " "})
    assert name in caplog.text
    assert "sometimes" in caplog.text
    assert len(caplog.records) == 1
