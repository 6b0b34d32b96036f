"""A shop that fills the dashboards of the stack beside it.

Run it: make monitoring-setup; python examples/monitoring/shop.py [SECONDS]

flext.toml says where its telemetry goes, and variables such as PROMETHEUS_PUSH_GATEWAY
win over it. It sells until it is interrupted, and its exit code tells whether telemetry
was lost.
"""

import asyncio
import itertools
import sys
from contextlib import suppress
from pathlib import Path

from flext_observability import (
    FlextBackend,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextResult,
)
from sluiceway import HealthCheck
from sluiceway.events import HealthStatus

REGIONS = ("eu", "us", "asia")
PAUSE = 0.05


async def sell(metrics: FlextMetricsService, number: int) -> FlextResult[None]:
    """One order; each seventh one fails."""
    tags = {
        "region": REGIONS[number % len(REGIONS)],
        "outcome": "failed" if number % 7 == 0 else "paid",
    }
    took = 0.02 + number % 13 / 100
    for recorded in (
        await metrics.record_metric("shop.orders", 1, tags=tags),
        await metrics.record_metric(
            "shop.order.duration", took, "s", metric_type="histogram"
        ),
        await metrics.record_metric("shop.queue.depth", number % 5, "{order}"),
    ):
        if recorded.is_failure:
            return recorded.map(lambda _: None)
    return FlextResult.ok(None)


def look(backend: FlextBackend, number: int) -> None:
    """What the shop depends on; the cache is slow now and then."""
    slow = number % 200 < 50
    cache = HealthStatus.DEGRADED if slow else HealthStatus.HEALTHY
    for name, status in (("database", HealthStatus.HEALTHY), ("cache", cache)):
        check = HealthCheck(
            name=name, status=status, duration=0.002, critical=name == "database"
        )
        backend.health.emit_nowait(check)


async def trade(backend: FlextBackend) -> None:
    """Sell until somebody says that it is enough."""
    metrics = FlextMetricsService(backend)
    for number in itertools.count():
        sold = await sell(metrics, number)
        if sold.is_failure:
            print(f"shop: {sold.error}", file=sys.stderr)
        if number % 20 == 0:
            look(backend, number)
        await asyncio.sleep(PAUSE)


def main() -> int:
    """Sell for as long as it was told, or until it is interrupted."""
    config = FlextObservabilityConfig.load(Path(__file__).with_name("flext.toml"))
    if config.is_failure:
        print(config.error, file=sys.stderr)
        return 2
    backend = FlextBackend(config.unwrap())
    seconds = float(sys.argv[1]) if sys.argv[1:] else None
    with suppress(KeyboardInterrupt, TimeoutError):
        asyncio.run(asyncio.wait_for(trade(backend), seconds))
    backend.stop()
    ledger = backend.ledger()
    print(ledger)
    return 1 if ledger is None or ledger.lost else 0


if __name__ == "__main__":
    sys.exit(main())
