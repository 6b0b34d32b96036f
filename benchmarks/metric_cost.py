"""What one measurement costs, against prometheus_client and the OpenTelemetry SDK.

Each instrument with two attributes: looked up at each measurement (`counter.add(1,
{...})`, `.labels(...).inc()`), and kept (`counter.bind({...})`, a kept child). Two rows
are measured inside a sampled span, where ours and the SDK's take exemplars and
prometheus_client is handed one that costs nothing to make. Rounds are interleaved, so
that a busy machine slows everybody; the ratios of the medians are what counts. The aim
is at most 1/2 of either peer. Run it with `python -m benchmarks.metric_cost [rounds]`.
"""

from __future__ import annotations

import statistics
import sys
from timeit import Timer

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.metrics.view import View as SdkView
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from benchmarks.report import Figure, cost
from sluiceway.instrument import ExponentialAggregation, Telemetry, View

MEASUREMENTS = 5000
ROUNDS = 25
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LABELS = ("method", "status")

# What is measured, ours and who it is held against.
PAIRS = (
    ("counter.add(1, {...})", "counter, sluiceway", "counter, prometheus_client"),
    ("counter.add(1, {...})", "counter, sluiceway", "counter, SDK"),
    (
        "kept counter.add()",
        "kept counter, sluiceway",
        "kept counter, prometheus_client",
    ),
    (
        "histogram.record(v, {...})",
        "histogram, sluiceway",
        "histogram, prometheus_client",
    ),
    ("histogram.record(v, {...})", "histogram, sluiceway", "histogram, SDK"),
    (
        "kept histogram.record(v)",
        "kept histogram, sluiceway",
        "kept histogram, prometheus_client",
    ),
    ("exponential record(v, {...})", "exponential, sluiceway", "exponential, SDK"),
    ("gauge.set(v, {...})", "gauge, sluiceway", "gauge, prometheus_client"),
    ("gauge.set(v, {...})", "gauge, sluiceway", "gauge, SDK"),
    ("counter.add in a sampled span", "in a span, sluiceway", "in a span, SDK"),
    (
        "counter.add in a sampled span",
        "in a span, sluiceway",
        "in a span, prometheus_client",
    ),
)


ATTRIBUTES = '{"method": "GET", "status": "200"}'
EXEMPLAR = repr({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
CALLS = {
    "counter, sluiceway": f"counter.add(1, {ATTRIBUTES})",
    "counter, prometheus_client": "peer.labels('GET', '200').inc()",
    "counter, SDK": f"sdk_counter.add(1, {ATTRIBUTES})",
    "kept counter, sluiceway": "kept.add()",
    "kept counter, prometheus_client": "child.inc()",
    "histogram, sluiceway": f"histogram.record(0.3, {ATTRIBUTES})",
    "histogram, prometheus_client": "peer_histogram.labels('GET', '200').observe(0.3)",
    "histogram, SDK": f"sdk_histogram.record(0.3, {ATTRIBUTES})",
    "exponential, sluiceway": f"exponential.record(0.3, {ATTRIBUTES})",
    "exponential, SDK": f"sdk_exponential.record(0.3, {ATTRIBUTES})",
    "gauge, sluiceway": f"gauge.set(0.3, {ATTRIBUTES})",
    "gauge, prometheus_client": "peer_gauge.labels('GET', '200').set(0.3)",
    "gauge, SDK": f"sdk_gauge.set(0.3, {ATTRIBUTES})",
    "kept histogram, sluiceway": "kept_histogram.record(0.3)",
    "kept histogram, prometheus_client": "child_histogram.observe(0.3)",
}
SPANS = {
    "in a span, sluiceway": CALLS["counter, sluiceway"],
    "in a span, SDK": CALLS["counter, SDK"],
    "in a span, prometheus_client": (
        f"peer.labels('GET', '200').inc(1, {EXEMPLAR})"  # one that is ready to hand
    ),
}


def instruments():
    """What the calls are made of."""
    registry = CollectorRegistry()
    peer = Counter("c", "x", LABELS, registry=registry)
    peer_histogram = Histogram("h", "x", LABELS, registry=registry, buckets=BUCKETS)
    fine = SdkView(
        instrument_name="e", aggregation=ExponentialBucketHistogramAggregation()
    )
    provider = MeterProvider(
        [InMemoryMetricReader()], views=[fine], shutdown_on_exit=False
    )
    sdk = provider.get_meter("bench")
    views = [View("e", aggregation=ExponentialAggregation())]
    meter = Telemetry("bench", views=views).meter("bench")
    counter, histogram = meter.counter("c"), meter.histogram("h", buckets=BUCKETS)
    attributes = {"method": "GET", "status": "200"}
    return {
        "peer": peer,
        "child": peer.labels("GET", "200"),
        "peer_histogram": peer_histogram,
        "child_histogram": peer_histogram.labels("GET", "200"),
        "sdk_counter": sdk.create_counter("c"),
        "sdk_histogram": sdk.create_histogram(
            "h", explicit_bucket_boundaries_advisory=BUCKETS
        ),
        "sdk_exponential": sdk.create_histogram("e"),
        "exponential": meter.histogram("e"),
        "peer_gauge": Gauge("g", "x", LABELS, registry=registry),
        "sdk_gauge": sdk.create_gauge("g"),
        "gauge": meter.gauge("g"),
        "counter": counter,
        "histogram": histogram,
        "kept": counter.bind(attributes),
        "kept_histogram": histogram.bind(attributes),
    }


def medians_of(rounds):
    """The median of each, in nanoseconds."""
    known = instruments()
    calls = {name: Timer(call, globals=known) for name, call in CALLS.items()}
    spans = {name: Timer(call, globals=known) for name, call in SPANS.items()}
    tracer = Telemetry("bench").tracer("bench")
    found = {name: [] for name in (*calls, *spans)}
    for _ in range(rounds):
        for name, timer in calls.items():
            found[name].append(timer.timeit(MEASUREMENTS))
        with tracer.span("request"):
            for name, timer in spans.items():
                found[name].append(timer.timeit(MEASUREMENTS))
    return {
        name: statistics.median(each) / MEASUREMENTS * 1e9
        for name, each in found.items()
    }


def figures(*, short: bool = False) -> list[Figure]:
    medians = medians_of(7 if short else ROUNDS)
    return [
        cost(
            f"{name} vs {peer.rpartition(', ')[2]}",
            medians[ours],
            medians[peer],
            unit="ns",
            times=2,
        )
        for name, ours, peer in PAIRS
    ]


def main():
    medians = medians_of(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    print(f"{'ns per measurement':48}{'ours':>8}{'peer':>8}")
    for name, ours, peer in PAIRS:
        against = peer.rpartition(", ")[2]
        mine, theirs = medians[ours], medians[peer]
        print(
            f"{name + ' vs ' + against:48}{mine:8.0f}{theirs:8.0f}"
            f"{f'1/{theirs / mine:.1f}':>8}"
        )


if __name__ == "__main__":
    main()
