"""Counter, UpDownCounter, Gauge and Histogram: aggregated where they are measured.

Law: measuring never raises and never waits. A measurement that cannot be meant (NaN,
infinity, a counter that goes down) is refused, and said once. Sums are cumulative from
the instrument's beginning.
"""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from logging import getLogger
from threading import get_ident
from typing import Any, Generic, TypeVar

from attrs import frozen
from opentelemetry import metrics as api
from opentelemetry.context import Context
from opentelemetry.metrics import _Gauge as ApiGauge

from ..errors import ConfigurationError
from ..events import Histogram as HistogramValue
from ..events import MetricKind, MetricPoint, Resource, Scope, Temporality, copy_value
from .series import SeriesTable, key_of

Cell = TypeVar("Cell")
Attributes = Mapping[str, Any] | None
INFINITY = math.inf
LARGEST = sys.float_info.max
EVERY_THREAD = 0  # where the last measurement counts, the threads share a cell


@frozen
class Description:
    """What an instrument is: its identity within its meter."""

    name: str
    kind: MetricKind
    unit: str = ""
    description: str = ""
    is_monotonic: bool = False


@frozen
class Moment:
    """What the points of one collection share."""

    resource: Resource
    scope: Scope
    time_unix_nano: int


class Instrument(Generic[Cell]):
    """What the instruments share.

    Args:
        description: name, unit and the like.
        start_time: nanoseconds since the epoch; sums count from here.
    """

    def __init__(self, description: Description, start_time: int) -> None:
        self.description = description
        self._start = start_time
        self._table: SeriesTable[Cell] = SeriesTable(description.name, self._new_cell)
        self._memo = self._table.memo
        self._refused: set[str] = set()

    @abstractmethod
    def _new_cell(self) -> Cell:
        """An empty cell."""

    @abstractmethod
    def _value(self, cells: list[Cell]) -> Any:
        """A point's value out of the cells of a series."""

    def start_afresh(self, start_time: int) -> None:
        """Count from zero, from now on."""
        self._start = start_time
        self._table.reset()

    def points(self, moment: Moment) -> Iterator[MetricPoint]:
        """A point for each series."""
        of_gauge = self.description.kind is MetricKind.GAUGE
        for attributes, cells in self._table.snapshot():
            yield MetricPoint(
                name=self.description.name,
                value=self._value(cells),
                kind=self.description.kind,
                unit=self.description.unit,
                description=self.description.description,
                attributes=copy_value(attributes),
                time_unix_nano=moment.time_unix_nano,
                start_time_unix_nano=0 if of_gauge else self._start,
                temporality=Temporality.CUMULATIVE,
                is_monotonic=self.description.is_monotonic,
                resource=moment.resource,
                scope=moment.scope,
            )

    def _cell(self, attributes: Attributes, thread: int | None = None) -> Cell:
        """The cell to measure into: this thread's, or the one that is asked for."""
        if thread is None:
            thread = get_ident()
        try:
            return self._memo[thread][key_of(attributes)]
        except (KeyError, TypeError, AttributeError):
            return self._table.find(thread, attributes)

    def _refuse(self, amount: object, expected: str) -> None:
        if expected not in self._refused:
            self._refused.add(expected)
            getLogger(__name__).warning(
                "%s was given %r; expected %s. Such measurements are not counted; "
                "this is said once",
                self.description.name,
                amount,
                expected,
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.description.name}>"


class Number:
    """A cell that holds a number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Sum(Instrument[Number]):
    """What the counters share."""

    def _new_cell(self) -> Number:
        return Number()

    def _value(self, cells: list[Number]) -> float:
        return plain_number(sum(cell.value for cell in cells))


class Counter(Sum, api.Counter):
    """Adds up what only grows, such as requests served."""

    def add(
        self,
        amount: float = 1,
        attributes: Attributes = None,
        context: Context | None = None,  # noqa: ARG002 - the API's
    ) -> None:
        """Add ``amount``; a negative one, NaN or infinity is refused."""
        try:
            fits = 0 <= amount <= LARGEST
        except TypeError:
            fits = False
        if not fits:
            self._refuse(amount, "a finite number from 0")
            return
        thread = get_ident()
        try:
            cell = self._memo[thread][key_of(attributes) if attributes else ()]
        except (KeyError, TypeError, AttributeError):
            cell = self._table.find(thread, attributes)
        cell.value += amount


class UpDownCounter(Sum, api.UpDownCounter):
    """Adds up what may also be taken away, such as requests in progress."""

    def add(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,  # noqa: ARG002 - the API's
    ) -> None:
        """Add ``amount``, which may be negative; NaN and infinity are refused."""
        if is_finite(amount):
            self._cell(attributes).value += amount
        else:
            self._refuse(amount, "a finite number")


class Gauge(Instrument[Number], ApiGauge):
    """Keeps the last value, such as a temperature."""

    def set(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,  # noqa: ARG002 - the API's
    ) -> None:
        """The value from now on; NaN and infinity are refused."""
        if is_finite(amount):
            self._cell(attributes, EVERY_THREAD).value = amount
        else:
            self._refuse(amount, "a finite number")

    def _new_cell(self) -> Number:
        return Number()

    def _value(self, cells: list[Number]) -> float:
        return plain_number(cells[0].value)


class Buckets:
    """A cell that counts measurements in buckets."""

    __slots__ = ("counts", "high", "low", "total")

    def __init__(self, size: int) -> None:
        self.counts = [0] * size
        self.total: float = 0
        self.low = INFINITY
        self.high = -INFINITY


class Histogram(Instrument[Buckets], api.Histogram):
    """Counts measurements in buckets, such as durations.

    Args:
        description: name, unit and the like.
        start_time: nanoseconds since the epoch.
        bounds: the buckets' upper bounds, each of which belongs to its bucket.
    """

    def __init__(
        self, description: Description, start_time: int, bounds: Sequence[float]
    ) -> None:
        self._bounds = check_bounds(description.name, bounds)
        super().__init__(description, start_time)

    def record(
        self,
        amount: float,
        attributes: Attributes = None,
        context: Context | None = None,  # noqa: ARG002 - the API's
    ) -> None:
        """Count one measurement; NaN and infinity are refused."""
        if not is_finite(amount):
            self._refuse(amount, "a finite number")
            return
        cell = self._cell(attributes)
        cell.counts[bisect_left(self._bounds, amount)] += 1
        cell.total += amount
        if amount < cell.low:  # noqa: PLR1730 - a call of min() costs as much as the rest
            cell.low = amount
        if amount > cell.high:  # noqa: PLR1730
            cell.high = amount

    def _new_cell(self) -> Buckets:
        return Buckets(len(self._bounds) + 1)

    def _value(self, cells: list[Buckets]) -> HistogramValue:
        counts = [
            sum(column) for column in zip(*(c.counts for c in cells), strict=True)
        ]
        low = min(cell.low for cell in cells)
        high = max(cell.high for cell in cells)
        return HistogramValue(
            count=sum(counts),
            sum=float(sum(cell.total for cell in cells)),
            bucket_counts=counts,
            explicit_bounds=[*self._bounds],
            min=float(low) if low < INFINITY else None,
            max=float(high) if high > -INFINITY else None,
        )


def is_finite(amount: object) -> bool:
    """Whether it is a number that can be added up and fits a float."""
    try:
        return -LARGEST <= amount <= LARGEST  # type: ignore[operator]
    except TypeError:
        return False


def plain_number(value: Any) -> float:
    """A plain int or float out of whatever kind of number was measured."""
    return value if type(value) in {int, float} else float(value)


def check_bounds(name: str, bounds: Sequence[float]) -> tuple[float, ...]:
    """The bounds, if they rise.

    Raises:
        ConfigurationError: they do not rise strictly, or are not finite.
    """
    own = tuple(bounds)
    rising = all(low < high for low, high in pairwise(own))
    if not rising or not all(map(is_finite, own)):
        raise ConfigurationError(
            f"histogram {name!r} has the buckets {list(own)!r}; expected finite "
            "numbers, each above the one before"
        )
    return own
