"""The HTML reports of ``bench`` and ``tune``."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.halving import CONTROL, Decision
from ..bench.meter import CURVE
from ..bench.page import Report
from ..bench.plots import Curve, plot
from ..bench.results import Result
from ..bench.tuning import Tuning, words_for
from .bench_text import (
    loss_lines,
    place_lines,
    size_text,
    stage_rows,
    time_text,
)


def bench_page(title: str, lines: Sequence[str], result: Result) -> str:
    """What a run has shown."""
    latency = result.latency
    tiles = {
        "events per second": f"{result.throughput:,.0f}",
        "latency, median": time_text(latency[50.0]),
        "latency, p99": time_text(latency[99.0]),
        "CPU per event": time_text(result.cpu_per_event),
        "memory at its peak": size_text(result.memory_peak),
        "events lost": f"{result.lost:,}",
    }
    curve = [(float(p), latency[p] * 1000) for p in CURVE]
    plots = [plot("Latency by percentile", "percentile", "ms", [Curve("", curve)])]
    rates = [(float(n), rate) for n, rate in enumerate(result.rates, 1)]
    if len(rates) > 1:
        second = [Curve("", rates)]
        plots.append(plot("Throughput over time", "seconds", "events/s", second))
    places = [line.strip().split("  ") for line in list(place_lines(result))[1:]]
    where = [[cells[0], " ".join(filter(None, cells[1:]))] for cells in places]
    where = [row for row in where if row[1]]
    tables = {
        "Stages": list(stage_rows(result.stages)),
        "Where the time goes": [["part", "time"], *where],
    }
    verdict = list(loss_lines(result))
    return Report(title, lines, tiles, verdict, plots, tables).html()


def tune_page(
    tuning: Tuning,
    decision: Decision,
    rows: Sequence[Sequence[str]],
    advice: Sequence[str],
    patch: str,
) -> str:
    """What a search has found."""
    interval = decision.interval
    sure = f"{interval.low:.2f} to {interval.high:.2f}"
    tiles = {
        f"times the {tuning.trials.goal} of now": f"{interval.ratio:.2f}",
        f"interval, {interval.confidence:.1%} confidence": sure,
        "fresh pairs compared": str(interval.pairs),
        "trials": str(tuning.made),
    }
    plots = []
    if tuning.curves:
        curves = [
            Curve(
                words_for(tuning.settings[index]),
                [(point.throughput, point.latency * 1000) for point in points],
            )
            for index, points in tuning.curves.items()
        ]
        title = "Latency (p99) against throughput"
        plots.append(plot(title, "events/s", "ms", curves))
    return Report(
        f"{tuning.trials.target}: settings tried",
        [f"{len(tuning.knobs)} settings, {len(tuning.settings) - 1} candidates"],
        tiles,
        advice,
        plots,
        {"Candidates": rows},
        patch,
    ).html()


def settings_to_draw(decision: Decision) -> list[int]:
    """The candidates that get a curve: the present settings, and the best ones."""
    best = [] if decision.best is None else [decision.best]
    return [CONTROL, *best]
