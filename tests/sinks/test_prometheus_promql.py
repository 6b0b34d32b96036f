"""A real Prometheus answers the PromQL that the README promises."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.parse
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from servers.polling import eventually_async
from servers.processes import prometheus

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PrometheusSink

pytestmark = pytest.mark.servers

README = (Path(__file__).parents[2] / "README.md").read_text()
PROMISED = re.findall(r"```promql\n(.*?)```", README, flags=re.DOTALL)[0].splitlines()


class Shop:
    """Measures something each time that it is asked to."""

    def __init__(self):
        self.telemetry = Telemetry(
            "shop", resource={"service.version": "1.2"}, export_interval=3600
        )
        meter = self.telemetry.meter("shop")
        self._orders = meter.counter("orders", unit="{order}")
        self._duration = meter.histogram("checkout.duration", unit="s", buckets=[1, 2])
        self._depth = meter.gauge("queue.depth")
        self.telemetry.observe_runtime()

    def work(self):
        self._orders.add(2, {"region": "eu"})
        self._orders.add(1, {"region": "us"})
        self._duration.record(1.5)
        self._depth.set(7)


@asynccontextmanager
async def mounted(sink):
    """The sink's page in an application of its own, below another path."""
    app = web.Application()
    app.router.add_get("/ops/metrics", sink.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}/ops/metrics"
    finally:
        await runner.cleanup()


async def ask(server, path):
    return json.loads(await asyncio.to_thread(server.get, path))["data"]


async def answers(shop, pipeline, server):
    """Each promised query's values, once all have one; the shop works meanwhile."""

    async def probe():
        shop.work()
        await pipeline.flush()
        found = []
        for query in PROMISED:
            quoted = urllib.parse.urlencode({"query": query})
            rows = (await ask(server, f"/api/v1/query?{quoted}"))["result"]
            found.append([(row["metric"], float(row["value"][1])) for row in rows])
        return found if all(found) and found[0][0][1] == 1 else None

    return await eventually_async(probe, seconds=30)


def test_the_promised_queries_are_answered(tmp_path):
    async def scenario():
        shop, sink = Shop(), PrometheusSink(port=0)
        pipeline = Pipeline(shop.telemetry.metrics >> sink)
        async with pipeline, mounted(sink) as page:
            targets = {"shop": f"127.0.0.1:{sink.port}", "mounted": page}
            with prometheus(tmp_path, targets) as server:
                found = await answers(shop, pipeline, server)
                return found, await ask(server, "/api/v1/targets")

    found, targets = asyncio.run(scenario())
    up, rates, quantile, depth, versions = found
    assert [value for _, value in up] == [1]
    by_region = {labels["region"]: value for labels, value in rates}
    assert by_region["eu"] == pytest.approx(2 * by_region["us"])
    assert by_region["us"] > 0
    assert quantile == [({}, pytest.approx(1.95))]
    assert depth == [({}, 7.0)]
    ((labels, total),) = versions
    assert labels == {"service_version": "1.2"}
    assert total % 3 == 0
    active = {t["labels"]["job"]: t for t in targets["activeTargets"]}
    assert {job: t["health"] for job, t in active.items()} == {
        "shop": "up",
        "mounted": "up",
    }
    assert [t["lastError"] for t in active.values()] == ["", ""]
