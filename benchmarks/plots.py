"""Plots of a report's figures, as SVG.

A benchmark says of each figure where it stands in which plot (``report.Spot``). Drawing
needs matplotlib, of the dependency group ``bench``; ``benchmarks.results`` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
        rate: whether figures, in ns, are shown as millions a second.
        bars: whether only what is farthest to the right is shown, side by side.
    """

    title: str
    x: str
    y: str
    rate: bool = False
    bars: bool = False

    def height(self, figure: float) -> float:
        """Of a figure, on the plot."""
        return 1e3 / figure if self.rate else figure


RATE = "million events a second of CPU"
PLOTS: Mapping[str, Plot] = {
    "engine-batch": Plot(
        "Throughput against batch size", "events in a batch", RATE, rate=True
    ),
    "engine-peers": Plot(
        "Map and filter, by engine", "events in a batch", RATE, rate=True, bars=True
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
        axes = canvas.add_subplot(title=plot.title)
        (draw_bars if plot.bars else draw_lines)(axes, plot, lines)
        canvas.savefig(path, metadata={"Date": None})
    return path


def draw_lines(axes: Any, plot: Plot, lines: Lines) -> None:
    """Logarithmic both ways if there are peers; who has one point is a level line."""
    across = sorted({x for points in lines.values() for x, _ in points})
    for line, points in lines.items():
        up = [plot.height(y) for _, y in points]
        if len(points) == 1:
            ends = [across[0], across[-1]]
            axes.plot(ends, up * 2, linestyle=":", label=line)
        else:
            axes.plot([x for x, _ in points], up, marker="o", markersize=4, label=line)
    axes.set(xlabel=plot.x, ylabel=plot.y)
    axes.set_xscale("symlog" if across[0] == 0 else "log")
    axes.set_xticks(apart(across), [f"{x:,g}" for x in apart(across)])
    axes.minorticks_off()
    if len(lines) == 1:
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
        axes.figure.legend(fontsize="small", loc="outside lower center", ncols=3)


def draw_bars(axes: Any, plot: Plot, lines: Lines) -> None:
    """Each line's last point, the highest on top, its figure beside it."""
    heights = {line: plot.height(points[-1][1]) for line, points in lines.items()}
    ranked = sorted(heights, key=heights.__getitem__)
    bars = axes.barh(ranked, [heights[line] for line in ranked])
    axes.bar_label(bars, fmt="%.2g", padding=3)
    last = max(x for points in lines.values() for x, _ in points)
    axes.set(xlabel=f"{plot.y}, {last:,g} {plot.x}", xscale="log")


def apart(places: list[float]) -> list[float]:
    """The places that leave room for their labels on a logarithmic axis."""
    kept = places[:1]
    for place in places[1:]:
        if kept[-1] == 0 or place >= 1.5 * kept[-1]:
            kept.append(place)
    return kept
