"""FlextMetricsService: what is recorded can be asked for, and is exported once."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import warnings
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from flext_observability import (
    FlextBackend,
    FlextMetric,
    FlextMetricsService,
    FlextObservabilityConfig,
    flext_create_metric,
)
from flext_observability.instruments import Instruments
from sluiceway import PermanentError
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PrometheusSink
from sluiceway.testing import FailingSink


@pytest.fixture
def service(backend):
    return FlextMetricsService(backend)


def run(coroutine):
    return asyncio.run(coroutine)


def total(service, name, **more):
    return run(service.aggregate(name, **more)).unwrap()


def test_a_metric_and_its_parts_are_recorded_alike(service):
    metric = flext_create_metric("shop.orders", 2.0).unwrap()
    assert run(service.record_metric(metric)).unwrap() is metric
    recorded = run(service.record_metric("shop.orders", 3.0, "count")).unwrap()
    assert (recorded.name, recorded.value, recorded.unit) == (
        "shop.orders",
        3.0,
        "count",
    )
    assert total(service, "shop.orders") == 5.0


@pytest.mark.parametrize(
    "besides",
    [
        {"value": 0},
        {"unit": "s"},
        {"tags": {}},
        {"name": "b"},
        {"metric_type": "gauge"},
    ],
    ids=str,
)
def test_what_a_metric_is_told_besides_is_refused_and_not_left_out(service, besides):
    metric = flext_create_metric("a", 1).unwrap()
    failure = run(service.record_metric(metric, **besides))
    assert failure.error.startswith(f"{next(iter(besides))} is ")
    assert service.backend.instruments.names() == []


def test_a_measurement_may_tell_when_it_was_made(service):
    moment = datetime(2026, 11, 28, tzinfo=UTC)
    recorded = run(service.record_metric("a", 1, timestamp=moment)).unwrap()
    assert recorded.timestamp == moment


def test_a_service_that_is_made_for_one_call_loses_nothing(backend):
    for _ in range(3):
        assert FlextMetricsService(backend).record("orders", 1).is_success
    assert total(FlextMetricsService(backend), "orders") == 3


def test_tags_tell_series_apart_and_questions_can_group_by_them(service):
    for region, pay, value in [("eu", "card", 1), ("eu", "cash", 2), ("us", "card", 4)]:
        tags = {"region": region, "pay": pay}
        assert run(service.record_metric("orders", value, tags=tags)).is_success
    assert total(service, "orders", tags={"region": "eu"}) == 3
    by_region = run(service.aggregate_by("orders", ["region"])).unwrap()
    assert by_region == {("eu",): 3.0, ("us",): 4.0}
    both = run(service.aggregate_by("orders", ["pay", "no"], "max")).unwrap()
    assert both == {("card", ""): 4.0, ("cash", ""): 2.0}


@pytest.mark.parametrize(
    ("aggregation", "found"),
    [("sum", 4), ("count", 3), ("avg", 4 / 3), ("min", -2), ("max", 5), ("last", 1)],
)
def test_a_question_has_six_forms(service, aggregation, found):
    for value in (5, -2, 1):
        service.record("level", value, "m")
    assert run(service.aggregate("level", aggregation)).unwrap() == found


def test_a_question_that_has_no_answer_says_why(service):
    service.record("orders", 1, tags={"region": "eu"})
    assert "did you mean 'orders'?" in run(service.aggregate("order")).error
    assert "expected one of sum" in run(service.aggregate("orders", "mean")).error
    nowhere = run(service.aggregate("orders", tags={"region": "moon"}))
    assert nowhere.error_code == "no_series"


@pytest.mark.parametrize("value", [-1, True, float("nan"), "1", None])
def test_what_is_refused_changes_nothing(service, value):
    service.record("orders", 1)
    assert run(service.record_metric("orders", value)).is_failure
    assert total(service, "orders") == 1


def test_a_decimal_is_recorded_as_the_number_that_it_is(service):
    assert service.record("price", Decimal("0.25"), "EUR").unwrap().value == Decimal(
        "0.25"
    )
    assert total(service, "price") == 0.25


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"unit": "ms"}, "has the metric_type 'counter'; got 'gauge'"),
        ({"unit": "ms", "metric_type": "counter"}, "has the unit 'count'; got 'ms'"),
        ({"metric_type": "histogram"}, "has the metric_type 'counter'"),
    ],
)
def test_a_name_means_one_metric_with_one_kind_and_unit(service, other, told):
    service.record("orders", 1)
    result = run(service.record_metric("orders", 1, **other))
    assert told in result.error
    assert result.error_code == "conflict"


@pytest.mark.parametrize("other", ["a_b", "a-b", "A.b", "a/b", "a..b"])
def test_two_names_that_would_be_exported_as_one_never_merge(service, other):
    assert service.record("a.b", 1).is_success
    result = service.record(other, 1)
    assert "under the name of 'a.b'" in result.error
    assert total(service, "a.b") == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"metric": "a"}, {"metric": "a_total"}),
        ({"metric": "a.total"}, {"metric": "a"}),
        ({"metric": "a", "metric_type": "gauge"}, {"metric": "a_total"}),
        ({"metric": "a"}, {"metric": "a_total", "metric_type": "gauge"}),
    ],
)
def test_a_counter_and_its_total_never_merge(service, first, second):
    assert service.record(value=1, **first).is_success
    result = service.record(value=1, **second)
    assert f"under the name of {first['metric']!r}" in result.error
    assert run(service.exposition()).is_success


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("memory", "By"), ("memory.total", "By")),
        (("reads", "count"), ("reads.total", "s")),
        (("jobs.total", "count"), ("jobs.total.count", "count")),
    ],
)
def test_what_is_exported_under_two_names_is_two_metrics(service, first, second):
    for name, unit in (first, second):
        assert service.record(name, 1, unit).is_success


WORDS = ("a", "total", "seconds", "bytes", "count", "bucket", "sum", "created", "info")
names = st.builds(
    "{}{}{}".format, st.just("a"), st.sampled_from("._"), st.sampled_from(WORDS)
)
made_metrics = st.builds(
    FlextMetric,
    names | st.sampled_from(["a", "A", "target", "target.info"]),
    st.just(1),
    st.sampled_from(["count", "s", "By", "1", "{x}", "bytes", "ms/s"]),
    metric_type=st.sampled_from(["counter", "gauge", "histogram"]),
)


@given(st.lists(made_metrics, max_size=12))
def test_whatever_metrics_are_taken_stand_on_one_page(metrics):
    telemetry = Telemetry("shop", temporality="cumulative")
    instruments = Instruments(telemetry.meter("here"), 100)
    taken = [each.name for each in metrics if instruments.record([each]).is_success]
    page = PrometheusSink(port=None)
    run(page.write(telemetry.collect()))
    assert instruments.names() == [*dict.fromkeys(taken)]
    families = text_string_to_metric_families(
        run(page.scrape(None, None)).body.decode()
    )
    found = [family.name for family in families if family.name != "target_info"]
    assert len(found) == len(set(found)) == len(instruments.names())


def test_two_names_that_are_one_with_their_units_never_merge(service):
    assert service.record("size", 1, "By").is_success
    assert service.record("wait", 1, "s", metric_type="histogram").is_success
    for name in ("size.bytes", "wait.seconds.count", "wait_seconds_bucket"):
        told = service.record(name, 1, "{item}", metric_type="gauge").error
        assert "which is there already" in told


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("flext.function.duration", "s"),
        ("flext.function.duration", "ms"),
        ("Flext_Function_Errors", "count"),
        ("health.check.results", "count"),
        ("target", "count"),
        ("target.info", "1"),
        ("sluiceway.stage.lost", "count"),
    ],
)
def test_what_the_backend_measures_itself_is_measured_by_nobody_else(
    service, name, unit
):
    failure = service.record(name, 1, unit)
    assert "which the backend measures itself" in failure.error
    assert failure.error_code == "conflict"
    assert service.backend.instruments.names() == []


def test_a_metric_that_cannot_be_shown_beside_another_hides_none_of_the_rest(
    service, caplog
):
    assert service.record("size", 1, "By").is_success
    assert service.record("load", 1, "1").is_success
    service.backend.telemetry.meter("other").counter("size", "By").add(1)
    page = run(service.exposition()).unwrap()
    assert "size_bytes 1.0" in page
    assert "load 1.0" in page
    assert "cannot be shown" in caplog.text


def test_a_collection_is_recorded_with_its_service_for_a_tag(service):
    config = {"orders": {"value": 2}, "load": {"value": 0.5, "unit": "1"}, "seen": {}}
    metrics = run(service.collect_metrics("shop", config)).unwrap()
    assert [(m.name, m.value, m.unit) for m in metrics] == [
        ("orders", 2, "count"),
        ("load", 0.5, "1"),
        ("seen", 0.0, "count"),
    ]
    assert {m.tags["service"] for m in metrics} == {"shop"}
    assert total(service, "orders", tags={"service": "shop"}) == 2


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"new": {"value": 1}, "bad": {"value": -1}}, "value is -1"),
        ({"new": {"value": 1}, "old": {"value": 1, "unit": "s"}}, "'old' has the"),
        ({"new": {"value": 1}, "n.ew": {}, "n_ew": {}}, "under the name of 'n.ew'"),
        ({"new": {"vale": 1}}, "did you mean 'value'?"),
        ({"new": {"tags": {"service": "bank"}}}, "tags['service'] is 'bank'; expected"),
        ({"new": 5}, "metrics_config['new'] is 5; expected a mapping"),
        ({3: {}}, "name is 3"),
        ({}, "metrics_config is {}"),
        (None, "metrics_config is None"),
    ],
)
def test_a_collection_is_recorded_whole_or_not_at_all(service, config, told):
    service.record("old", 1)
    assert told in run(service.collect_metrics("shop", config)).error
    assert run(service.aggregate("new")).error_code == "unknown_metric"
    assert total(service, "old") == 1
    assert run(service.record_metric("n_ew", 1)).is_success


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_collection_of_nobody_is_refused(service, name):
    assert "service_name is" in run(service.collect_metrics(name, {"a": {}})).error


def test_the_exposition_tells_all_series_as_prometheus_reads_them(service):
    service.record("shop.orders", 2, tags={"region": "eu"})
    service.record("load", 0.5, "1")
    service.record("took", 3, "s", metric_type="histogram")
    page = run(service.exposition()).unwrap()
    assert 'shop_orders_total{region="eu"} 2.0\n' in page
    assert "load 0.5\n" in page
    assert 'took_seconds_bucket{le="5.0"} 1.0\n' in page
    assert 'service_name="shop"' in page


def test_a_stopped_backend_says_so_and_runs_again_when_started(backend, service):
    assert service.record("orders", 1).is_success
    assert backend.stop().unwrap().drained
    assert backend.stop().is_success
    result = service.record("orders", 1)
    assert result.error_code == "not_running"
    assert "start() runs it again" in result.error
    assert backend.flush().is_failure
    assert backend.start().is_success
    assert service.record("orders", 1).is_success
    assert total(service, "orders") == 2


def test_eight_threads_of_eight_tasks_end_at_the_exact_sum(backend):
    async def task():
        for _ in range(100):
            await FlextMetricsService(backend).record_metric("hits", 1.0, "count")

    async def tasks():
        await asyncio.gather(*(task() for _ in range(8)))

    threads = [threading.Thread(target=asyncio.run, args=(tasks(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(FlextMetricsService(backend), "hits") == 8 * 8 * 100


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 9)), min_size=1))
def test_sums_stay_right_beyond_the_limit_of_series(measured):
    backend = FlextBackend(FlextObservabilityConfig(series_limit=2))
    for tag, value in measured:
        backend.instruments.record(
            [flext_create_metric("m", value, tags={"t": tag}).unwrap()]
        )
    groups = backend.instruments.grouped("m", {}, ["t"]).unwrap()
    assert sum(found.total for found in groups.values()) == sum(v for _, v in measured)
    assert len(groups) <= 3


def test_the_same_sums_arrive_where_a_further_sink_was_asked_for():
    from sluiceway.testing import CollectingSink

    sink = CollectingSink()
    backend = FlextBackend(FlextObservabilityConfig(), sinks={"metrics": [sink]})
    service = FlextMetricsService(backend)
    service.record("orders", 2)
    service.record("orders", 3)
    assert run(service.push()).is_success
    backend.stop()
    values = [point.value for point in sink.events if point.name == "orders"]
    assert values[-1] == 5


def test_a_sink_for_no_signal_is_refused():
    from flext_observability import FlextConfigurationError
    from sluiceway.testing import CollectingSink

    with pytest.raises(FlextConfigurationError, match="did you mean 'metrics'"):
        FlextBackend(sinks={"metric": [CollectingSink()]})
    with pytest.raises(FlextConfigurationError, match="expected a Sink"):
        FlextBackend(sinks={"metrics": ["x"]})


def measured_by_a_child(service):
    """What a forked child answers, which measured 1 more of "hits"."""
    page = run(service.exposition()).unwrap().splitlines()
    exported = [line for line in page if line.startswith("hits_total")]
    names = service.backend.instruments.names()
    of_the_parent = run(service.aggregate("load")).error_code
    return [total(service, "hits"), exported, names, of_the_parent]


def test_a_forked_child_is_asked_for_what_it_measured_itself(service):
    assert service.record("hits", 10).is_success
    assert service.record("load", 0.5, "1").is_success
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks
        child = os.fork()
    if child == 0:
        try:
            conflict = service.record("hits", 1, "s").error_code
            assert service.record("hits", 1).is_success
            told = [conflict, *measured_by_a_child(service)]
            os.write(writing, json.dumps(told).encode())
            service.backend.stop()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = json.load(answer)
    os.waitpid(child, 0)
    assert told == ["conflict", 1, ["hits_total 1.0"], ["hits"], "unknown_metric"]
    assert total(service, "hits") == 10


def test_an_empty_tag_and_none_are_one_series_as_for_prometheus(service):
    for tags in ({}, {"region": ""}, {"region": "eu"}):
        assert service.record("orders", 1, tags=tags).is_success
    page = run(service.exposition()).unwrap().splitlines()
    shown = [line for line in page if line.startswith("orders")]
    assert shown == ["orders_total 2.0", 'orders_total{region="eu"} 1.0']
    assert total(service, "orders", tags={"region": ""}) == 2
    by_region = run(service.aggregate_by("orders", ["region"])).unwrap()
    assert by_region == {("",): 2.0, ("eu",): 1.0}


def test_a_tag_that_utf_8_cannot_say_is_told_as_it_is_exported(service):
    for text in ("?", "\ud800"):
        assert service.record("orders", 1, tags={"a": text}).is_success
    assert total(service, "orders", tags={"a": "?"}) == 2
    assert 'orders_total{a="?"} 2.0' in run(service.exposition()).unwrap()


@pytest.mark.parametrize("other", ["user_id", "user-id", "user..id"])
def test_two_tags_that_would_be_one_label_never_merge(service, other):
    assert service.record("logins", 1, tags={"user.id": "1"}).is_success
    for tags in ({other: "1"}, {"user.id": "1", other: "2"}):
        failure = service.record("logins", 1, tags=tags)
        assert failure.error_code == "conflict"
        assert f"the tag {other!r} of the metric 'logins' would be" in failure.error
    assert service.record("others", 1, tags={other: "1"}).is_success
    assert service.record("both", 1, tags={"user.id": 1, other: 2}).is_failure
    assert service.record("both", 1, tags={other: 2}).is_success
    assert total(service, "logins") == 1


def test_a_push_that_an_endpoint_refuses_is_a_failure_that_names_both():
    refusing = FailingSink(PermanentError("no", reason="http_401"), name="gateway")
    config = FlextObservabilityConfig(service_name="shop")
    backend = FlextBackend(config, sinks={"metrics": [refusing]})
    try:
        service = FlextMetricsService(backend)
        service.record("orders", 1)
        for _ in range(2):
            failure = run(service.push())
            assert failure.error_code == "lost"
            assert "by gateway rejected{http_401}" in failure.error
    finally:
        backend.stop()


@pytest.mark.parametrize(("key", "value"), [("x", []), (5, "y"), (None, None)])
def test_tags_that_were_changed_for_what_is_none_are_refused_whole(service, key, value):
    metric = flext_create_metric("a", 1, tags={"b": "c"}).unwrap()
    metric.tags[key] = value
    assert run(service.record_metric(metric)).error_code == "validation"
    assert service.backend.telemetry.collect() == []


def test_the_last_of_several_series_is_the_one_that_was_measured_last(service):
    for region, value in (("eu", 1), ("us", 2), ("eu", 3)):
        assert service.record("load", value, "1", tags={"region": region}).is_success
    assert run(service.aggregate("load", "last")).unwrap() == 3
    by_region = run(service.aggregate_by("load", ["region"], "last")).unwrap()
    assert by_region == {("eu",): 3.0, ("us",): 2.0}
