from __future__ import annotations

from collections import Counter

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sluiceway.formats.otlp_protobuf import encode_metrics
from sluiceway.formats.prometheus_text import exposition
from sluiceway.instrument import ExponentialAggregation, Telemetry, View
from sluiceway.samplers import ProbabilitySampler
from sluiceway.testing import ManualClock

BEGIN = 1_700_000_000_000_000_000


@pytest.fixture
def clock():
    return ManualClock(time_ns=BEGIN)


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def meter(telemetry):
    return telemetry.meter("m")


@pytest.fixture
def tracer(telemetry):
    return telemetry.tracer("t")


def ids_of(span):
    return span.identity[:2]


def exemplars(telemetry):
    return [found for point in telemetry.collect() for found in point.exemplars]


def test_a_measurement_in_a_sampled_span_leads_to_its_trace(
    telemetry, meter, tracer, clock
):
    counter = meter.counter("c")
    with tracer.span("request") as span:
        clock.move(1)
        counter.add(3, {"a": 1})
    clock.move(1)
    (found,) = exemplars(telemetry)
    assert (found.trace_id, found.span_id) == ids_of(span)
    assert (found.value, found.time_unix_nano) == (3, BEGIN + 1_000_000_000)
    assert found.filtered_attributes == {}


@pytest.mark.parametrize(
    "measure",
    [
        lambda meter: meter.counter("x").add(1),
        lambda meter: meter.counter("x").bind({"a": 1}).add(1),
        lambda meter: meter.up_down_counter("x").add(-1),
        lambda meter: meter.gauge("x").set(1),
        lambda meter: meter.up_down_counter("x").bind({"a": 1}).add(-1),
        lambda meter: meter.gauge("x").bind({"a": 1}).set(1),
        lambda meter: meter.histogram("x").record(1),
        lambda meter: meter.histogram("x").bind({"a": 1}).record(1),
        lambda meter: meter.counter("x").add(1, {"a": [1]}),
    ],
)
def test_every_instrument_takes_exemplars_the_first_time_and_later(
    telemetry, meter, tracer, measure
):
    for _ in range(3):
        with tracer.span("request") as span:
            measure(meter)
        (point,) = telemetry.collect()
        assert [e.span_id for e in point.exemplars] == [ids_of(span)[1]]


def test_no_span_and_no_sampled_span_means_no_exemplar(clock):
    telemetry = Telemetry("shop", sampler=ProbabilitySampler(1e-12), clock=clock)
    counter = telemetry.meter("m").counter("c")
    for _ in range(2):
        counter.add(1)
        with telemetry.tracer("t").span("request"):
            counter.add(1)
        with trace.use_span(trace.INVALID_SPAN):
            counter.add(1)
    assert exemplars(telemetry) == []


def test_a_span_that_only_carries_a_sampled_trace_on_is_good_enough(telemetry, meter):
    identity = SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(identity)):
        meter.counter("c").add(1)
    (found,) = exemplars(telemetry)
    assert (found.trace_id, found.span_id) == (
        (5).to_bytes(16, "big"),
        (6).to_bytes(8, "big"),
    )


def test_a_context_that_is_given_wins(telemetry, meter, tracer):
    counter = meter.counter("c")
    counter.add(0)
    span = tracer.start_span("elsewhere")
    counter.add(1, context=trace.set_span_in_context(span, Context()))
    with tracer.span("here"):
        counter.add(1, {"a": 1}, Context())
        counter.add(1, {"a": 1}, Context({"unrelated": 1}))
    (found,) = exemplars(telemetry)
    assert found.span_id == ids_of(span)[1]
    span.end()


def test_always_off_takes_none_and_always_on_takes_all_it_has_room_for(clock):
    off = Telemetry("shop", exemplars="always_off", clock=clock)
    on = Telemetry("shop", exemplars="always_on", clock=clock)
    for telemetry in (off, on):
        with telemetry.tracer("t").span("request"):
            telemetry.meter("m").histogram("h", buckets=[1, 2]).record(1)
        telemetry.meter("m").histogram("h").record(1.5)
        telemetry.meter("m").counter("c").add(4, {"a": 1})
    assert exemplars(off) == []
    found = exemplars(on)
    assert [e.value for e in found] == [1, 1.5, 4]
    assert [bool(e.trace_id) for e in found] == [True, False, False]


def test_the_environment_chooses_the_filter(monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXEMPLAR_FILTER", "Always_On")
    telemetry = Telemetry("shop")
    telemetry.meter("m").counter("c").add(1)
    assert len(exemplars(telemetry)) == 1


def test_a_histogram_keeps_one_for_each_bucket(telemetry, meter, tracer):
    histogram = meter.histogram("h", buckets=[1, 2])
    with tracer.span("request"):
        for amount in (0.5, 0.6, 1.5, 3, 4, 5):
            histogram.record(amount)
    (point,) = telemetry.collect()
    low, middle, high = sorted(e.value for e in point.exemplars)
    assert low in {0.5, 0.6}
    assert middle == 1.5
    assert high in {3, 4, 5}


def test_an_exponential_histogram_keeps_twenty_at_most(tracer, clock):
    view = View(aggregation=ExponentialAggregation())
    telemetry = Telemetry("shop", views=[view], clock=clock)
    with telemetry.tracer("t").span("request"):
        for amount in range(100):
            telemetry.meter("m").histogram("h").record(amount)
    assert len({e.value for e in exemplars(telemetry)}) == 20


def test_each_measurement_has_the_same_chance(tracer, clock):
    telemetry = Telemetry("shop", temporality="delta", clock=clock)
    counter = telemetry.meter("m").counter("c")
    chosen = Counter()
    with telemetry.tracer("t").span("request"):
        for _ in range(1000):
            for amount in range(5):
                counter.add(amount)
            chosen[exemplars(telemetry)[0].value] += 1
    assert len(chosen) == 5
    assert all(100 < count < 300 for count in chosen.values())  # 200 +- 8 sigma


def test_each_measurement_of_a_bucket_has_the_same_chance(clock):
    telemetry = Telemetry("shop", temporality="delta", clock=clock)
    histogram = telemetry.meter("m").histogram("h", buckets=[10])
    bound = histogram.bind()
    chosen = Counter()
    with telemetry.tracer("t").span("request"):
        for _ in range(1000):
            for amount in range(5):
                histogram.record(amount)
                bound.record(amount + 20)
            chosen.update(found.value for found in exemplars(telemetry))
    assert len(chosen) == 10
    assert all(100 < count < 300 for count in chosen.values())  # 200 +- 8 sigma


def test_an_exemplars_number_is_one_that_the_protocol_can_say(clock):
    telemetry = Telemetry("shop", exemplars="always_on", clock=clock)
    telemetry.meter("m").counter("c").add(2**70)
    assert exemplars(telemetry)[0].value == 2.0**70
    assert encode_metrics(telemetry.collect())


def test_an_exemplar_stays_until_a_later_interval_has_another(telemetry, meter, tracer):
    counter = meter.counter("c")
    with tracer.span("request"):
        counter.add(1)
        counter.add(2)
    (kept,) = exemplars(telemetry)
    assert exemplars(telemetry) == [kept]
    with tracer.span("request"):
        counter.add(5)
    assert [e.value for e in exemplars(telemetry)] == [5]


def test_a_delta_has_only_exemplars_of_its_interval(clock):
    telemetry = Telemetry("shop", temporality="delta", clock=clock)
    counter = telemetry.meter("m").counter("c")
    with telemetry.tracer("t").span("request"):
        counter.add(1)
    assert len(exemplars(telemetry)) == 1
    counter.add(1)
    (point,) = telemetry.collect()
    assert (point.value, point.exemplars) == (1, [])


def test_what_the_series_does_not_tell_is_told_by_the_exemplar(clock, caplog):
    view = View(keep=["route"], limit=1)
    telemetry = Telemetry("shop", views=[view], clock=clock)
    counter = telemetry.meter("m").counter("c")
    with telemetry.tracer("t").span("request"):
        counter.add(1, {"route": "/a", "user": 7})
        counter.add(1, {"route": "/b", "user": 8})
    known, overflow = exemplars(telemetry)
    assert known.filtered_attributes == {"user": 7}
    assert overflow.filtered_attributes == {"route": "/b", "user": 8}
    known.filtered_attributes.clear()
    assert exemplars(telemetry)[0].filtered_attributes == {"user": 7}


def test_exemplars_reach_otlp(telemetry, meter, tracer):
    with tracer.span("request") as span:
        meter.counter("c").add(2)
        meter.histogram("h", buckets=[1]).record(0.5)
    request = ExportMetricsServiceRequest.FromString(
        encode_metrics(telemetry.collect())
    )
    sums, histogram = request.resource_metrics[0].scope_metrics[0].metrics
    for point in (sums.sum.data_points[0], histogram.histogram.data_points[0]):
        (found,) = point.exemplars
        assert (found.trace_id, found.span_id) == ids_of(span)
    assert sums.sum.data_points[0].exemplars[0].as_int == 2


def test_exemplars_reach_openmetrics(telemetry, meter, tracer):
    with tracer.span("request") as span:
        meter.counter("c").add(2)
        meter.histogram("h", buckets=[1]).record(0.5)
    page = exposition(telemetry.collect(), openmetrics=True)
    families = {f.name: f for f in text_string_to_metric_families(page.body.decode())}
    wanted = [part.hex() for part in ids_of(span)]
    for name, sample in (("c", "c_total"), ("h", "h_bucket")):
        found = [s.exemplar for s in families[name].samples if s.name == sample]
        labels = [e.labels for e in found if e is not None]
        assert [(e["trace_id"], e["span_id"]) for e in labels] == [tuple(wanted)]
