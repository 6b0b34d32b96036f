"""PrometheusScrapeSource reads a real pushgateway's page and our own sink's."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers.contexts import opened
from servers.processes import pushgateway

from sluiceway import Pipeline
from sluiceway.events import MetricKind
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PrometheusSink, PushgatewaySink
from sluiceway.sources import PrometheusScrapeSource
from sluiceway.testing import CollectingSink

KINDS = {
    "counter": MetricKind.SUM,
    "gauge": MetricKind.GAUGE,
    "histogram": MetricKind.HISTOGRAM,
    "summary": MetricKind.SUMMARY,
}


async def scraped(*targets):
    """What one look brings."""
    source, sink = PrometheusScrapeSource(targets), CollectingSink()
    pipeline = Pipeline(source >> sink)
    async with pipeline:
        await pipeline.flush()
        found = [*sink.events]
    assert all(target.up for target in source.statistics().values())
    return found


def shop_points():
    telemetry = Telemetry("shop", resource={"service.instance.id": "1"})
    meter = telemetry.meter("shop")
    meter.counter("orders", "{order}", "Orders.").add(3, {"region": "eu"})
    meter.histogram("wait", "s", "Waits.", buckets=[0.1, 1]).record(0.5)
    meter.gauge("fill", "1", "How full.").set(0.25)
    return list(telemetry.collect())


@pytest.mark.servers
def test_every_metric_of_a_real_pushgateway_is_read(tmp_path):
    async def scenario(server):
        async with opened(PushgatewaySink(server.url, job="scraped")) as sink:
            await sink.write(shop_points())
        return await scraped(server.url)

    with pushgateway(tmp_path) as server:
        points = asyncio.run(scenario(server))
        families = list(text_string_to_metric_families(server.get("/metrics")))
    kinds = {point.name: point.kind for point in points}
    for family in families:
        name = family.name + ("_total" if family.type == "counter" else "")
        if name != "target_info":
            assert kinds[name] is KINDS[family.type], name
    values = {p.name: p for p in points}
    assert values["orders_total"].value == 3
    assert values["orders_total"].attributes["region"] == "eu"
    assert values["orders_total"].attributes["job"] == "scraped"
    assert values["wait_seconds"].value.bucket_counts == [0, 1, 0]
    assert values["fill"].value == 0.25
    assert values["up"].value == 1


def test_what_our_own_sink_serves_comes_back_and_can_be_served_again():
    async def scenario():
        async with (
            opened(PrometheusSink(port=0)) as first,
            opened(PrometheusSink(port=0)) as second,
        ):
            await first.write(shop_points())
            points = await scraped(f"http://127.0.0.1:{first.port}/metrics")
            await second.write(points)
            again = await scraped(f"http://127.0.0.1:{second.port}/metrics")
            return points, again

    points, again = asyncio.run(scenario())
    names = {point.name: point for point in points}
    assert names["fill"].resource.attributes["service_name"] == "shop"
    assert names["orders_total"].is_monotonic
    for name in ("orders_total", "wait_seconds", "fill"):
        found = next(p for p in again if p.name == name)
        assert found.value == names[name].value
        assert found.attributes.get("region") == names[name].attributes.get("region")
