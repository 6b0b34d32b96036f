"""Metric points from ``counter.add`` to bytes on a socket, against the SDK.

Each of 1,000 series is measured once, then all are collected and sent: as many points
as measurements, which is the dearest a metric can be. Repeating are the same series in
each round, cumulative; distinct are series that were never seen before, as deltas, so
that both sides may forget them. How it is measured is told in ``export_runs``. Run it
with ``python -m benchmarks.export_points``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    PeriodicExportingMetricReader,
)

from benchmarks.export_runs import (
    Attributes,
    Distinct,
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

SERIES = 1000
NEVER = 3600.0  # seconds between two collections: a flush makes one


def maker(counter: Any) -> Make:
    def make(number: int, attributes: Attributes) -> None:
        counter.add(1, attributes(number))

    return make


def numbered(number: int) -> dict[str, Any]:
    """The attributes of one of the series that are there in every round."""
    return {"shop.shelf": number, "shop.region": "eu"}


def sdk_provider(to: Receiver, *, packed: bool, delta: bool) -> MeterProvider:
    exporter = OTLPMetricExporter(
        f"{to.url}/v1/metrics",
        compression=compression(packed=packed),
        preferred_temporality={Counter: AggregationTemporality.DELTA} if delta else {},
    )
    reader = PeriodicExportingMetricReader(
        exporter, export_interval_millis=NEVER * 1000
    )
    return MeterProvider([reader], shutdown_on_exit=False)


async def measure(
    to: Receiver, attributes: Attributes, rounds: int, *, packed: bool
) -> Medians:
    """Median CPU microseconds per point of each side."""
    delta = isinstance(attributes, Distinct)
    telemetry = Telemetry(
        "bench",
        export_interval=NEVER,
        temporality="delta" if delta else "cumulative",
    )
    sink = OtlpSink(to.url, compression="gzip" if packed else "none")
    provider = sdk_provider(to, packed=packed, delta=delta)
    async with Pipeline(telemetry.metrics >> sink) as pipeline:
        mine = telemetry.meter("bench").counter("shop.orders")
        theirs = provider.get_meter("bench").create_counter("shop.orders")
        sides = {
            "sluiceway": Side(maker(mine), pipeline.flush),
            "SDK": Side(maker(theirs), flush_of(provider)),
        }
        found = await compare(
            sides, attributes, rounds, events=SERIES, arrived=counter_of(to, "metrics")
        )
    provider.shutdown()
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == 0, ledger
    return found


def figures(*, short: bool = False) -> list[Figure]:
    rounds = 10 if short else 40
    found = []
    with receiver() as to:
        for words, given, packed in workloads():
            attributes = given if isinstance(given, Distinct) else numbered
            medians = asyncio.run(measure(to, attributes, rounds, packed=packed))
            found.append(beside(f"metric points exported, {words}", medians))
    return found


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
