"""Health checks of a shop: what they find goes out as alerts and metrics, and decides
whether the shop is ready.

Run it: python examples/health.py

It plays a database that goes away and comes back. A service would serve the pages that
are asked here: app.mount("/ops", Pages(pipeline, scrape_page, health=health)).
"""

import asyncio
import sys

from sluiceway import Pipeline, sink
from sluiceway.events import Alert
from sluiceway.health import (
    Check,
    HealthAlerts,
    HealthMetrics,
    HealthSource,
    pipeline_check,
)
from sluiceway.sinks import PrometheusSink
from sluiceway.web import Pages


class Database:
    """What the shop cannot work without."""

    def __init__(self) -> None:
        self.is_there = True

    async def ping(self) -> str:
        if not self.is_there:
            raise ConnectionError("nobody answers")
        return "12 connections"


database = Database()


def disk_space() -> tuple[str, str]:
    """A plain function runs on a thread: it may block."""
    return "degraded", "91 % full"


async def prices() -> bool:
    """This one needs the database; while that is away, nothing is known of it."""
    return database.is_there


health = HealthSource(
    [
        Check("database", database.ping, interval=0.1, failures=2),
        # One failure more, so that the database is blamed first.
        Check("prices", prices, interval=0.1, failures=3, depends_on=["database"]),
        Check("disk", disk_space, interval=1, critical=False),
        pipeline_check(lambda: pipeline, interval=1),
    ],
)


@sink
def call_people(alerts: list[Alert]) -> None:
    for alert in alerts:
        sys.stdout.write(f"{alert.status.value} {alert.severity}: {alert.message}\n")


scrape_page = PrometheusSink(port=None)
pipeline: Pipeline = Pipeline(
    health >> [HealthAlerts() >> call_people, HealthMetrics() >> scrape_page]
)
pages = Pages(pipeline, scrape_page, health=health)


async def readiness(wanted: int) -> str:
    """What an orchestrator is told, once it is what we wait for."""
    while True:
        answer = await pages["/readyz"].answer({})
        if answer.status == wanted:
            return f"{answer.status} {health.report().trouble}".strip()
        await asyncio.sleep(0.02)


async def main() -> None:
    async with pipeline:
        print("ready:", await readiness(200))
        database.is_there = False
        print("ready:", await readiness(503))
        database.is_there = True
        print("ready:", await readiness(200))
        await pipeline.flush()
        page = await pages["/metrics"].answer({})
        for line in page.body.decode().splitlines():
            if line.startswith("health_check_status") and line.endswith(" 1.0"):
                print(line)
    print(pipeline.ledger())


if __name__ == "__main__":
    asyncio.run(main())
