"""Log records from ``logger.info`` to bytes on a socket, against the SDK's handler.

Both are handlers of the standard logging and take place, message and ``extra`` of each
call; the SDK's queue holds a whole round. How it is measured is told in
``export_runs``. Run it with ``python -m benchmarks.export_logs``.
"""

from __future__ import annotations

import asyncio
import logging

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from benchmarks.export_runs import (
    Attributes,
    Make,
    Medians,
    Side,
    beside,
    compare,
    compression,
    counter_of,
    flush_of,
    workloads,
)
from benchmarks.receiver import Receiver, receiver
from benchmarks.report import Figure, table
from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink

RECORDS = 10_000


def maker(handler: logging.Handler) -> Make:
    logger = logging.Logger("shop.cart", level=logging.INFO)  # noqa: LOG001 - alone
    logger.addHandler(handler)

    def make(number: int, attributes: Attributes) -> None:
        logger.info("order %d of %s", number, "ann", extra=attributes(number))

    return make


def sdk_provider(to: Receiver, *, packed: bool) -> LoggerProvider:
    provider = LoggerProvider(shutdown_on_exit=False)
    exporter = OTLPLogExporter(
        f"{to.url}/v1/logs", compression=compression(packed=packed)
    )
    provider.add_log_record_processor(
        BatchLogRecordProcessor(exporter, max_queue_size=2 * RECORDS)
    )
    return provider


async def measure(
    to: Receiver, attributes: Attributes, rounds: int, *, events: int, packed: bool
) -> Medians:
    """Median CPU microseconds per record of each side."""
    telemetry = Telemetry("bench")
    sink = OtlpSink(to.url, compression="gzip" if packed else "none")
    provider = sdk_provider(to, packed=packed)
    theirs = LoggingHandler(logger_provider=provider, log_code_attributes=True)
    async with Pipeline(telemetry.logs >> sink) as pipeline:
        sides = {
            "sluiceway": Side(maker(telemetry.log_handler), pipeline.flush),
            "SDK": Side(maker(theirs), flush_of(provider)),
        }
        found = await compare(
            sides, attributes, rounds, events=events, arrived=counter_of(to, "logs")
        )
    provider.shutdown()
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return found


def figures(*, short: bool = False) -> list[Figure]:
    rounds, events = (3, RECORDS // 2) if short else (15, RECORDS)
    with receiver() as to:
        return [
            beside(
                f"log records exported, {words}",
                asyncio.run(
                    measure(to, attributes, rounds, events=events, packed=packed)
                ),
            )
            for words, attributes, packed in workloads()
        ]


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
