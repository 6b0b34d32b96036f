"""Spans made and exported over OTLP/HTTP: what the sending process pays for each.

The SDK's queue holds a whole round, so that it need not drop; it gets its own batch
size and ours, and is judged by the cheaper one. How it is measured is told in
``export_runs``. Run it with ``python -m benchmarks.export_spans``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

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

SPANS = 10_000
AIM = 15
SDK_BATCH = 512  # the SDK's default
OUR_BATCH = 2000  # OtlpSink's default


def maker(span: Any) -> Make:
    def make(number: int, attributes: Attributes) -> None:
        with span("checkout", attributes=attributes(number)):
            pass

    return make


def sdk_provider(to: Receiver, batch: int, *, packed: bool) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        f"{to.url}/v1/traces", compression=compression(packed=packed)
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=2 * SPANS, max_export_batch_size=batch
        )
    )
    return provider


async def measure(
    to: Receiver, attributes: Attributes, rounds: int, *, events: int, packed: bool
) -> Medians:
    """Median CPU microseconds per span of each contestant."""
    telemetry = Telemetry("bench")
    sink = OtlpSink(to.url, compression="gzip" if packed else "none")
    providers = {
        f"SDK, batch {batch}": sdk_provider(to, batch, packed=packed)
        for batch in (SDK_BATCH, OUR_BATCH)
    }
    async with Pipeline(telemetry.spans >> sink) as pipeline:
        sides = {
            "sluiceway": Side(maker(telemetry.tracer("bench").span), pipeline.flush)
        }
        for name, provider in providers.items():
            span = provider.get_tracer("bench").start_as_current_span
            sides[name] = Side(maker(span), flush_of(provider))
        found = await compare(
            sides, attributes, rounds, events=events, arrived=counter_of(to, "traces")
        )
    for provider in providers.values():
        provider.shutdown()
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return found


def figures(*, short: bool = False) -> list[Figure]:
    rounds, events = (3, SPANS // 2) if short else (15, SPANS)
    found = []
    with receiver() as to:
        for words, attributes, packed in workloads():
            medians = asyncio.run(
                measure(to, attributes, rounds, events=events, packed=packed)
            )
            # the aim is set for what a service sends: attributes that repeat
            aim = AIM if "repeating" in words else None
            found.append(beside(f"spans exported, {words}", medians, times=aim))
    return found


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
