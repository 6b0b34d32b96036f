"""A job that ends: its metrics go to a pushgateway, its spans and lines to a file.

Run it: python examples/batch_job.py
    PUSHGATEWAY=http://gateway:9091 JOURNAL=/var/log/import.jsonl python batch_job.py

Both sinks wait for what cannot be reached, within drain_timeout; the ledger then tells
what was lost, and the exit code that something was.
"""

import asyncio
import os
import sys
import time
from logging import INFO, getLogger

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import JsonLinesSink, PushgatewaySink

telemetry = Telemetry("import")
tracer, meter = telemetry.tracer("import"), telemetry.meter("import")
rows = meter.counter("import.rows", unit="{row}", description="Rows taken over.")
ended = meter.gauge("import.last_success", unit="s", description="When it ended well.")
log = getLogger("import")

# Without an instance in its group, the next run's metrics take the place of these.
gateway = PushgatewaySink(
    os.environ.get("PUSHGATEWAY", "http://localhost:9091"), grouping={}
)
journal = JsonLinesSink(os.environ.get("JOURNAL", "batch_job.jsonl"), fsync=True)
pipeline = Pipeline(
    telemetry.metrics >> gateway,
    telemetry.spans >> journal,
    telemetry.logs >> journal,
    drain_timeout=5,
)


async def take_over(source: str) -> None:
    """What the job does."""
    with tracer.span("take over", attributes={"source": source}):
        rows.add(len(source), {"source": source})
        log.info("taken over: %s", source)


async def main() -> int:
    log.setLevel(INFO)
    log.addHandler(telemetry.log_handler)
    async with pipeline:
        for source in ("orders", "customers"):
            await take_over(source)
        ended.set(time.time())
    ledger = pipeline.ledger()
    print(ledger)
    return 1 if ledger.lost else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
