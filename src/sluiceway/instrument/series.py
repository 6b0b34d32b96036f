"""The series of one metric stream: what was measured, by attributes.

Law: nothing is counted twice, nothing is lost. Measurements are added in place; beyond
the limit all go to one overflow series. A measurement finds its series by the bytes of
its attributes, which CPython makes in C and in which 1, 1.0 and True differ.
Source: OpenTelemetry specification, ``metrics/sdk.md``, "Cardinality limits".
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from logging import getLogger
from marshal import dumps
from types import NoneType
from typing import Any, Generic, TypeVar

from ..clock import Clock
from .exemplars import Reservoir
from .values import plain_attributes

Attributes = Mapping[str, Any] | None

LIMIT = 2000  # series of a stream
KEYS = 4  # for each series: other orders of attributes, or what a view filters
FORMAT = 2  # of the bytes: the last one in which equal values are always equal bytes
NO_KEY = b""
UNKNOWN = b"?"  # in no memo
OVERFLOW: Mapping[str, Any] = {"otel.metric.overflow": True}

bytes_of: Callable[..., bytes] = dumps

# Values whose bytes nothing else has: an array's would be those of a bytes object.
QUICK = frozenset({str, bool, int, float, NoneType})


class Series:
    """One series: its attributes, and what was measured since ``start``.

    Args:
        attributes: plain ones of its own.
        start: nanoseconds since the epoch.

    Attributes:
        reservoir: its exemplars, once there are any.
    """

    __slots__ = ("attributes", "reservoir", "start")

    def __init__(self, attributes: dict[str, Any], start: int) -> None:
        self.attributes = attributes
        self.start = start
        self.reservoir: Reservoir | None = None

    @abstractmethod
    def record(self, amount: float) -> None:
        """Add one measurement; the caller holds the table's lock."""

    @abstractmethod
    def value(self) -> Any:
        """What was measured, as a point's value."""


AnySeries = TypeVar("AnySeries", bound=Series)


class SeriesTable(Generic[AnySeries]):
    """Finds the series for given attributes.

    Args:
        name: the stream's name, for the one warning about the limit.
        make: an empty series for attributes and a start.
        own: plain attributes out of given ones, as far as a view keeps them.
        clock: tells the start of a series: its first measurement.
        limit: series before the overflow series.

    Attributes:
        memo: series by the bytes of attributes, for measuring without a lock.
        lock: held while a series is looked up and measured into in another way.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[dict[str, Any], int], AnySeries],
        clock: Clock,
        *,
        own: Callable[[Attributes], dict[str, Any]] = plain_attributes,
        limit: int = LIMIT,
    ) -> None:
        self._name = name
        self._make = make
        self._own = own
        self._clock = clock
        self._limit = limit
        self._overflows = self._warned = False
        self.memo: dict[bytes, AnySeries] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything: a forked child counts from zero."""
        self.lock = threading.RLock()  # a signal handler may measure meanwhile
        self._series: dict[bytes, AnySeries] = {}
        self.memo.clear()

    def find(self, attributes: Attributes) -> AnySeries:
        """The series, made if need be; the next time ``memo`` knows it.

        The caller holds ``lock`` until it has measured, and then calls ``tell``.
        """
        key = quick_key(attributes)
        found = None if key is None else self.memo.get(key)
        if found is not None:
            return found
        own = self._own(attributes)
        series = self._series_of(own)
        if key is not None and (own is series.attributes or own == series.attributes):
            if len(self.memo) >= KEYS * self._limit:
                self.memo.clear()
            self.memo[key] = series
        return series

    def _series_of(self, attributes: dict[str, Any]) -> AnySeries:
        key = canonical_key(attributes)
        series = self._series.get(key)
        if series is not None:
            return series
        if len(self._series) >= self._limit:
            key, attributes = NO_KEY, dict(OVERFLOW)
            self._overflows = True
        # setdefault, since a signal handler may have made it just now
        made = self._make(attributes, self._clock.time_ns())
        return self._series.setdefault(key, made)

    def tell(self) -> None:
        """Warn once if there is an overflow series.

        The caller does not hold ``lock``: a log handler may wait for somebody who does.
        """
        if self._overflows and not self._warned:
            self._warned = True
            getLogger(__name__).warning(
                "metric %r has more than %d series; further ones are counted "
                "together as otel.metric.overflow",
                self._name,
                self._limit,
            )

    def snapshot(self) -> list[AnySeries]:
        """Every series, the overflow series last."""
        with self.lock:
            return overflow_last(self._series)

    def take(self) -> list[AnySeries]:
        """Every series, which nobody measures into any more; the next begin anew."""
        with self.lock:
            taken, self._series = self._series, {}
            self.memo.clear()
            return overflow_last(taken)


def overflow_last(series: Mapping[bytes, AnySeries]) -> list[AnySeries]:
    """The series in order."""
    every = [*series.values()]  # in one go: a finalizer may measure at any other time
    last = series.get(NO_KEY)
    return every if last is None else [*(s for s in every if s is not last), last]


def quick_key(attributes: Attributes) -> bytes | None:
    """The bytes of the attributes; None if something else might have the same ones."""
    if attributes is None:
        return NO_KEY
    if type(attributes) is not dict or not QUICK.issuperset(
        map(type, attributes.values())
    ):
        return None
    try:
        return bytes_of(attributes, FORMAT) if attributes else NO_KEY
    except ValueError:  # a key that is no text
        return None


def canonical_key(attributes: dict[str, Any]) -> bytes:
    """A key that is equal for equal plain attributes in any order."""
    return bytes_of(sorted(attributes.items()), FORMAT)
