"""What each stage does at this moment, out of two snapshots of its statistics.

Law: pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ...reports import StageStatistics


@frozen
class Figures:
    """One stage's figures.

    Attributes:
        incoming: events per second that came in or were made.
        outgoing: events per second that went on or were delivered.
        queue: how full the queue in front is, from 0 to 1; None without one.
        waiting: the events in it.
        latency: seconds that half of the calls took at most lately; None if there was
            none.
        tail: seconds that 99 in a hundred of them took at most.
        lost: events that were lost since the beginning.
    """

    name: str
    kind: str
    incoming: float
    outgoing: float
    queue: float | None
    waiting: int
    latency: float | None
    tail: float | None
    lost: int


def figures_of(
    before: Sequence[StageStatistics], now: Sequence[StageStatistics], seconds: float
) -> list[Figures]:
    """The figures of each stage between two snapshots, ``seconds`` apart."""
    pairs = zip(before, now, strict=True)
    return [stage_figures(old, new, max(seconds, 1e-9)) for old, new in pairs]


def stage_figures(
    old: StageStatistics, new: StageStatistics, seconds: float
) -> Figures:
    """The figures of one stage."""
    calls = new.calls.since(old.calls)
    return Figures(
        name=new.name,
        kind=new.kind,
        incoming=(new.incoming - old.incoming) / seconds,
        outgoing=(new.outgoing - old.outgoing) / seconds,
        queue=(new.queue_used or 0) / new.queue_capacity
        if new.queue_capacity
        else None,
        waiting=new.queue_used or 0,
        latency=calls.p50 if calls.count else None,
        tail=calls.p99 if calls.count else None,
        lost=new.lost,
    )


def rate_text(rate: float) -> str:
    """Events per second, as many digits as mean something."""
    return f"{rate:,.0f}" if rate >= 9.95 or rate == 0 else f"{rate:.1f}"


def time_text(seconds: float | None) -> str:
    """A duration with the unit that suits it."""
    if seconds is None:
        return "-"
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 999.5:
            value = seconds * factor
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{seconds:.1f} s"
