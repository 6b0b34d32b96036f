"""bytewax: ``map`` and ``filter``, and ``flat_map_batch``, its quickest form.

The source is one of its own kind that gives a list per batch, which is quicker than its
``TestingSource``; one worker in the calling thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.engine_runs import Form, increment, is_odd


class Numbers(StatelessSourcePartition):
    def __init__(self, events: int, batch: int) -> None:
        self.starts = iter(range(0, events, batch))
        self.batch = batch

    def next_batch(self) -> list[int]:
        start = next(self.starts)  # StopIteration is how a source ends
        return list(range(start, start + self.batch))


class Input(DynamicSource):
    def __init__(self, events: int, batch: int) -> None:
        self.events = events
        self.batch = batch

    def build(self, step_id, worker_index, worker_count):  # noqa: ARG002 - bytewax's
        return Numbers(self.events, self.batch)


class Count(StatelessSinkPartition):
    def __init__(self, output: Output) -> None:
        self.output = output

    def write_batch(self, items: list[int]) -> None:
        self.output.taken += len(items)


class Output(DynamicSink):
    taken = 0

    def build(self, step_id, worker_index, worker_count):  # noqa: ARG002 - bytewax's
        return Count(self)


def by_event(stream: Stream) -> Stream:
    return op.filter("keep", op.map("change", stream, increment), is_odd)


def by_list(stream: Stream) -> Stream:
    changed = op.flat_map_batch("change", stream, change_all)
    return op.flat_map_batch("keep", changed, keep_odd)


def change_all(events: list[int]) -> list[int]:
    return [increment(event) for event in events]


def keep_odd(events: list[int]) -> list[int]:
    return [event for event in events if is_odd(event)]


def run(chain: Callable[[Stream], Stream], events: int, batch: int) -> float:
    flow, output = Dataflow("chain"), Output()
    op.output("out", chain(op.input("in", flow, Input(events, batch))), output)
    started = time.process_time()
    run_main(flow)
    elapsed = time.process_time() - started
    assert output.taken == events // 2
    return elapsed


FORMS = (
    Form("events by map", 100_000, partial(run, by_event)),
    Form("lists by flat_map_batch", 100_000, partial(run, by_list)),
)
