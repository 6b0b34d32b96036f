"""Plots as SVG that stands in a page: no script, nothing to load.

Law: pure. Every text is escaped; colours are the page's, by class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from attrs import frozen

WIDTH: Final = 640
HEIGHT: Final = 320
LEFT: Final = 84
RIGHT: Final = 28
TOP: Final = 16
BOTTOM: Final = 58
TICKS: Final = 5
LEAST: Final = 1e-12  # what is smaller is drawn as 0
SERIES: Final = 4  # colours that the page has

Points = Sequence[tuple[float, float]]


@frozen
class Curve:
    """One line of a plot.

    Attributes:
        name: for the legend.
        points: from left to right.
    """

    name: str
    points: Points


@frozen
class Axis:
    """One direction of a plot, from 0.

    Attributes:
        title: what it shows, with its unit.
        top: where it ends.
        marks: the values to name, and how; by default some round ones.
    """

    title: str
    top: float
    marks: Mapping[float, str] = {}

    def share(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        return value / self.top

    def ticks(self) -> list[float]:
        """The values that are named."""
        if self.marks:
            return list(self.marks)
        step = step_of(self.top)
        return [step * n for n in range(int(self.top / step + 1e-9) + 1)]

    def name(self, value: float) -> str:
        """How a tick is called."""
        return escape(self.marks.get(value) or short(value))


def step_of(top: float) -> float:
    """A round distance of ticks: 1, 2 or 5 times a power of ten."""
    rough = top / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))


def axis(title: str, values: Sequence[float]) -> Axis:
    """An axis that ends at a tick above all values."""
    highest = max([value for value in values if math.isfinite(value)], default=0)
    highest = highest if highest >= LEAST else 1.0
    step = step_of(highest)
    return Axis(title, step * math.ceil(highest / step - 1e-9))


def plot(
    title: str,
    x_title: str,
    y_title: str,
    curves: Sequence[Curve],
    marks: Mapping[float, str] | None = None,
) -> str:
    """A figure of curves with points, axes and a legend.

    Args:
        title: above it.
        x_title: what the axis across shows.
        y_title: what the axis upwards shows.
        curves: the lines.
        marks: the ticks across, up to where the axis ends; some round ones by default.
    """
    across = axis(x_title, [x for curve in curves for x, _ in curve.points])
    if marks:
        across = Axis(x_title, max(marks), marks)
    up = axis(y_title, [y for curve in curves for _, y in curve.points])
    lines = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *grid(across, up),
    ]
    for number, curve in enumerate(curves):
        places = [place(across, up, x, y) for x, y in curve.points]
        colour = f"s{number % SERIES}"
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        lines.append(f'<polyline class="line {colour}" points="{path}"/>')
        lines += [
            f'<circle class="dot {colour}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            for x, y in places
        ]
    lines.append("</svg>")
    return "\n".join([f"<figure><figcaption>{escape(title)}</figcaption>", *lines,
                      *legend(curves), "</figure>"])  # fmt: skip


def place(across: Axis, up: Axis, x: float, y: float) -> tuple[float, float]:
    """Where a point stands in the figure."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return LEFT + across.share(x) * wide, TOP + (1 - up.share(y)) * high


def grid(across: Axis, up: Axis) -> Iterator[str]:
    """Lines and figures behind the curves."""
    left, bottom = place(across, up, 0, 0)
    right, top = place(across, up, across.top, up.top)
    for value in up.ticks():
        _, y = place(across, up, 0, value)
        yield f'<path class="grid" d="M{left} {y:.1f}H{right}"/>'
        name = up.name(value)
        yield f'<text x="{left - 8}" y="{y + 5:.1f}" class="end">{name}</text>'
    for value in across.ticks():
        x, _ = place(across, up, value, 0)
        yield f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>'
        yield (
            f'<text x="{x:.1f}" y="{bottom + 22}" class="middle">'
            f"{across.name(value)}</text>"
        )
    middle = (left + right) / 2
    yield (
        f'<text x="{middle}" y="{HEIGHT - 8}" class="middle title">'
        f"{escape(across.title)}</text>"
    )
    yield (
        f'<text transform="translate(18 {(top + bottom) / 2}) rotate(-90)" '
        f'class="middle title">{escape(up.title)}</text>'
    )


def legend(curves: Sequence[Curve]) -> Iterator[str]:
    """Which colour is whose, where there are several."""
    if len(curves) > 1:
        yield '<ul class="legend">'
        for number, curve in enumerate(curves):
            colour = f"s{number % SERIES}"
            yield f'<li><i class="key {colour}"></i>{escape(curve.name)}</li>'
        yield "</ul>"


def short(value: float) -> str:
    """A figure for an axis: ``150k``, ``0.25``."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g}{unit}"
    return f"{value:.3g}"
