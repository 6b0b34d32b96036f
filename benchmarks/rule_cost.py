"""What a rule costs for each event that it is given, and for each look at its series.

Nobody else makes alerts inside the process, so that the figures stand for themselves.
Run it with ``python -m benchmarks.rule_cost``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.report import Figure, table
from sluiceway.alerting import RateRule, RatioRule, ThresholdRule
from sluiceway.alerting.rule import Rule
from sluiceway.events import MetricKind, MetricPoint, Resource, Span, SpanKind

EVENTS = 10_000
SHOP = Resource({"service.name": "shop"})


def spans() -> list[Span]:
    return [
        Span(
            name="GET",
            trace_id=bytes(16),
            span_id=bytes(8),
            kind=SpanKind.SERVER,
            end_time_unix_nano=10**6,
            attributes={
                "http.route": f"/{n % 20}",
                "http.response.status_code": 200 if n % 50 else 500,
            },
            resource=SHOP,
        )
        for n in range(EVENTS)
    ]


def sums() -> list[MetricPoint]:
    return [
        MetricPoint(
            name="requests",
            value=n,
            kind=MetricKind.SUM,
            attributes={"route": n % 100},
            resource=SHOP,
        )
        for n in range(EVENTS)
    ]


RULES: dict[str, tuple[Callable[[], Rule], Callable[[], list[Any]]]] = {
    "a rate of spans": (lambda: RateRule("A", above=1e9), spans),
    "a ratio, where and of, in 20 series": (
        lambda: RatioRule(
            "A",
            where={"kind": "server"},
            of={"attributes.http.response.status_code": ">= 500"},
            by=["attributes.http.route"],
            above=0.5,
        ),
        spans,
    ),
    "the mean duration": (
        lambda: ThresholdRule("A", value="duration", aggregate="mean", above=5),
        spans,
    ),
    "a rate of 100 counters": (lambda: RateRule("A", above=1e12), sums),
}


def per_event(rule: Rule, events: list[Any], rounds: int) -> float:
    """Median nanoseconds."""
    times = []
    for number in range(rounds):
        begin = time.process_time()
        rule.add(events, number / 1000)
        times.append((time.process_time() - begin) / len(events) * 1e9)
    return statistics.median(times)


def per_series(rounds: int) -> float:
    """Median nanoseconds of a look at one of 10,000 series."""
    rule = ThresholdRule("A", above=1e9, by=["attributes.n"])
    rule.add(
        [MetricPoint(name="x", value=1, attributes={"n": n}) for n in range(EVENTS)], 0
    )
    times = []
    for number in range(rounds):
        begin = time.process_time()
        rule.flush(number / 1000)
        times.append((time.process_time() - begin) / EVENTS * 1e9)
    return statistics.median(times)


def figures(*, short: bool = False) -> list[Figure]:
    rounds = 5 if short else 21
    found = [
        Figure(
            name=f"rule, {name}, per event",
            ours=per_event(make(), events(), rounds),
            unit="ns CPU",
        )
        for name, (make, events) in RULES.items()
    ]
    look = Figure(
        name="rule, a look, per series", ours=per_series(rounds), unit="ns CPU"
    )
    return [*found, look]


def main() -> None:
    print(table(figures()))


if __name__ == "__main__":
    main()
