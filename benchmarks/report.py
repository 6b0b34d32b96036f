"""What a benchmark has found, and the table that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

import msgspec


class Spot(msgspec.Struct, frozen=True):
    """Where a figure stands in a plot.

    Attributes:
        plot: the plot's name, one of ``benchmarks.plots.PLOTS``.
        x: how far to the right.
        line: the name of the line that goes through ``ours``.
        peer: the name of the one that goes through ``peer``; empty for none.
    """

    plot: str
    x: float
    line: str = "sluiceway"
    peer: str = ""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside the aim that it is held against.

    Attributes:
        name: what was measured.
        ours: our figure, in ``unit``; None if it could not be measured.
        unit: of ``ours`` and ``peer``.
        peer: the same of whom we are compared with; None if there is nobody.
        ratio: how many times better we are; None without a peer.
        aim: what is wanted, in words; empty if the figure is only shown.
        reached: whether the aim is; None without one.
        note: why a figure is missing.
        spot: where it stands in a plot, if it does.
        benchmark: the module that has measured it.
    """

    name: str
    ours: float | None
    unit: str = ""
    peer: float | None = None
    ratio: float | None = None
    aim: str = ""
    reached: bool | None = None
    note: str = ""
    spot: Spot | None = None
    benchmark: str = ""


def missing(name: str, note: str) -> Figure:
    """A figure that could not be measured here, and why."""
    return Figure(name=name, ours=None, note=note)


def cost(
    name: str,
    ours: float,
    peer: float,
    *,
    unit: str,
    times: float | None = None,
    spot: Spot | None = None,
) -> Figure:
    """A cost beside a peer's; the aim is to be ``times`` as cheap, if there is one."""
    ratio = peer / ours
    return Figure(
        name=name,
        ours=ours,
        unit=unit,
        peer=peer,
        ratio=ratio,
        aim="" if times is None else f"{times:g} times",
        reached=None if times is None else ratio >= times,
        spot=spot,
    )


def bounded(
    name: str,
    ours: float,
    *,
    unit: str,
    limit: float,
    peer: float | None = None,
    spot: Spot | None = None,
) -> Figure:
    """A figure that may not be above ``limit``."""
    return Figure(
        name=name,
        ours=ours,
        unit=unit,
        peer=peer,
        aim=f"at most {limit:g} {unit}".rstrip(),
        reached=ours <= limit,
        spot=spot,
    )


def figures_of(name: str, *, short: bool) -> list[Figure]:
    """The figures of one benchmark; here, so that another process can find it."""
    found: list[Figure] = import_module(f"benchmarks.{name}").figures(short=short)
    return [msgspec.structs.replace(figure, benchmark=name) for figure in found]


VERDICTS = {True: "reached", False: "MISSED", None: ""}
ROW = "{:<58}{:>10}{:>10} {:<8}{:>8}  {:<20}{}"


def table(figures: Iterable[Figure]) -> str:
    """The figures, one a line."""
    lines = [ROW.format("", "ours", "peer", "unit", "ratio", "aim", "")]
    lines += [
        ROW.format(
            figure.name,
            shown(figure.ours),
            shown(figure.peer),
            figure.unit,
            "" if figure.ratio is None else f"{figure.ratio:.1f}x",
            figure.aim,
            figure.note or VERDICTS[figure.reached],
        )
        for figure in figures
    ]
    return "\n".join(line.rstrip() for line in lines)


def shown(value: float | None) -> str:
    """A number with as many digits as mean something; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
