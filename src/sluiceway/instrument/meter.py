"""Meter: makes the instruments of one library or module."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from logging import getLogger
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.metrics import Meter as ApiMeter

from ..errors import ConfigurationError
from ..events import MetricKind, MetricPoint, Resource, Scope
from .instruments import (
    Counter,
    Description,
    Gauge,
    Histogram,
    Instrument,
    Moment,
    UpDownCounter,
)
from .observables import (
    Callback,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
)

if TYPE_CHECKING:
    from ..clock import Clock

InstrumentType = TypeVar("InstrumentType", bound=Instrument[Any])

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}")
UNIT = re.compile(r"[\x00-\x7f]{0,63}")

# The specification's default, which suits milliseconds, and the HTTP conventions' for
# durations in seconds.
BUCKETS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Meter(ApiMeter):
    """Makes instruments; asked twice for the same one it gives the same object.

    Args:
        scope: the library or module that the instruments are of.
        clock: tells when an instrument begins.
    """

    def __init__(self, scope: Scope, clock: Clock) -> None:
        super().__init__(scope.name, scope.version or None, scope.schema_url or None)
        self.scope = scope
        self._clock = clock
        self._lock = threading.RLock()
        self._instruments: dict[tuple[str, object, str], Instrument[Any]] = {}

    def counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """A sum that only grows.

        Args:
            name: a letter, then letters, digits, ``_ . - /``; at most 255 characters.
            unit: UCUM, such as ``"By"``; at most 63 ASCII characters.
            description: for a person.

        Raises:
            ConfigurationError: a name or unit that is not allowed.
        """
        told = Description(name, MetricKind.SUM, unit, description, is_monotonic=True)
        return self._make(told, Counter)

    def up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> UpDownCounter:
        """A sum that may also fall; see ``counter`` for the arguments."""
        told = Description(name, MetricKind.SUM, unit, description)
        return self._make(told, UpDownCounter)

    def gauge(self, name: str, unit: str = "", description: str = "") -> Gauge:
        """A value that is set; see ``counter`` for the arguments."""
        return self._make(Description(name, MetricKind.GAUGE, unit, description), Gauge)

    def histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        buckets: Sequence[float] | None = None,
    ) -> Histogram:
        """Measurements counted in buckets; see ``counter`` for the other arguments.

        Args:
            name: as for ``counter``.
            unit: ``"s"`` also chooses buckets for durations, 5 ms to 10 s.
            description: for a person.
            buckets: rising upper bounds, each of which belongs to its bucket.

        Raises:
            ConfigurationError: a name or unit that is not allowed, or such buckets.
        """
        bounds = buckets if buckets is not None else SECONDS if unit == "s" else BUCKETS
        told = Description(name, MetricKind.HISTOGRAM, unit, description)
        return self._make(told, Histogram, bounds)

    def _make(
        self, told: Description, kind: Callable[..., InstrumentType], *further: Any
    ) -> InstrumentType:
        check_name(told)
        key = (told.name.lower(), kind, told.unit)
        with self._lock:
            known: Any = self._instruments.get(key)
            if known is None:
                self._warn_of_namesakes(told)
                known = kind(told, self._clock.time_ns(), *further)
                self._instruments[key] = known
        made: InstrumentType = known
        return made

    def _warn_of_namesakes(self, told: Description) -> None:
        for name, kind, unit in self._instruments:
            if name == told.name.lower():
                getLogger(__name__).warning(
                    "meter %s has two instruments %r, a %s in %r and another one in %r",
                    self.scope.name,
                    told.name,
                    getattr(kind, "__name__", kind),
                    unit,
                    told.unit,
                )

    def collect(self, resource: Resource) -> Iterator[MetricPoint]:
        """A point for every series of every instrument, as of now."""
        moment = Moment(resource, self.scope, self._clock.time_ns())
        for instrument in self._every():
            yield from instrument.points(moment)

    def after_fork(self) -> None:
        """Count from zero in a forked child: what was counted is the parent's."""
        self._lock = threading.RLock()
        now = self._clock.time_ns()
        for instrument in self._every():
            instrument.start_afresh(now)

    def _every(self) -> list[Instrument[Any]]:
        with self._lock:
            return [*self._instruments.values()]

    # The API's spelling.

    def create_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> Counter:
        """``counter`` in the API's spelling."""
        return self.counter(name, unit, description)

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> UpDownCounter:
        """``up_down_counter`` in the API's spelling."""
        return self.up_down_counter(name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Gauge:
        """``gauge`` in the API's spelling."""
        return self.gauge(name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        """``histogram`` in the API's spelling."""
        buckets = explicit_bucket_boundaries_advisory
        return self.histogram(name, unit, description, buckets=buckets)

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[Callback] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableCounter:
        """A sum that only grows, asked for at each collection."""
        told = Description(name, MetricKind.SUM, unit, description, is_monotonic=True)
        return self._make(told, ObservableCounter).ask(callbacks)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[Callback] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableUpDownCounter:
        """A sum that may fall, asked for at each collection."""
        told = Description(name, MetricKind.SUM, unit, description)
        return self._make(told, ObservableUpDownCounter).ask(callbacks)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[Callback] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableGauge:
        """A value, asked for at each collection."""
        told = Description(name, MetricKind.GAUGE, unit, description)
        return self._make(told, ObservableGauge).ask(callbacks)

    def __repr__(self) -> str:
        return f"<Meter {self.scope.name} with {len(self._instruments)} instruments>"


def check_name(told: Description) -> None:
    """Refuse names and units that OpenTelemetry does not allow.

    Raises:
        ConfigurationError: it names the rule.
    """
    if not isinstance(told.name, str) or NAME.fullmatch(told.name) is None:
        raise ConfigurationError(
            f"instrument name {told.name!r} is not allowed; expected a letter, then "
            "letters, digits, '_', '.', '-' or '/', at most 255 characters in all"
        )
    if not isinstance(told.unit, str) or UNIT.fullmatch(told.unit) is None:
        raise ConfigurationError(
            f"unit {told.unit!r} of instrument {told.name!r} is not allowed; expected "
            "at most 63 ASCII characters, such as 's' or 'By'"
        )
