"""Resident memory while millions of spans are emitted into a pipeline to nowhere.

The sink's endpoint refuses connections and its queue of 8,192 events sheds the oldest;
memory is read at ten points after the first tenth, when every queue is full. Flat means
that it grows by less than ``LIMIT`` from there on. Run it with
``python -m benchmarks.backlog_memory [emits]``.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from logging import CRITICAL, getLogger
from pathlib import Path

from benchmarks.report import Figure, bounded, table
from sluiceway import Inlet, Pipeline, Queue
from sluiceway.events import Resource, Scope, Span
from sluiceway.sinks import OtlpSink

EMITS = 10_000_000
SHORT = 1_000_000
POINTS = 10
AT_ONCE = 1000
LIMIT = 4  # MiB
RESOURCE = Resource({"service.name": "bench"})
SCOPE = Scope("bench")


def resident() -> float:
    """MiB of memory that the process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def dead_address() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def make_span(number: int) -> Span:
    return Span(
        name="GET /cart",
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        attributes={"cart.id": number, "region": "eu"},
        resource=RESOURCE,
        scope=SCOPE,
    )


async def emit(inlet: Inlet[Span], first: int, count: int) -> None:
    for start in range(first, first + count, AT_ONCE):
        taken = await inlet.emit_many(map(make_span, range(start, start + AT_ONCE)))
        assert taken == AT_ONCE


async def measure(emits: int) -> list[float]:
    """MiB at each point."""
    inlet: Inlet[Span] = Inlet("spans")
    queue = Queue(capacity=8192, when_full="drop_oldest")
    pipeline = Pipeline(
        inlet >> OtlpSink(dead_address(), queue=queue), drain_timeout=0.1
    )
    step = emits // POINTS
    points = []
    async with pipeline:
        for point in range(POINTS):
            await emit(inlet, 1 + point * step, step)
            points.append(resident())
    ledger = pipeline.ledger()
    assert ledger.balanced, ledger
    assert ledger.lost == emits, ledger
    return points


def figure_of(points: list[float], emits: int) -> Figure:
    name = f"memory's growth, {emits / 1e6:g} M emits to a dead sink"
    return bounded(name, max(points) - points[0], unit="MiB", limit=LIMIT)


def figures(*, short: bool = False) -> list[Figure]:
    getLogger("sluiceway").setLevel(CRITICAL)  # a dead sink is told of
    emits = SHORT if short else EMITS
    return [figure_of(asyncio.run(measure(emits)), emits)]


def main() -> None:
    getLogger("sluiceway").setLevel(CRITICAL)
    emits = int(sys.argv[1]) if len(sys.argv) > 1 else EMITS
    points = asyncio.run(measure(emits))
    print(f"MiB at each tenth: {' '.join(f'{point:.1f}' for point in points)}")
    print(table([figure_of(points, emits)]))


if __name__ == "__main__":
    main()
