"""From a call in a program of its own to the pushgateway and to Prometheus."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse

import pytest
from servers.polling import eventually
from servers.processes import free_port, prometheus, pushgateway, require

from flext_observability import (
    FlextBackend,
    FlextMetricsService,
    FlextObservabilityConfig,
)

pytestmark = pytest.mark.servers


def program(text, **variables):
    """Run a program that knows its endpoints from the environment alone."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        env={**own, "OTEL_SERVICE_NAME": "program", **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def values(page, name):
    """The values of a metric's series on a page."""
    found = re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", page, re.MULTILINE)
    return [float(value) for value in found]


MANY = """
import asyncio, threading
from flext_observability import FlextMetricsService

async def increments():
    for _ in range(10_000):
        recorded = await FlextMetricsService().record_metric("hits", 1)
        assert recorded.is_success

async def eight():
    await asyncio.gather(*(increments() for _ in range(8)))

threads = [threading.Thread(target=lambda: asyncio.run(eight())) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
pushed = asyncio.run(FlextMetricsService().push())
assert pushed.is_success, pushed.error
"""


def test_eight_threads_of_eight_tasks_end_at_the_exact_sum_at_the_gateway(tmp_path):
    with pushgateway(tmp_path) as gateway:
        done = program(MANY, PROMETHEUS_PUSH_GATEWAY=gateway.url)
        page = gateway.get("/metrics")
    assert done.returncode == 0, done.stderr
    assert values(page, "hits_total") == [8 * 8 * 10_000]


FORGETFUL = """
import asyncio
from flext_observability import FlextMetricsService
for _ in range(3):
    asyncio.run(FlextMetricsService().record_metric("orders", 2.0))
"""


def test_what_was_recorded_arrives_though_the_program_just_ends(tmp_path):
    with pushgateway(tmp_path) as gateway:
        done = program(FORGETFUL, PROMETHEUS_PUSH_GATEWAY=gateway.url)
        page = gateway.get("/metrics")
    assert (done.returncode, done.stderr) == (0, "")
    assert values(page, "orders_total") == [6]


PATIENT = """
from flext_observability import FlextMetricsService
service = FlextMetricsService()
recorded = [service.record("orders", 1) for _ in range(1000)]
print(sum(result.is_success for result in recorded))
"""


def test_dead_endpoints_neither_raise_nor_keep_the_program():
    """One refuses connections, the other takes them and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        done = program(
            PATIENT,
            PROMETHEUS_PUSH_GATEWAY=f"http://127.0.0.1:{free_port()}",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{mute.getsockname()[1]}",
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1000\n"


def recorded(service):
    """A counter by tags, a gauge and a histogram, named as programs name them."""
    return [
        service.record("shop.orders", 2, tags={"region": "eu"}),
        service.record("shop.orders", 3, tags={"region": "us"}),
        service.record("shop.orders", 4, tags={"region": "eu", "pay": 'ca"rd\n'}),
        service.record("shop/queue-depth", 7, "{order}"),
        service.record("shop.took", 0.3, "s", metric_type="histogram"),
    ]


def test_promtool_has_nothing_to_say_of_the_page(backend):
    service = FlextMetricsService(backend)
    assert all(result.is_success for result in recorded(service))
    done = subprocess.run(
        [str(require("promtool")), "check", "metrics"],
        input=asyncio.run(service.exposition()).unwrap(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_prometheus_answers_what_was_recorded(tmp_path):
    with pushgateway(tmp_path) as gateway:
        config = FlextObservabilityConfig(
            service_name="shop", pushgateway_url=gateway.url
        )
        backend = FlextBackend(config)
        service = FlextMetricsService(backend)
        try:
            assert all(result.is_success for result in recorded(service))
            assert asyncio.run(service.push()).is_success
            scraped = {"gateway": f"127.0.0.1:{gateway.port}"}
            with prometheus(tmp_path, scraped) as server:

                def asked(expression):
                    query = urllib.parse.urlencode({"query": expression})
                    told = json.loads(server.get(f"/api/v1/query?{query}"))
                    return {
                        each["metric"].get("region", ""): float(each["value"][1])
                        for each in told["data"]["result"]
                    }

                by_region = "sum by (region) (shop_orders_total)"
                assert eventually(lambda: asked(by_region)) == {"eu": 6, "us": 3}
                assert asked("shop_queue_depth") == {"": 7}
                assert asked("shop_took_seconds_sum") == {"": 0.3}
        finally:
            backend.stop()
