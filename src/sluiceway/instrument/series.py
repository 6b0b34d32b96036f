"""The series of one instrument: what was measured, by attributes.

Law: nothing is counted twice, nothing is lost. Each thread adds to a cell of its own:
that takes no lock, is exact, and may be interrupted by a signal handler that adds too.
A collection adds the cells up. Beyond the limit everything goes to one overflow series.
Source: OpenTelemetry specification, ``metrics/sdk.md``, cardinality limits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from logging import getLogger
from typing import Any, Generic, TypeVar

from .values import PLAIN, plain_attributes

Cell = TypeVar("Cell")
Key = tuple[Any, ...]

LIMIT = 2000  # series per instrument
OVERFLOW: Mapping[str, Any] = {"otel.metric.overflow": True}


class Series(Generic[Cell]):
    """One series: its attributes and the cell of each thread that measured it."""

    __slots__ = ("attributes", "cells")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.cells: dict[int, Cell] = {}


class SeriesTable(Generic[Cell]):
    """Finds the cell of a thread for given attributes.

    Args:
        instrument: the instrument's name, for the one warning about the limit.
        make_cell: an empty cell.
        limit: series before the overflow series.
    """

    def __init__(
        self, instrument: str, make_cell: Callable[[], Cell], limit: int = LIMIT
    ) -> None:
        self._instrument = instrument
        self._make_cell = make_cell
        self._limit = limit
        self.memo: dict[int, dict[Key, Cell]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything: a forked child counts from zero."""
        self._lock = threading.RLock()
        self._series: dict[Hashable, Series[Cell]] = {}
        self._overflow: Series[Cell] | None = None
        self.memo.clear()

    def find(self, thread: int, attributes: Mapping[str, Any] | None) -> Cell:
        """The cell, made if need be; the next time ``memo`` knows it."""
        own = plain_attributes(attributes)
        with self._lock:
            series = self._series_of(own)
            cell = series.cells.get(thread)
            if cell is None:
                cell = series.cells[thread] = self._make_cell()
            if series is not self._overflow and is_plain(attributes):
                # only plain values: the others could be many for one series
                self.memo.setdefault(thread, {})[key_of(attributes)] = cell
        return cell

    def _series_of(self, attributes: dict[str, Any]) -> Series[Cell]:
        key = canonical_key(attributes)
        series = self._series.get(key)
        if series is not None:
            return series
        if len(self._series) >= self._limit:
            return self._overflowing()
        series = self._series[key] = Series(attributes)
        return series

    def _overflowing(self) -> Series[Cell]:
        if self._overflow is None:
            self._overflow = Series(dict(OVERFLOW))
            getLogger(__name__).warning(
                "instrument %r has more than %d series; further ones are counted "
                "together as otel.metric.overflow",
                self._instrument,
                self._limit,
            )
        return self._overflow

    def snapshot(self) -> list[tuple[dict[str, Any], list[Cell]]]:
        """The attributes and the cells of each series."""
        with self._lock:
            series = [*self._series.values()]
            if self._overflow is not None:
                series.append(self._overflow)
            return [(one.attributes, [*one.cells.values()]) for one in series]


def key_of(attributes: Mapping[str, Any] | None) -> Key:
    """A quick key: equal for equal attributes in equal order, and types count."""
    if not attributes:
        return ()
    values = attributes.values()
    return (*attributes, *values, *map(type, values))


def canonical_key(attributes: dict[str, Any]) -> Hashable:
    """A key that is equal for equal attributes in any order; 1, 1.0 and True differ."""
    return frozenset(
        (key, type(value), repr(value) if isinstance(value, list | dict) else value)
        for key, value in attributes.items()
    )


def is_plain(attributes: Mapping[str, Any] | None) -> bool:
    """Whether every value is plain, and so the quick key good for the memo."""
    return not attributes or all(type(v) in PLAIN for v in attributes.values())
