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
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextObservabilityMonitor,
    FlextResult,
    flext_monitor_function,
)

REGIONS = ("eu", "us", "asia")
PAUSE = 0.05


class Shop:
    """Sells; each seventh order fails, and the cache is slow now and then."""

    def __init__(self, backend: FlextBackend) -> None:
        self._metrics = FlextMetricsService(backend)
        self._health = FlextHealthService(backend)
        watched = flext_monitor_function("shop.sell", monitor=self._metrics)
        self._sell = watched(self.sell)
        self._number = 0

    async def open(self) -> FlextResult[str]:
        """Let the checks of what it depends on have their turns."""
        database = await self._health.register_health_check(
            "database", self.database, interval=2.0
        )
        if database.is_failure:
            return database
        return await self._health.register_health_check(
            "cache", self.cache, interval=1.0, critical=False
        )

    async def database(self) -> str:
        """It is always well."""
        return "3 connections"

    async def cache(self) -> tuple[str, str]:
        """It is slow for a while, again and again."""
        is_slow = self._number % 200 < 50
        return ("degraded", "slow") if is_slow else ("healthy", "quick")

    async def trade(self) -> None:
        """Sell until somebody says that it is enough."""
        for self._number in itertools.count():
            sold = await self._sell(self._number)
            await self._metrics.record_metric(
                "shop.orders",
                1,
                tags={
                    "region": REGIONS[self._number % len(REGIONS)],
                    "outcome": "failed" if sold.is_failure else "paid",
                },
            )
            await asyncio.sleep(PAUSE)

    async def sell(self, number: int) -> FlextResult[int]:
        """One order."""
        took = 0.02 + number % 13 / 100
        await self._metrics.record_metric(
            "shop.order.duration", took, "s", metric_type="histogram"
        )
        await self._metrics.record_metric("shop.queue.depth", number % 5, "{order}")
        if number % 7 == 0:
            return FlextResult.fail("the card was refused", "card_refused")
        return FlextResult.ok(number)


async def serve(backend: FlextBackend) -> None:
    """Open the shop."""
    shop = Shop(backend)
    opened = await shop.open()
    if opened.is_failure:
        print(opened.error, file=sys.stderr)
    await shop.trade()


def main() -> int:
    """Sell for as long as it was told, or until it is interrupted."""
    config = FlextObservabilityConfig.load(Path(__file__).with_name("flext.toml"))
    if config.is_failure:
        print(config.error, file=sys.stderr)
        return 2
    backend = FlextBackend(config.unwrap())
    seconds = float(sys.argv[1]) if sys.argv[1:] else None
    with (
        FlextObservabilityMonitor(backend) as monitor,
        suppress(KeyboardInterrupt, TimeoutError),
    ):
        asyncio.run(asyncio.wait_for(serve(backend), seconds))
    report = monitor.report()
    print(report.ledger)
    return 1 if report.lost else 0


if __name__ == "__main__":
    sys.exit(main())
