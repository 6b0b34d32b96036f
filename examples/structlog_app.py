"""structlog and the standard logging in one pipeline, with the ids of the trace.

Run it: ``python structlog_app.py``. Every event is printed by structlog as before, and
is a log record of the pipeline as well; here a sink prints those on stderr, where an
application has an ``OtlpSink``.
"""

from __future__ import annotations

import asyncio
import logging
import sys

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

from sluiceway import Pipeline, sink
from sluiceway.events import LogRecord
from sluiceway.instrument import StructlogProcessor, Telemetry

telemetry = Telemetry("kitchen")
tracer = telemetry.tracer(__name__)

structlog.configure(
    processors=[
        merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        StructlogProcessor(telemetry),  # behind what adds, before what renders
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["event"]),
    ]
)
logging.getLogger().addHandler(telemetry.log_handler)

log = structlog.get_logger()


@sink
def show(records: list[LogRecord]) -> None:
    for record in records:
        told = {k: v for k, v in record.attributes.items() if k in {"dish", "order"}}
        trace = record.trace_id.hex()[:8] or "no trace"
        print("record:", trace, record.body, told, file=sys.stderr)


async def cook(order: int, dish: str) -> None:
    with bound_contextvars(order=order), tracer.span("cook"):
        log.info("cooking", dish=dish)
        await asyncio.sleep(0)
        if dish == "ice cream":
            logging.getLogger("stove").warning("too warm for %s", dish)
        await log.ainfo("served", dish=dish)


async def main() -> None:
    async with Pipeline(telemetry.logs >> show) as pipeline:
        log.info("open")
        await asyncio.gather(cook(1, "soup"), cook(2, "ice cream"))
    print(pipeline.ledger())


if __name__ == "__main__":
    asyncio.run(main())
