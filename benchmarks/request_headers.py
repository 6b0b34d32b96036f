"""What the headers of one request cost: our propagators against the API's own.

"in" reads ``traceparent``, ``tracestate`` and ``baggage``, "out" writes them, and "a
hop" is what a service does between two others: read, start a span, write. The hop of
our peer starts a span of the SDK's. Rounds are interleaved; the ratios of the medians
are what counts. Run it with `python -m benchmarks.request_headers [rounds]`.
"""

from __future__ import annotations

import statistics
import sys
import time

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from benchmarks.report import Figure, cost
from sluiceway.instrument import Telemetry

REQUESTS = 1000
ROUNDS = 15
HEADERS = {
    "traceparent": "00-12345678901234567890123456789012-1234567890123456-01",
    "tracestate": "vendor=opaque-value,ot=th:8",
    "baggage": "user=alice,region=eu%20west,tier=gold",
}
IN, OUT, HOP = "headers, in", "headers, out", "headers, a hop"


def calls_of(propagator, tracer):
    """What is measured, by its name."""
    came = propagator.extract(HEADERS)
    context = set_span_in_context(tracer.start_span("work", came), came)

    def hop():
        parent = propagator.extract(HEADERS)
        with tracer.start_as_current_span("work", parent):
            propagator.inject({})

    return {
        IN: lambda: propagator.extract(HEADERS),
        OUT: lambda: propagator.inject({}, context),
        HOP: hop,
    }


def timed(call):
    """Nanoseconds per request."""
    begin = time.perf_counter()
    for _ in range(REQUESTS):
        call()
    return (time.perf_counter() - begin) / REQUESTS * 1e9


def medians_of(rounds):
    """For each call its median, ours and the peer's, in ns."""
    propagators = [TraceContextTextMapPropagator(), W3CBaggagePropagator()]
    peer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")
    theirs = calls_of(CompositePropagator(propagators), peer)
    telemetry = Telemetry("bench", propagators=["tracecontext", "baggage"])
    mine = calls_of(telemetry.propagator, telemetry.tracer("bench"))
    found = {name: ([], []) for name in mine}
    for _ in range(rounds):
        for name, both in found.items():
            both[0].append(timed(mine[name]))
            both[1].append(timed(theirs[name]))
    return {name: tuple(map(statistics.median, both)) for name, both in found.items()}


def figures(*, short: bool = False) -> list[Figure]:
    medians = medians_of(5 if short else ROUNDS)
    return [
        cost(name, ours, theirs, unit="ns", times=1)
        for name, (ours, theirs) in medians.items()
    ]


def main():
    medians = medians_of(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    print(f"{'ns per request':16}{'ours':>8}{'API, SDK':>10}")
    for name, (ours, theirs) in medians.items():
        print(f"{name:16}{ours:8.0f}{theirs:10.0f}{theirs / ours:8.1f} times")


if __name__ == "__main__":
    main()
