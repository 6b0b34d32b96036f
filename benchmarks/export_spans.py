"""Spans made and exported over OTLP/HTTP: what the sending process pays for each.

Both sides make their spans in the same event loop, as an application would, and send
them to the same receiver in another process; what counts is the CPU time of this one,
threads included, until the last span has been answered for. What arrives is counted on
both sides, and must be all. The SDK's queue holds a whole round, so that it need not
drop; it gets its own batch size and ours, and is judged by the cheaper one. Rounds are
interleaved. Run it with ``python -m benchmarks.export_spans``.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.receiver import Receiver, receiver
from benchmarks.report import Figure, cost, table
from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink

SPANS = 10_000
TURN = 100  # spans that are made between two awaits of the application
AIM = 15
SDK_BATCH = 512  # the SDK's default
OUR_BATCH = 2000  # OtlpSink's default

Attributes = Callable[[int], dict[str, Any]]
Flush = Callable[[], Awaitable[Any]]


def repeating(number: int) -> dict[str, Any]:  # noqa: ARG001 - as distinct
    return {"cart.items": 3, "shop.region": "eu"}


class Distinct:
    """Attributes that were never seen before, in any round."""

    def __init__(self) -> None:
        self.first = random.randrange(2**40)

    def __call__(self, number: int) -> dict[str, Any]:
        self.first += 1
        return {"cart.id": self.first, "customer": f"customer {self.first} {number}"}


async def make_and_send(span: Any, attributes: Attributes, flush: Flush) -> float:
    """CPU microseconds per span of this process, until the last one is answered."""
    begin = time.process_time()
    for start in range(0, SPANS, TURN):
        for number in range(start, start + TURN):
            with span("checkout", attributes=attributes(number)):
                pass
        await asyncio.sleep(0)
    await flush()
    return (time.process_time() - begin) / SPANS * 1e6


def sdk_provider(to: Receiver, batch: int, *, packed: bool) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        f"{to.url}/v1/traces",
        compression=Compression.Gzip if packed else Compression.NoCompression,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=2 * SPANS, max_export_batch_size=batch
        )
    )
    return provider


async def measure(
    to: Receiver, attributes: Attributes, rounds: int, *, packed: bool
) -> dict[str, float]:
    """Median CPU microseconds per span of each contestant."""
    telemetry = Telemetry("bench")
    sink = OtlpSink(to.url, compression="gzip" if packed else "none")
    providers = {
        f"SDK, batch {batch}": sdk_provider(to, batch, packed=packed)
        for batch in (SDK_BATCH, OUR_BATCH)
    }
    used: dict[str, list[float]] = {}
    async with Pipeline(telemetry.spans >> sink) as pipeline:
        contestants = {"sluiceway": (telemetry.tracer("bench").span, pipeline.flush)}
        for name, provider in providers.items():
            tracer = provider.get_tracer("bench")
            contestants[name] = (tracer.start_as_current_span, flush_of(provider))
        for warm in (False, *[True] * rounds):
            for name, (span, flush) in contestants.items():
                spent = await make_and_send(span, attributes, flush)
                arrived = await asyncio.to_thread(to.count)
                assert arrived == SPANS, (name, arrived)
                if warm:
                    used.setdefault(name, []).append(spent)
    for provider in providers.values():
        provider.shutdown()
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return {name: statistics.median(times) for name, times in used.items()}


def flush_of(provider: TracerProvider) -> Flush:
    """Let the SDK's own thread work while the loop waits, as in an application."""

    async def flush() -> None:
        assert await asyncio.to_thread(provider.force_flush, 60_000)

    return flush


def figures(*, short: bool = False) -> list[Figure]:
    rounds = 5 if short else 15
    found = []
    with receiver() as to:
        for words, attributes in (("repeating", repeating), ("distinct", Distinct())):
            for packed in (False, True):
                medians = asyncio.run(measure(to, attributes, rounds, packed=packed))
                ours = medians.pop("sluiceway")
                title = f"spans exported, 2 {words} attributes"
                title += ", gzip" if packed else ""
                # the aim is set for what a service sends: attributes that repeat
                aim = AIM if words == "repeating" else None
                found.append(
                    cost(title, ours, min(medians.values()), unit="us CPU", times=aim)
                )
    return found


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
