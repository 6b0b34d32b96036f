from __future__ import annotations

import asyncio
import threading

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Summary,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Timestamp
from waiting import until

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError
from sluiceway.events import Histogram as HistogramValue
from sluiceway.events import MetricKind, Resource
from sluiceway.events import Summary as SummaryValue
from sluiceway.formats.prometheus_text import exposition
from sluiceway.sources import RegistrySource
from sluiceway.testing import CollectingSink, ManualClock, check_source

BEGIN = 1_700_000_000_000_000_000


@pytest.fixture
def registry():
    return CollectorRegistry()


class Families:
    """A collector of given families."""

    def __init__(self, *families):
        self.families = families

    def collect(self):
        yield from self.families


def thread_names():
    return [thread.name for thread in threading.enumerate()]


def read(registry, **settings):
    """What one look at the registry sends."""
    source = RegistrySource(registry, **settings)
    sink = CollectingSink()

    async def main():
        async with Pipeline(
            source >> sink, clock=ManualClock(time_ns=BEGIN)
        ) as running:
            await running.flush()
            found = [*sink.events]
        ledger = running.ledger()
        assert ledger.balanced
        assert ledger.lost == 0
        return found

    return asyncio.run(main())


def test_a_counter_is_a_sum_that_only_grows_since_it_was_created(registry):
    counter = Counter("http_requests_total", "Served.", ["code"], registry=registry)
    counter.labels("200").inc(3)
    counter.labels("").inc()
    first, second = read(registry)
    assert (first.name, first.description) == ("http_requests", "Served.")
    assert (first.kind, first.is_monotonic, first.value) == (MetricKind.SUM, True, 3)
    assert (first.attributes, second.attributes) == ({"code": "200"}, {})
    assert first.time_unix_nano == BEGIN
    assert first.start_time_unix_nano > BEGIN  # of the wall clock
    assert first.metadata == {"prometheus.type": "counter"}
    assert first.scope.name == "prometheus_client"


def test_gauges_and_metrics_of_no_known_type_are_gauges(registry):
    Gauge("temperature_celsius", "x", unit="celsius", registry=registry).set(-4.5)
    registry.register(Families(UnknownMetricFamily("what", "x", 7)))
    first, second = read(registry)
    assert (first.kind, first.value, first.unit) == (MetricKind.GAUGE, -4.5, "Cel")
    assert (second.kind, second.value, second.unit) == (MetricKind.GAUGE, 7, "")


def test_a_histograms_buckets_are_counted_each_for_itself(registry):
    histogram = Histogram("wait", "x", ["a"], buckets=[1, 2, 5], registry=registry)
    for amount in (0.5, 1, 1.5, 9, 9, 9):
        histogram.labels("b").observe(amount)
    (point,) = read(registry)
    assert point.value == HistogramValue(6, 30.0, [2, 1, 0, 3], [1, 2, 5])
    assert point.attributes == {"a": "b"}
    assert point.start_time_unix_nano > 0


def test_an_exemplar_has_its_traces_ids_and_its_other_labels(registry):
    counter = Counter("c", "x", registry=registry)
    ids = {"trace_id": "0" * 31 + "1", "span_id": "f" * 16}
    counter.inc(2, exemplar={**ids, "user": "7"})
    histogram = Histogram("h", "x", buckets=[1], registry=registry)
    histogram.observe(0.5, exemplar={"trace_id": "no id"})
    counted, measured = read(registry)
    (exemplar,) = counted.exemplars
    assert exemplar.trace_id == bytes(15) + b"\x01"
    assert exemplar.span_id == b"\xff" * 8
    assert exemplar.filtered_attributes == {"user": "7"}
    assert exemplar.value == 2
    assert exemplar.time_unix_nano > 0
    (odd,) = measured.exemplars
    assert odd.filtered_attributes == {"trace_id": "no id"}
    assert odd.trace_id == b""


def test_summaries_infos_and_states_keep_what_they_say(registry):
    Summary("s", "x", registry=registry).observe(4)
    Info("build", "x", registry=registry).info({"version": "1.2"})
    Enum("state", "x", states=["up", "down"], registry=registry).state("down")
    quantiles = SummaryMetricFamily("q", "x")
    quantiles.add_metric([], 3, 6)
    quantiles.add_sample("q", {"quantile": "0.9"}, 3)
    quantiles.add_sample("q", {"quantile": "0.5"}, 2)
    registry.register(Families(quantiles))
    summary, info, up, down, computed = read(registry)
    assert summary.value == SummaryValue(1, 4, [])
    assert (info.name, info.value) == ("build_info", 1)
    assert (info.attributes, info.is_monotonic) == ({"version": "1.2"}, False)
    assert (up.attributes, up.value) == ({"state": "up"}, 0)
    assert (down.attributes, down.value) == ({"state": "down"}, 1)
    assert computed.value == SummaryValue(3, 6, [(0.5, 2), (0.9, 3)])


def test_a_time_stamp_of_a_sample_is_the_points(registry):
    family = GaugeMetricFamily("g", "x")
    family.add_metric([], 1, timestamp=12.5)
    other = GaugeMetricFamily("h", "x")
    other.add_metric([], 1, timestamp=Timestamp(1, 2))
    registry.register(Families(family, other))
    assert [p.time_unix_nano for p in read(registry)] == [12_500_000_000, 1_000_000_002]


def test_buckets_that_a_race_made_fall_are_levelled(registry):
    family = HistogramMetricFamily("h", "x")
    family.add_metric([], [("1", 3), ("2", 2), ("+Inf", 4)], 5)
    no_end = HistogramMetricFamily("i", "x")
    no_end.add_sample("i_bucket", {"le": "1"}, 3)
    no_end.add_sample("i_count", {}, 5)
    registry.register(Families(family, no_end))
    first, second = read(registry)
    assert first.value.bucket_counts == [3, 0, 1]
    assert (first.value.count, second.value.count) == (4, 5)
    assert second.value == HistogramValue(5, None, [3, 2], [1])


def test_what_has_no_kind_is_left_out(registry):
    gauges = GaugeHistogramMetricFamily("g", "x")
    gauges.add_metric([], [("1", 3), ("+Inf", 4)], 5)
    registry.register(Families(gauges, HistogramMetricFamily("empty", "x")))
    Counter("labelled", "x", ["a"], registry=registry)  # no child yet
    assert read(registry) == []


@pytest.mark.parametrize(
    "error", [RuntimeError, asyncio.CancelledError, SystemExit, GeneratorExit]
)
def test_a_collector_that_fails_costs_only_its_own_metrics_and_is_told_once(
    registry, error, caplog
):
    class Broken:
        def collect(self):
            yield CounterMetricFamily("good", "x", 1)
            raise error("no connection")

        def describe(self):
            return []

    Counter("before", "x", registry=registry).inc()
    registry.register(Broken())
    Counter("after", "x", registry=registry).inc()
    assert [p.name for p in read(registry)] == ["before", "good", "after"]
    assert len(caplog.records) == 1
    assert "no connection" in caplog.text


def test_each_of_two_failing_gauges_is_told_once_and_again_when_it_has_recovered(
    registry, caplog
):
    broken = {"a", "b"}

    def tell(name):
        if name in broken:
            raise RuntimeError(f"no value of {name}")
        return 1

    for name in ("a", "b"):
        Gauge(name, "x", registry=registry).set_function(lambda name=name: tell(name))
    Gauge("good", "x", registry=registry).set(1)

    async def main():
        async with Pipeline(RegistrySource(registry) >> CollectingSink()) as pipeline:
            await pipeline.flush()
            await pipeline.flush()
            broken.remove("a")
            await pipeline.flush()
            broken.add("a")
            await pipeline.flush()

    asyncio.run(main())
    assert [str(record.exc_info[1]) for record in caplog.records] == [
        "no value of a",
        "no value of b",
        "no value of a",
    ]
    assert caplog.records[0].getMessage() == "the collector Gauge a failed"


def test_a_collector_that_hangs_is_left_out_until_it_returns(registry, caplog):
    released, calls = threading.Event(), []

    class Hanging:
        def collect(self):
            calls.append(1)
            released.wait(20)
            return [GaugeMetricFamily("late", "x", 1)]

        def describe(self):
            return []

    Gauge("before", "x", registry=registry).set(1)
    registry.register(Hanging())
    Gauge("after", "x", registry=registry).set(1)
    sink = CollectingSink()

    async def main():
        async with Pipeline(RegistrySource(registry, 1) >> sink) as pipeline:
            await pipeline.flush()
            await pipeline.flush()
            seen = [point.name for point in sink.events]
            asked = len(calls)
            released.set()
            await until(lambda: "sluiceway-registry" not in thread_names())
            await pipeline.flush()
        return seen, asked

    seen, asked = asyncio.run(main())
    assert asked == 1
    assert set(seen) == {"before", "after"}
    assert "late" in {point.name for point in sink.events}
    assert len(caplog.records) == 1
    assert "Hanging" in caplog.text


def test_a_collector_that_hangs_keeps_no_pipeline_from_closing(registry):
    released = threading.Event()

    class Hanging:
        def collect(self):
            released.wait(20)
            return []

        def describe(self):
            return []

    registry.register(Hanging())
    Gauge("g", "x", registry=registry).set(1)
    sink = CollectingSink()

    async def main():
        async with Pipeline(
            RegistrySource(registry) >> sink, drain_timeout=1
        ) as pipeline:
            pass
        return pipeline.ledger()

    ledger = asyncio.run(main())
    released.set()
    assert [point.name for point in sink.events] == ["g"]
    assert ledger.lost == 0


def test_a_registry_that_is_locked_or_fails_costs_its_target_only(registry, caplog):
    class Odd(CollectorRegistry):
        def get_target_info(self):
            raise RuntimeError("no target")

    odd = Odd()
    Gauge("g", "x", registry=odd).set(1)
    Gauge("g", "x", registry=registry).set(1)
    assert [point.name for point in read(odd)] == ["g"]
    assert len(caplog.records) == 1
    with registry._lock:  # as while a slow collector is being registered
        assert [point.name for point in read(registry, interval=0.4)] == ["g"]
    assert "target" in caplog.records[-1].getMessage()


def test_the_target_and_the_given_resource_are_the_resource():
    registry = CollectorRegistry(target_info={"service_name": "x", "zone": "b"})
    Gauge("g", "x", registry=registry)
    resource = Resource({"service_name": "shop"}, "https://example.com/schema")
    (point,) = read(registry, resource=resource)
    assert point.resource.attributes == {"service_name": "shop", "zone": "b"}
    assert point.resource.schema_url == resource.schema_url


def test_the_pipelines_page_shows_the_same_samples_as_the_registrys(registry):
    Counter("c", "A counter.", ["a", "b"], registry=registry).labels("1", "2").inc(3)
    Gauge("g", "A gauge.", registry=registry).set(1.5)
    histogram = Histogram("h_seconds", "A histogram.", ["a"], registry=registry)
    for amount in (0.001, 0.3, 7, 11):
        histogram.labels("x").observe(amount)
    Summary("s", "A summary.", registry=registry).observe(4)
    Info("i", "An info.", registry=registry).info({"version": "1"})

    def samples(page):
        return {
            (sample.name, *sorted(sample.labels.items()), sample.value)
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    ours = exposition(read(registry)).body.decode()
    assert samples(ours) == samples(generate_latest(registry).decode())


def test_it_looks_at_the_interval_and_a_last_time_at_the_stop(registry):
    counter = Counter("c", "x", registry=registry)
    clock, sink = ManualClock(), CollectingSink()

    async def main():
        source = RegistrySource(registry, interval=10)
        async with Pipeline(source >> sink, clock=clock) as pipeline:
            counter.inc()
            await clock.advance(10)
            await pipeline.flush()
            seen = len(sink.events)
            counter.inc()
        return seen, pipeline.ledger()

    seen, ledger = asyncio.run(main())
    assert seen >= 2
    assert sink.events[-1].value == 2
    assert ledger.lost == 0


def test_a_collector_that_waits_does_not_make_the_loop_wait(registry):
    went_on = threading.Event()

    class Slow:
        def collect(self):
            assert went_on.wait(20)
            return [GaugeMetricFamily("g", "x", 1)]

        def describe(self):
            return []

    registry.register(Slow())
    sink = CollectingSink()

    async def main():
        async with Pipeline(RegistrySource(registry) >> sink) as pipeline:
            flushing = asyncio.create_task(pipeline.flush())
            await asyncio.sleep(0)
            went_on.set()
            await flushing

    asyncio.run(main())
    assert [p.name for p in sink.events] == ["g", "g"]


def test_it_does_what_the_engine_relies_on(registry):
    Counter("c", "x", registry=registry).inc()
    check_source(lambda: RegistrySource(registry))


def test_the_default_registry_is_the_librarys():
    assert "python_info" in {p.name for p in read(None)}


@pytest.mark.parametrize("interval", [0, -1, float("inf"), "60", True])
def test_an_interval_that_means_nothing_is_refused(registry, interval):
    with pytest.raises(ConfigurationError, match="interval"):
        RegistrySource(registry, interval)


def test_what_is_no_registry_is_refused():
    with pytest.raises(ConfigurationError, match="registry"):
        RegistrySource("default")
