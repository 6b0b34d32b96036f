"""The HTML reports of ``bench`` and ``tune``."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf, log10
from typing import Final

from ..bench.comparing import Interval, median
from ..bench.halving import CONTROL, Decision
from ..bench.meter import CURVE, Percentiles
from ..bench.page import Report
from ..bench.plots import SERIES, Curve, plot
from ..bench.results import Result
from ..bench.tuning import Tuning, words_for
from ..errors import counted
from .bench_text import (
    UNKNOWN,
    hint_lines,
    loss_lines,
    place_lines,
    size_text,
    stage_rows,
    throughput_text,
    time_text,
)

THROUGHPUT: Final = "throughput"
NAMED: Final = (0.0, 50, 90, 99, 99.9, 99.99)  # percentiles on an axis
MOST_NINES: Final = 5.0


def bench_page(title: str, lines: Sequence[str], result: Result) -> str:
    """What a run has shown."""
    latency = result.latency
    known = latency.count > 0
    tiles = {
        "events per second": throughput_text(result),
        "latency, median": time_text(latency[50.0]) if known else UNKNOWN,
        "latency, p99": time_text(latency[99.0]) if known else UNKNOWN,
        "CPU per event": time_text(result.cpu_per_event),
        "memory at its peak": size_text(result.memory_peak),
        "events lost": f"{result.lost:,}",
    }
    plots = [latency_plot(latency)] if known else []
    rates = [(float(n), rate) for n, rate in enumerate(result.rates, 1)]
    if len(rates) > 1:
        second = [Curve("", rates)]
        plots.append(plot("Throughput over time", "seconds", "events/s", second))
    places = [line.strip().split("  ") for line in list(place_lines(result))[1:]]
    where = [list(filter(None, cells)) for cells in places]
    where = [row for row in where if len(row) > 1]
    tables = {
        "Stages": list(stage_rows(result.stages)),
        "Where the time goes": [["part", "time", ""], *where],
    }
    verdict = [*hint_lines(result), *loss_lines(result)]
    return Report(title, lines, tiles, verdict, plots, tables).html()


def latency_plot(latency: Percentiles) -> str:
    """Latencies by percentile, as wide from 90 to 99 as from 99 to 99.9 %."""
    points = [(nines(p), latency[p] * 1000) for p in CURVE]
    named = {nines(p): f"{p:g}" for p in NAMED} | {nines(100): "max"}
    title = "Latency by percentile"
    return plot(title, "percentile", "ms", [Curve("", points)], named)


def nines(percentile: float) -> float:
    """With how many nines a percentile begins; one more than any, for all events."""
    beyond = 1 - percentile / 100
    return MOST_NINES if beyond <= 0 else -log10(beyond)


def tune_page(
    tuning: Tuning,
    decision: Decision,
    rows: Sequence[Sequence[str]],
    advice: Sequence[str],
    patch: str,
) -> str:
    """What a search has found."""
    tried = len(tuning.settings) - 1
    return Report(
        f"{tuning.trials.target}: settings tried",
        [f"{len(tuning.knobs)} settings, {counted(tried, 'candidate')}"],
        tune_tiles(tuning, decision),
        advice,
        [tune_plot(tuning)] if tuning.curves or tuning.halving.shown else [],
        {"Candidates": rows},
        patch,
    ).html()


def tune_tiles(tuning: Tuning, decision: Decision) -> dict[str, str]:
    """What a search has found in a few figures; no ratio if nothing was compared."""
    interval = decision.interval
    sure = {
        f"times the {tuning.trials.goal} of now": f"{interval.ratio:.2f}",
        f"interval, {interval.confidence:.1%} confidence": interval_text(interval),
    }
    return {
        **(sure if interval.pairs else {}),
        "fresh pairs compared": str(interval.pairs),
        "trials": str(tuning.made),
    }


def interval_text(interval: Interval) -> str:
    """From where to where."""
    high = "infinity" if isinf(interval.high) else f"{interval.high:.2f}"
    return f"{interval.low:.2f} to {high}"


def tune_plot(tuning: Tuning) -> str:
    """Latency against throughput: a curve for each of the settings that were put under
    rising loads, and a dot for each of the fastest others.
    """
    curves = [
        Curve(
            words_for(tuning.settings[index]),
            [(point.throughput, point.latency * 1000) for point in points],
        )
        for index, points in tuning.curves.items()
    ]
    title = "Latency (p99) against throughput"
    others = dots(tuning)[: SERIES - len(curves)]
    return plot(title, "events/s", "ms", curves + others)


def dots(tuning: Tuning) -> list[Curve]:
    """The medians of settings without a curve: the present ones, then the fastest."""
    shown = tuning.halving.shown
    tried = [index for index in shown if shown[index] and index not in tuning.curves]
    fast = sorted(tried, key=lambda i: (i != CONTROL, -tuning.median_of(i, THROUGHPUT)))
    return [
        Curve(words_for(tuning.settings[index]), [place_of(tuning, index)])
        for index in fast
    ]


def place_of(tuning: Tuning, index: int) -> tuple[float, float]:
    """The throughput and the latency, in milliseconds, of a candidate's trials."""
    late = median([trial.latency for trial in tuning.halving.shown[index]])
    return tuning.median_of(index, THROUGHPUT), late * 1000


def settings_to_draw(decision: Decision) -> list[int]:
    """The candidates that get a curve: the present settings, and the best ones."""
    best = [] if decision.best is None else [decision.best]
    return [CONTROL, *best]
