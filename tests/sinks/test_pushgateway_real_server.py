"""PushgatewaySink against Debian's real pushgateway."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack

import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers.contexts import opened
from servers.processes import pushgateway

from sluiceway.errors import PartialError, PermanentError
from sluiceway.events import Histogram, MetricKind, MetricPoint, Resource, Temporality
from sluiceway.sinks.pushgateway import PushgatewaySink

pytestmark = pytest.mark.servers

OWN = ("go_", "process_", "pushgateway_", "push_", "promhttp_")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with pushgateway(tmp_path_factory.mktemp("pushgateway")) as server:
        yield server


def shown(server, **labels):
    """The samples that the gateway shows and that have these labels."""
    return {
        sample.name: sample
        for family in text_string_to_metric_families(server.get("/metrics"))
        for sample in family.samples
        if not sample.name.startswith(OWN) and labels.items() <= sample.labels.items()
    }


def push(sink, *writes, resource=None):
    async def scenario():
        async with opened(sink, resource):
            for events in writes:
                await sink.write(list(events))

    asyncio.run(scenario())


def gauge(name, value, **more):
    return MetricPoint(name=name, value=value, description="A gauge.", **more)


def test_what_is_pushed_shows_on_the_gateways_page(gateway):
    histogram = MetricPoint(
        name="wait",
        unit="s",
        kind=MetricKind.HISTOGRAM,
        value=Histogram(3, 1.5, [1, 2], [0.5]),
        attributes={"route": '/"a"\n'},
    )
    counter = MetricPoint(
        name="orders", kind=MetricKind.SUM, is_monotonic=True, value=7
    )
    sink = PushgatewaySink(gateway.url, job="shows", grouping={"env": "test"})
    push(sink, [histogram, counter, gauge("fill", 0.5)])
    samples = shown(gateway, job="shows", env="test")
    assert samples["orders_total"].value == 7
    assert samples["fill"].value == 0.5
    assert samples["wait_seconds_count"].value == 3
    assert samples["wait_seconds_sum"].labels["route"] == '/"a"\n'
    assert sink.statistics().pushes == 1


def test_put_replaces_the_group_and_post_only_the_metrics_of_the_same_name(gateway):
    group = {"job": "replace", "grouping": {"x": "1"}}
    push(PushgatewaySink(gateway.url, **group), [gauge("old", 1), gauge("both", 1)])
    push(PushgatewaySink(gateway.url, **group, method="POST"), [gauge("both", 2)])
    assert {n: s.value for n, s in shown(gateway, job="replace").items()} == {
        "old": 1,
        "both": 2,
    }
    push(PushgatewaySink(gateway.url, **group), [gauge("both", 3)])
    assert {n: s.value for n, s in shown(gateway, job="replace").items()} == {"both": 3}


def test_each_write_pushes_the_latest_state_of_every_series(gateway):
    sink = PushgatewaySink(gateway.url, job="latest")
    push(sink, [gauge("a", 1), gauge("b", 1)], [gauge("a", 2)])
    values = {name: s.value for name, s in shown(gateway, job="latest").items()}
    assert values == {"a": 2, "b": 1}
    assert sink.statistics().superseded == 0


def test_deltas_arrive_as_their_sum(gateway):
    deltas = [
        MetricPoint(
            name="d",
            kind=MetricKind.SUM,
            is_monotonic=True,
            value=5,
            temporality=Temporality.DELTA,
            start_time_unix_nano=at,
            time_unix_nano=at + 1,
        )
        for at in (1, 2, 3)
    ]
    push(PushgatewaySink(gateway.url, job="deltas"), deltas[:1], deltas[1:])
    assert shown(gateway, job="deltas")["d_total"].value == 15


def test_awkward_grouping_values_are_the_groups_labels(gateway):
    labels = {"path": "/var/tmp", "empty": "", "greek": "Προμηθεύς", "dots": ".."}
    push(
        PushgatewaySink(gateway.url, job="a/b c", grouping=labels),
        [gauge("awkward", 1, attributes={"path": "mine"})],
    )
    sample = shown(gateway)["awkward"]
    expected = {name: text for name, text in labels.items() if text}
    assert expected.items() <= sample.labels.items()
    assert sample.labels["job"] == "a/b c"
    assert sample.labels["exported_path"] == "mine"


def test_each_resource_has_a_group_of_its_own(gateway):
    shop = Resource({"service.name": "own-shop", "service.instance.id": "1"})
    bank = Resource({"service.name": "own-bank"})
    push(
        PushgatewaySink(gateway.url),
        [gauge("own", 1, resource=shop), gauge("own", 2, resource=bank)],
    )
    assert shown(gateway, job="own-shop", instance="1")["own"].value == 1
    sample = shown(gateway, job="own-bank")["own"]
    assert (sample.value, ":" in sample.labels["instance"]) == (2, True)
    assert "target_info" in shown(gateway, job="own-shop")


def test_resources_in_one_group_are_told_apart_by_labels_that_it_leaves_alone(gateway):
    def of(instance, value):
        known = {"service.name": "shop", "service.instance.id": instance}
        labels = {"job": "mine"}
        return gauge("shared", value, resource=Resource(known), attributes=labels)

    sink = PushgatewaySink(gateway.url, job="fixed", grouping={"instance": "all"})
    push(sink, [of("a", 1), of("b", 2)])
    found = {
        sample.labels["exported_instance"]: (sample.value, sample.labels)
        for family in text_string_to_metric_families(gateway.get("/metrics"))
        for sample in family.samples
        if sample.name == "shared"
    }
    assert {instance: value for instance, (value, _) in found.items()} == {
        "a": 1,
        "b": 2,
    }
    assert found["a"][1] == {
        "job": "fixed",
        "instance": "all",
        "exported_job": "shop",
        "exported_instance": "a",
        "exported_exported_job": "mine",
    }


def test_the_pipelines_resource_names_the_job(gateway):
    resource = Resource({"service.name": "pipeline", "service.instance.id": "7"})
    push(PushgatewaySink(gateway.url), [gauge("piped", 1)], resource=resource)
    assert shown(gateway, job="pipeline", instance="7")["piped"].value == 1


def test_a_refused_group_is_a_permanent_error_with_the_gateways_words(gateway):
    push(PushgatewaySink(gateway.url, job="kind-a"), [gauge("kind", 1)])
    other = MetricPoint(
        name="kind", kind=MetricKind.HISTOGRAM, value=Histogram(1, 1.0, [1], [])
    )
    with pytest.raises(PermanentError) as caught:
        push(PushgatewaySink(gateway.url, job="kind-b"), [other])
    assert caught.value.reason == "http_400"
    assert "kind" in str(caught.value)
    assert "answered 400: pushed metrics are invalid" in str(caught.value)


def test_a_family_that_the_gateway_refuses_stays_behind_alone(gateway):
    other = {"kind": MetricKind.HISTOGRAM, "value": Histogram(1, 1.0, [1])}
    bad = [MetricPoint(name=name, **other) for name in ("go.goroutines", "go.threads")]

    async def scenario():
        async with opened(PushgatewaySink(gateway.url, job="alone")) as sink:
            with pytest.raises(PartialError) as first:
                await sink.write([bad[0], gauge("one", 1), bad[1], gauge("two", 2)])
            await sink.write([gauge("two", 3)])
            with pytest.raises(PermanentError) as second:
                await sink.write([bad[0]])
            return first.value.failed, second.value, sink.statistics()

    failed, again, statistics = asyncio.run(scenario())
    assert {at: error.reason for at, error in failed.items()} == {
        0: "http_400",
        2: "http_400",
    }
    assert "go_goroutines has type HISTOGRAM but should have GAUGE" in str(failed[0])
    assert "go_threads has type" in str(failed[2])
    assert again.reason == "http_400"
    found = shown(gateway, job="alone")
    assert {name: sample.value for name, sample in found.items()} == {
        "one": 1,
        "two": 3,
    }
    assert [*statistics.series.values()] == [2]


def test_a_point_that_cannot_be_exported_is_rejected_alone(gateway):
    bad = MetricPoint(name="neg", kind=MetricKind.SUM, is_monotonic=True, value=-1)
    with pytest.raises(PartialError) as caught:
        push(PushgatewaySink(gateway.url, job="alone"), [bad, gauge("fine", 1), "text"])
    assert {i: e.reason for i, e in caught.value.failed.items()} == {
        0: "not_exportable",
        2: "not_a_metric",
    }
    assert list(shown(gateway, job="alone")) == ["fine"]


def test_groups_are_deleted_at_close_only_if_that_is_asked_for(gateway):
    push(PushgatewaySink(gateway.url, job="stays"), [gauge("stays", 1)])
    sink = PushgatewaySink(gateway.url, job="goes", delete_on_close=True)
    push(sink, [gauge("goes", 1)])
    assert list(shown(gateway, job="stays")) == ["stays"]
    assert shown(gateway, job="goes") == {}
    assert sink.statistics().series == {}


def test_a_push_of_more_than_a_mebibyte_arrives_whole(gateway):
    points = [
        gauge("many", i, attributes={"i": i, "pad": "x" * 2500}) for i in range(500)
    ]
    push(PushgatewaySink(gateway.url, job="many"), points)
    groups = json.loads(gateway.get("/api/v1/metrics"))["data"]
    (group,) = (g for g in groups if g["labels"]["job"] == "many")
    values = {m["labels"]["i"]: m["value"] for m in group["many"]["metrics"]}
    assert values == {str(i): str(i) for i in range(500)}


def test_groups_outlive_a_restart_and_the_sink_goes_on_after_it(tmp_path):
    async def scenario():
        with ExitStack() as stack:
            server = stack.enter_context(pushgateway(tmp_path))
            async with opened(PushgatewaySink(server.url, job="restart")) as sink:
                await sink.write([gauge("first", 1)])
                stack.close()
                again = stack.enter_context(pushgateway(tmp_path, port=server.port))
                kept = set(shown(again, job="restart"))
                await sink.write([gauge("second", 2)])
                return kept, set(shown(again, job="restart"))

    kept, both = asyncio.run(scenario())
    assert kept == {"first"}
    assert both == {"first", "second"}
