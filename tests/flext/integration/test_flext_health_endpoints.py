"""``/healthz``, ``/readyz`` and ``/metrics`` over real HTTP, and a dead endpoint."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers.polling import eventually

from flext_observability import (
    FlextBackend,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityConfig,
    flext_create_health_check,
)


@pytest.fixture
def backend():
    config = FlextObservabilityConfig(service_name="shop", http_port=0)
    backend = FlextBackend(config)
    assert backend.start().is_success
    yield backend
    backend.stop()


@pytest.fixture
def service(backend):
    return FlextHealthService(backend)


def asked(backend, path, method="GET"):
    request = urllib.request.Request(
        f"http://127.0.0.1:{backend.http_port}{path}", method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read().decode()


def told(backend, path="/readyz"):
    status, headers, body = asked(backend, path)
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"
    return status, json.loads(body)


def executed(service, name, *status):
    check = flext_create_health_check(name, *status).unwrap()
    return service.execute(check).unwrap()


def samples(backend):
    status, headers, body = asked(backend, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def test_ready_is_whoever_has_its_critical_checks_healthy(backend, service):
    up = {"database": True, "cache": True}
    options = {"interval": None}
    service.register("database", lambda: up["database"], **options)
    service.register("cache", lambda: up["cache"], critical=False, **options)
    before = told(backend)
    assert (before[0], before[1]["reason"]) == (503, "database is unknown")
    assert service.run_all().is_success
    well = told(backend)
    assert (well[0], well[1]["status"], well[1]["health"]) == (200, "ok", "healthy")
    assert [*well[1]["checks"]] == ["flext_observability", "database", "cache"]
    up["cache"] = False
    executed(service, "cache")
    assert (told(backend)[0], told(backend)[1]["health"]) == (200, "degraded")
    up["database"] = False
    executed(service, "database")
    down = told(backend)
    assert (down[0], down[1]["reason"]) == (503, "database is unhealthy")
    assert told(backend, "/healthz") == (200, {"status": "ok", "state": "running"})


def test_what_is_only_reported_makes_unready_too(backend, service):
    executed(service, "queue", "unhealthy")
    assert told(backend)[1]["reason"] == "queue is unhealthy"
    executed(service, "queue", "healthy")
    assert told(backend)[0] == 200


def test_no_page_tells_what_a_check_raised_nor_its_details(backend, service):
    def database():
        raise OSError("user shop, password swordfish")

    def disk():
        return True, "81 % used", {"token": "swordfish"}

    service.register("database", database, interval=None)
    service.register("disk", disk, interval=None)
    assert "swordfish" in executed(service, "database").message
    executed(service, "disk")
    pages = [asked(backend, path)[2] for path in ("/readyz", "/healthz", "/metrics")]
    assert "swordfish" not in "".join(pages)
    checks = json.loads(pages[0])["checks"]
    assert checks["database"]["message"] == "OSError"
    assert checks["disk"]["message"] == "81 % used"


def test_metrics_are_as_of_now_those_of_health_too(backend, service):
    metrics = FlextMetricsService(backend)
    metrics.record("shop.orders", 3, tags={"region": "eu"})
    assert samples(backend)["shop_orders_total", "eu"] == 3
    metrics.record("shop.orders", 2, tags={"region": "eu"})
    assert samples(backend)["shop_orders_total", "eu"] == 5
    executed(service, "queue", "degraded")
    assert backend.flush().is_success
    found = samples(backend)
    assert found["health_check_status", "queue", "degraded"] == 1
    assert found["health_check_status", "queue", "healthy"] == 0
    assert found["health_check_results_total", "queue", "degraded"] == 1


def test_a_page_answers_at_once_while_a_check_hangs(backend, service):
    entered, released = threading.Event(), threading.Event()

    def hangs():
        entered.set()
        released.wait()

    assert service.register("hangs", hangs).is_success
    assert entered.wait(10)
    try:
        found = told(backend)
    finally:
        released.set()
    assert (found[0], found[1]["reason"]) == (503, "hangs is unknown")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_pages_answer_get_and_head_and_nothing_else(backend, path):
    status, headers, body = asked(backend, path, "HEAD")
    assert (status, body) == (200, "")
    status, headers, body = asked(backend, path, "POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert asked(backend, "/other")[0] == 404


def test_many_ask_at_once_while_checks_come_and_go(backend, service):
    statuses, lock = [], threading.Lock()

    def asks():
        for path in ("/healthz", "/readyz", "/metrics") * 5:
            status = asked(backend, path)[0]
            with lock:
                statuses.append((path, status))

    threads = [threading.Thread(target=asks) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(50):
        assert service.register(f"c{number}", lambda: True).is_success
        assert service.unregister(f"c{number}").is_success
    for thread in threads:
        thread.join()
    assert {status for path, status in statuses if path != "/readyz"} == {200}
    assert {status for _, status in statuses} <= {200, 503}
    assert told(backend)[0] == 200


def test_a_dead_endpoint_degrades_and_makes_nobody_unready():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = FlextObservabilityConfig(
        pushgateway_url=f"http://shop:swordfish@127.0.0.1:{port}",
        export_interval=0.05,
        drain_timeout=0.0,
        http_port=0,
    )
    backend = FlextBackend(config)
    service = FlextHealthService(backend)
    assert FlextMetricsService(backend).record("orders", 1).is_success
    degraded = eventually(
        lambda: (found := service.status().unwrap()).status == "degraded" and found
    )
    own = degraded.details["checks"]["flext_observability"]
    assert own["details"]["unreached"] == ["push"]
    assert degraded.details["ready"] is True
    status, body = told(backend)
    assert (status, body["health"]) == (200, "degraded")
    assert "swordfish" not in repr((degraded, body))
    backend.stop()


def test_a_stopped_backend_is_unhealthy_and_serves_again_after_a_start(
    backend, service
):
    assert service.register("database", lambda: True, interval=None).is_success
    assert executed(service, "database").status == "healthy"
    backend.stop()
    found = service.status().unwrap()
    assert (found.status, found.message) == (
        "unhealthy",
        "flext_observability is unhealthy",
    )
    assert backend.start().is_success
    assert told(backend)[0] == 200
