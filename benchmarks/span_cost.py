"""What one span costs: `with tracer.span(...)` against the OpenTelemetry SDK's.

Both sides hand their spans on: ours to a pipeline with a sink that discards them, the
SDK's to its batch processor with an exporter that discards them. "waited" is what the
application waits for, "CPU, flushed" all that the process spends until the last span
has been discarded. "Sampled" are both sides with a sampler for the roots of traces that
keeps them all, so that either has the same to do. Rounds are interleaved, so that a
busy machine slows both; the ratios of the medians are what counts. The target of
`tracer.span` is 1/8, of the API's spelling 1/6. Run it with
`python -m benchmarks.span_cost [rounds]`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from benchmarks.report import Figure, cost
from sluiceway import Pipeline, sink
from sluiceway.instrument import Telemetry
from sluiceway.samplers import ProbabilitySampler

SPANS = 2000
ROUNDS = 15
SDK = "SDK start_as_current_span"
SPAN, API = "sluiceway span", "sluiceway start_as_current_span"
AIMS = {SPAN: 8, API: 6}
SAMPLED = ", sampled"


class Discard(SpanExporter):
    def export(self, spans):  # noqa: ARG002 - the SDK's
        return SpanExportResult.SUCCESS


def throw_away(spans):
    pass


discard = sink(throw_away)


def make_spans(span):
    """Nanoseconds per span as the application waits for them."""
    begin = time.perf_counter()
    for _ in range(SPANS):
        with span("checkout", attributes={"cart.items": 3, "shop.region": "eu"}):
            pass
    return (time.perf_counter() - begin) / SPANS * 1e9


async def measure(rounds):
    """Per contestant what was waited for and what was used in each round."""
    sides = {
        "": (Telemetry("bench"), sdk_provider(None)),
        SAMPLED: (
            Telemetry("bench", sampler=ProbabilitySampler(1.0)),
            sdk_provider(ParentBasedTraceIdRatio(1.0)),
        ),
    }
    contestants, pipelines = {}, []
    async with AsyncExitStack() as running:
        for which, (telemetry, provider) in sides.items():
            pipeline = Pipeline(telemetry.spans >> sink(throw_away))
            pipelines.append(await running.enter_async_context(pipeline))
            running.callback(provider.shutdown)
            contestants |= contestants_of(which, provider, telemetry, pipeline)
        figures = {name: ([], []) for name in contestants}
        for _ in range(rounds):
            for name, (span, flush) in contestants.items():
                begin = time.process_time()
                waited, used = figures[name]
                waited.append(make_spans(span))
                await flush()
                used.append((time.process_time() - begin) / SPANS * 1e9)
    for pipeline in pipelines:
        ledger = pipeline.ledger()
        assert ledger.balanced, ledger
        assert ledger.lost == 0, ledger
    return figures


def sdk_provider(sampler):
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), max_queue_size=SPANS * 2))
    return provider


def contestants_of(which, provider, telemetry, pipeline):
    """What makes a span, and what waits until all are discarded."""
    mine, theirs = telemetry.tracer("bench"), provider.get_tracer("bench")

    async def flush_theirs():
        provider.force_flush()

    return {
        SDK + which: (theirs.start_as_current_span, flush_theirs),
        SPAN + which: (mine.span, pipeline.flush),
        API + which: (mine.start_as_current_span, pipeline.flush),
    }


def medians_of(rounds):
    """What was waited for and what was used, each a median in ns per span."""
    found = asyncio.run(measure(rounds))
    return {name: tuple(map(statistics.median, both)) for name, both in found.items()}


def figures(*, short: bool = False) -> list[Figure]:
    medians = medians_of(7 if short else ROUNDS)
    found = []
    for which in ("", SAMPLED):
        waited, used = medians[SDK + which]
        for name, aim in AIMS.items():
            who, ours = name + which, medians[name + which]
            found.append(cost(f"{who}, waited", ours[0], waited, unit="ns", times=aim))
            found.append(cost(f"{who}, CPU, flushed", ours[1], used, unit="ns CPU"))
    return found


def main():
    medians = medians_of(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    print(f"{'ns per span':40}{'waited':>8}{'':8}{'CPU, flushed':>14}")
    for name, (waited, used) in medians.items():
        reference = medians[SDK + SAMPLED if name.endswith(SAMPLED) else SDK]
        print(
            f"{name:40}{waited:8.0f}{ratio(reference[0], waited):>8}"
            f"{used:14.0f}{ratio(reference[1], used):>8}"
        )


def ratio(reference, figure):
    return f"1/{reference / figure:.1f}"


if __name__ == "__main__":
    main()
