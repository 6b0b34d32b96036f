"""A FLEXT service: metrics, traces, health, and an alert that escalates.

Two channels stand for a chat and a pager. The disk fills up: the chat is told at once,
the pager a moment later as nobody cares, until somebody acknowledges the alert.

Telemetry goes where the variables say: OTEL_EXPORTER_OTLP_ENDPOINT,
PROMETHEUS_PUSH_GATEWAY, ALERTMANAGER_URL; without them it stays here. With
examples/monitoring the whole stack stands ready.

Run it: python examples/flext_service.py
"""

import asyncio
import sys

from flext_observability import (
    FlextAlertEvent,
    FlextAlertService,
    FlextBackend,
    FlextEscalationLevel,
    FlextEscalationPolicy,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextObservabilityMonitor,
    FlextResult,
    FlextTracingService,
    flext_create_alert,
    flext_create_trace,
    flext_monitor_function,
)
from sluiceway import Alert, sink


@sink
def chat(alerts: list[Alert]) -> None:
    for alert in alerts:
        print(f"chat: {alert.status.value} {alert.name}: {alert.message}")


@sink
def pager(alerts: list[Alert]) -> None:
    for alert in alerts:
        print(f"pager: {alert.status.value} {alert.severity} {alert.name}")


config = FlextObservabilityConfig.load(service_name="shop", drain_timeout=2.0)
if config.is_failure:
    sys.exit(config.error)
backend = FlextBackend(
    config.unwrap(),
    channels={"chat": chat, "pager": pager},
    policies=[
        FlextEscalationPolicy(
            "on call",
            [
                FlextEscalationLevel("chat"),
                FlextEscalationLevel("pager", after=0.5, severity="critical"),
            ],
        )
    ],
)
monitor = FlextObservabilityMonitor(backend)
metrics, traces = FlextMetricsService(backend), FlextTracingService(backend)
health, alerts = FlextHealthService(backend), FlextAlertService(backend)
disk = {"free": 40}


@flext_monitor_function("checkout", monitor=monitor)
async def checkout(cart: list[str]) -> FlextResult[int]:
    """Sell what is in the cart: a span, a duration and an outcome for each call."""
    if not cart:
        return FlextResult[int].fail("the cart is empty")
    await metrics.record_metric("orders", len(cart), tags={"region": "eu"})
    disk["free"] -= 20
    return FlextResult[int].ok(len(cart))


async def serve() -> None:
    """One job as a trace, with two checkouts."""
    job = flext_create_trace("evening sale", "shop.sale", {"items": 3}).unwrap()
    await traces.start_trace(job)
    print("sold:", (await checkout(["tea", "cup"])).unwrap_or(0))
    print("sold:", await checkout([]))
    await checkout(["pot"])
    await traces.complete_trace(job)


async def watch_disk() -> list[FlextAlertEvent]:
    """Look at the disk; raise an alert, which escalates until somebody cares."""
    await health.register_health_check("disk", lambda: disk["free"] > 10)
    checked = (await health.run_health_checks()).unwrap()[0]
    print("disk:", checked.status)
    full = flext_create_alert("DiskFull", "error", "no room left", "db-1").unwrap()
    (await alerts.process_alert(full)).unwrap()
    await asyncio.sleep(1.5)  # nobody cares: after half a second the pager is told
    (await alerts.acknowledge_alert(full, by="ann")).unwrap()
    (await alerts.resolve_alert(full, by="ann")).unwrap()
    return (await alerts.alert_history(full)).unwrap()


def main() -> None:
    with monitor:
        asyncio.run(serve())
        history = asyncio.run(watch_disk())  # another loop, the same pipeline
        orders = asyncio.run(metrics.aggregate("orders")).unwrap()
    for event in history:  # now that nothing else prints
        print(f"{event.at:%H:%M:%S} {event.what} {event.by or event.note}")
    print(orders, "orders")
    told = monitor.report()
    print("delivered", told.delivered, "lost", told.lost)


if __name__ == "__main__":
    main()
