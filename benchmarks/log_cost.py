"""What one log call costs: `logger.info("...", extra=...)` with each handler.

Ours hands its records to a pipeline: one whose sink discards them, and one whose OTLP
endpoint is dead, so that each record is tried, given up and counted. The SDK has
OpenTelemetry's own handler before a batch processor with an exporter that discards
them; a `NullHandler` is what the standard logging itself costs. "waited" is what the
application waits for, with the loop blocked; "CPU, flushed" is all that the process
spends until the last record has been answered for. Rounds are interleaved; the ratios
of the medians are what counts. Run it with `python -m benchmarks.log_cost [rounds]`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import statistics
import sys
import time
from contextlib import contextmanager

from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)

from benchmarks.report import Figure, bounded, cost
from sluiceway import Pipeline, sink
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink

LINES = 2000
ROUNDS = 15
TIMES = 2  # as cheap as the SDK's: the aim
MICROSECONDS = 20  # that a call may cost while the backend is down
SDK, NOTHING = "SDK handler", "NullHandler"
ALIVE, DEAD = "sluiceway handler", "sluiceway handler, dead backend"


class Discard(LogRecordExporter):
    def export(self, batch):  # noqa: ARG002 - the SDK's
        return LogRecordExportResult.SUCCESS

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30_000):  # noqa: ARG002 - the SDK's
        return True


@sink
def discard(records):
    pass


@contextmanager
def dead_endpoint():
    """An address that refuses: it is bound, and nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


def logger_with(handler):
    logger = logging.Logger("shop.cart", level=logging.INFO)  # noqa: LOG001 - alone
    logger.addHandler(handler)
    return logger


def log(logger):
    """Microseconds per call as the application waits for them."""
    begin = time.perf_counter()
    for number in range(LINES):
        logger.info("order %d of %s", number, "ann", extra={"cart.items": 3, "eu": "y"})
    return (time.perf_counter() - begin) / LINES * 1e6


async def measure(rounds):
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(Discard(), max_queue_size=LINES * 2)
    )
    theirs = LoggingHandler(logger_provider=provider, log_code_attributes=True)
    alive, dead = Telemetry("alive"), Telemetry("dead")

    async def flush_theirs():
        provider.force_flush()

    async def nothing():
        pass

    with dead_endpoint() as url:
        refused = Pipeline(dead.logs >> OtlpSink(url, retry=None))
        async with Pipeline(alive.logs >> discard) as pipeline, refused:
            contestants = {
                SDK: (logger_with(theirs), flush_theirs),
                ALIVE: (logger_with(alive.log_handler), pipeline.flush),
                DEAD: (logger_with(dead.log_handler), refused.flush),
                NOTHING: (logger_with(logging.NullHandler()), nothing),
            }
            found = await compare(contestants, rounds)
    provider.shutdown()
    for ledger, lost in ((pipeline.ledger(), 0), (refused.ledger(), rounds * LINES)):
        assert ledger.balanced, ledger
        assert ledger.lost == lost, ledger
    return found


async def compare(contestants, rounds):
    found = {name: ([], []) for name in contestants}
    for _ in range(rounds):
        for name, (logger, flush) in contestants.items():
            begin = time.process_time()
            waited, used = found[name]
            waited.append(log(logger))
            await flush()
            used.append((time.process_time() - begin) / LINES * 1e6)
    return found


def medians_of(rounds):
    """What was waited for and what was used, each a median in us per call."""
    logging.getLogger("sluiceway").addHandler(logging.NullHandler())
    found = asyncio.run(measure(rounds))
    return {name: tuple(map(statistics.median, both)) for name, both in found.items()}


def figures(*, short: bool = False) -> list[Figure]:
    medians = medians_of(7 if short else ROUNDS)
    waited, used = medians[SDK]
    found = []
    for name in (ALIVE, DEAD):
        ours = medians[name]
        found.append(cost(f"{name}, waited", ours[0], waited, unit="us", times=TIMES))
        found.append(cost(f"{name}, CPU, flushed", ours[1], used, unit="us CPU"))
    down, bare = medians[DEAD][0], medians[NOTHING][0]
    name = "a log call while the backend is down"
    found.append(bounded(name, down, unit="us", limit=MICROSECONDS, peer=bare))
    return found


def main():
    medians = medians_of(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    reference, bare = medians[SDK], medians[NOTHING][0]
    print(f"{'us per call':34}{'waited':>8}{'':8}{'more':>8}{'CPU, flushed':>14}")
    for name, (waited, used) in medians.items():
        times, all_in_all = ratio(reference[0], waited), ratio(reference[1], used)
        print(
            f"{name:34}{waited:8.2f}{times:>8}{waited - bare:8.2f}"
            f"{used:14.2f}{all_in_all:>8}"
        )


def ratio(reference, figure):
    return f"1/{reference / figure:.1f}"


if __name__ == "__main__":
    main()
