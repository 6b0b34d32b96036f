"""What one span costs: `with tracer.span(...)` against the OpenTelemetry SDK's.

Both sides hand their spans on: ours to a pipeline with a sink that discards them, the
SDK's to its batch processor with an exporter that discards them. "waited" is what the
application waits for, "CPU, flushed" all that the process spends until the last span
has been discarded. Rounds are interleaved, so that a busy machine slows both; the
ratios of the medians are what counts. The target of `tracer.span` is 1/8, of the API's
spelling 1/6. Run it with `python -m benchmarks.span_cost [rounds]`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from benchmarks.report import Figure, cost
from sluiceway import Pipeline, sink
from sluiceway.instrument import Telemetry

SPANS = 2000
ROUNDS = 15
SDK = "SDK start_as_current_span"
AIMS = {"sluiceway span": 8, "sluiceway start_as_current_span": 6}


class Discard(SpanExporter):
    def export(self, spans):  # noqa: ARG002 - the SDK's
        return SpanExportResult.SUCCESS


@sink
def discard(spans):
    pass


def make_spans(span):
    """Nanoseconds per span as the application waits for them."""
    begin = time.perf_counter()
    for _ in range(SPANS):
        with span("checkout", attributes={"cart.items": 3, "shop.region": "eu"}):
            pass
    return (time.perf_counter() - begin) / SPANS * 1e9


async def measure(rounds):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), max_queue_size=SPANS * 2))
    telemetry = Telemetry("bench")
    mine, theirs = telemetry.tracer("bench"), provider.get_tracer("bench")
    async with Pipeline(telemetry.spans >> discard) as pipeline:

        async def flush_theirs():
            provider.force_flush()

        contestants = {
            SDK: (theirs.start_as_current_span, flush_theirs),
            "sluiceway span": (mine.span, pipeline.flush),
            "sluiceway start_as_current_span": (
                mine.start_as_current_span,
                pipeline.flush,
            ),
        }
        figures = {name: ([], []) for name in contestants}
        for _ in range(rounds):
            for name, (span, flush) in contestants.items():
                begin = time.process_time()
                waited, used = figures[name]
                waited.append(make_spans(span))
                await flush()
                used.append((time.process_time() - begin) / SPANS * 1e9)
    provider.shutdown()
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return figures


def medians_of(rounds):
    """What was waited for and what was used, each a median in ns per span."""
    found = asyncio.run(measure(rounds))
    return {name: tuple(map(statistics.median, both)) for name, both in found.items()}


def figures(*, short: bool = False) -> list[Figure]:
    medians = medians_of(7 if short else ROUNDS)
    waited, used = medians[SDK]
    found = []
    for name, aim in AIMS.items():
        ours = medians[name]
        found.append(cost(f"{name}, waited", ours[0], waited, unit="ns", times=aim))
        found.append(cost(f"{name}, CPU, flushed", ours[1], used, unit="ns CPU"))
    return found


def main():
    medians = medians_of(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    reference = medians[SDK]
    print(f"{'ns per span':34}{'waited':>8}{'':8}{'CPU, flushed':>14}")
    for name, both in medians.items():
        waited, used = both
        print(
            f"{name:34}{waited:8.0f}{ratio(reference[0], waited):>8}"
            f"{used:14.0f}{ratio(reference[1], used):>8}"
        )


def ratio(reference, figure):
    return f"1/{reference / figure:.1f}"


if __name__ == "__main__":
    main()
