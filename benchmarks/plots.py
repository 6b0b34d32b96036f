"""Plots of a report's figures, as SVG.

A benchmark says of each figure where it stands in which plot (``report.Spot``). Drawing
needs matplotlib, of the dependency group ``bench``; ``benchmarks.results`` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Figure

FOLDER = Path(__file__).parent / "plots"
STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "sluiceway",  # the same figures give the same file
}


class Plot(NamedTuple):
    """What stands on a plot.

    Attributes:
        title: over it.
        x: under it.
        y: beside it.
        rate: whether figures, in ns, are shown as events a second.
    """

    title: str
    x: str
    y: str
    rate: bool = False


RATE = "million events a second of CPU"
PLOTS: Mapping[str, Plot] = {
    "engine-batch": Plot(
        "Throughput against batch size", "events in a batch", RATE, rate=True
    ),
    "engine-peers": Plot(
        "Map and filter, by engine", "events in a batch", RATE, rate=True
    ),
    "engine-stages": Plot("Throughput against stages", "processors", RATE, rate=True),
    "engine-fan-out": Plot("Throughput against branches", "sinks", RATE, rate=True),
    "engine-workers": Plot(
        "A stage that waits 1 ms a batch of 100",
        "workers",
        "million events a second",
        rate=True,
    ),
    "growth-queue": Plot(
        "A queue filled and emptied", "events in the queue", "ns CPU per event"
    ),
    "growth-series-add": Plot("One measurement", "series", "ns CPU"),
    "growth-series-collect": Plot("A collection", "series", "us CPU per point"),
    "growth-attributes": Plot("A span made and flushed", "attributes", "ns CPU"),
    "growth-pipelines": Plot(
        "A pipeline started, used, stopped", "pipelines", "us CPU each"
    ),
}


Lines = dict[str, list[tuple[float, float]]]


def lines_of(figures: Iterable[Figure]) -> dict[str, Lines]:
    """The points of each line of each plot, from left to right."""
    plots: dict[str, dict[str, dict[float, float]]] = {}
    for figure in figures:
        spot = figure.spot
        if spot is None or spot.plot not in PLOTS:
            continue
        lines = plots.setdefault(spot.plot, {})
        if figure.ours is not None:
            lines.setdefault(spot.line, {})[spot.x] = figure.ours
        if spot.peer and figure.peer is not None:
            lines.setdefault(spot.peer, {})[spot.x] = figure.peer
    return {
        plot: {line: sorted(points.items()) for line, points in lines.items()}
        for plot, lines in plots.items()
    }


def draw(name: str, lines: Lines, folder: Path) -> Path:
    """One plot, as a file."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    plot, path = PLOTS[name], folder / f"{name}.svg"
    with rc_context(STYLE):
        canvas = Canvas(figsize=(7, 4), layout="constrained")
        axes = canvas.add_subplot()
        for line, points in lines.items():
            across = [x for x, _ in points]
            up = [1e3 / y if plot.rate else y for _, y in points]
            axes.plot(across, up, marker="o", markersize=4, label=line)
        axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y, xscale="log")
        axes.set_yscale("log" if len(lines) > 1 else "linear")
        if len(lines) == 1:
            axes.set_ylim(bottom=0)
        axes.legend(fontsize="small")
        canvas.savefig(path, metadata={"Date": None})
    return path
