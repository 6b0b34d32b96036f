"""csp: nodes for single events, and the same with lists as events.

Time is simulated, so that nothing waits; the events stand ready in a curve.
"""

# ruff: noqa: RET503 - a node that returns nothing does not tick
# No `from __future__ import annotations`: csp reads the types of its nodes.
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import csp

from benchmarks.engine_runs import Form, increment, is_odd

BEGIN = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # csp wants it naive


class Count:
    taken = 0


@csp.node
def change(event: csp.ts[int]) -> csp.ts[int]:
    if csp.ticked(event):
        return increment(event)


@csp.node
def keep(event: csp.ts[int]) -> csp.ts[int]:
    if csp.ticked(event) and is_odd(event):
        return event


@csp.node
def count(event: csp.ts[int], total: object):
    if csp.ticked(event):
        total.taken += 1


@csp.node
def change_all(events: csp.ts[list]) -> csp.ts[list]:
    if csp.ticked(events):
        return [increment(event) for event in events]


@csp.node
def keep_odd(events: csp.ts[list]) -> csp.ts[list]:
    if csp.ticked(events):
        return [event for event in events if is_odd(event)]


@csp.node
def count_all(events: csp.ts[list], total: object):
    if csp.ticked(events):
        total.taken += len(events)


@csp.graph
def by_event(curve: object, total: object):
    count(keep(change(csp.curve(int, curve))), total)


@csp.graph
def by_list(curve: object, total: object):
    count_all(keep_odd(change_all(csp.curve(list, curve))), total)


def curve_of(ticks: list) -> list:
    return [(timedelta(microseconds=at), tick) for at, tick in enumerate(ticks)]


def run(graph: Callable, curve: list, events: int) -> float:
    total = Count()
    started = time.process_time()
    csp.run(graph, curve, total, starttime=BEGIN, endtime=timedelta(days=1))
    elapsed = time.process_time() - started
    assert total.taken == events // 2
    return elapsed


def run_events(events: int, batch: int) -> float:  # noqa: ARG001 - moves no batches
    return run(by_event, curve_of(list(range(events))), events)


def run_lists(events: int, batch: int) -> float:
    starts = range(0, events, batch)
    lists = [list(range(start, start + batch)) for start in starts]
    return run(by_list, curve_of(lists), events)


FORMS = (
    Form("events by nodes", 20_000, run_events),
    Form("lists by nodes", 100_000, run_lists),
)
