"""The meter in the OpenTelemetry API's spelling, for libraries that others wrote.

Law: a library's mistake is warned of and never raised: the application that loads the
library could not mend it. A bad name makes an instrument that measures nothing.
Source: OpenTelemetry specification, ``metrics/api.md``; ``metrics/sdk.md``, "Meter".
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Sequence
from logging import getLogger
from typing import Any, TypeVar

from opentelemetry import metrics as api
from opentelemetry.metrics import Meter as ApiMeter
from opentelemetry.metrics import NoOpMeter
from opentelemetry.metrics import _Gauge as ApiGauge

from ..errors import ConfigurationError
from .aggregations import HistogramAggregation
from .instruments import Counter, Gauge, Histogram, Instrument, UpDownCounter
from .kinds import NAME, Description, InstrumentKind
from .observables import (
    Callback,
    Observable,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
)
from .values import text_of

InstrumentType = TypeVar("InstrumentType", bound=Instrument)
ObservableType = TypeVar("ObservableType", bound=Observable)
Callbacks = Sequence[Callback] | None

NOTHING = NoOpMeter("")


class ApiSpelling(ApiMeter):
    """The ``create_`` methods of a meter."""

    @abstractmethod
    def make(self, told: Description, kind: type[InstrumentType]) -> InstrumentType:
        """The instrument, the known one if there is one like it."""

    def _made(
        self,
        kind: type[InstrumentType],
        told: tuple[InstrumentKind, Any, Any, Any],
        buckets: Sequence[float] | None = None,
    ) -> InstrumentType | None:
        """The instrument; None for a name that is not allowed."""
        what, name, unit, description = told
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            getLogger(__name__).warning(
                "the instrument name %.300r is not allowed; it will measure nothing",
                name,
            )
            return None
        bounds = None if buckets is None else bounds_or_none(name, buckets)
        unit, description = text_of(unit or ""), text_of(description or "")
        return self.make(Description(name, what, unit, description, bounds), kind)

    def _observable(
        self,
        kind: type[ObservableType],
        told: tuple[InstrumentKind, Any, Any, Any],
        callbacks: Callbacks,
    ) -> ObservableType | None:
        made = self._made(kind, told)
        if isinstance(callbacks, Generator) or not isinstance(callbacks, Iterable):
            callbacks = [callbacks] if callbacks else ()  # one that is in no list
        return None if made is None else made.ask([*callbacks])

    def create_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> api.Counter:
        """``counter`` in the API's spelling."""
        told = (InstrumentKind.COUNTER, name, unit, description)
        return self._made(Counter, told) or NOTHING.create_counter("")

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> api.UpDownCounter:
        """``up_down_counter`` in the API's spelling."""
        told = (InstrumentKind.UP_DOWN_COUNTER, name, unit, description)
        return self._made(UpDownCounter, told) or NOTHING.create_up_down_counter("")

    def create_gauge(
        self, name: str, unit: str = "", description: str = ""
    ) -> ApiGauge:
        """``gauge`` in the API's spelling."""
        told = (InstrumentKind.GAUGE, name, unit, description)
        return self._made(Gauge, told) or NOTHING.create_gauge("")

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> api.Histogram:
        """``histogram`` in the API's spelling."""
        told = (InstrumentKind.HISTOGRAM, name, unit, description)
        made = self._made(Histogram, told, explicit_bucket_boundaries_advisory)
        return made or NOTHING.create_histogram("")

    def create_observable_counter(
        self,
        name: str,
        callbacks: Callbacks = None,
        unit: str = "",
        description: str = "",
    ) -> api.ObservableCounter:
        """``observable_counter`` in the API's spelling."""
        told = (InstrumentKind.OBSERVABLE_COUNTER, name, unit, description)
        made = self._observable(ObservableCounter, told, callbacks)
        return made or NOTHING.create_observable_counter("")

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Callbacks = None,
        unit: str = "",
        description: str = "",
    ) -> api.ObservableUpDownCounter:
        """``observable_up_down_counter`` in the API's spelling."""
        told = (InstrumentKind.OBSERVABLE_UP_DOWN_COUNTER, name, unit, description)
        made = self._observable(ObservableUpDownCounter, told, callbacks)
        return made or NOTHING.create_observable_up_down_counter("")

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Callbacks = None,
        unit: str = "",
        description: str = "",
    ) -> api.ObservableGauge:
        """``observable_gauge`` in the API's spelling."""
        told = (InstrumentKind.OBSERVABLE_GAUGE, name, unit, description)
        made = self._observable(ObservableGauge, told, callbacks)
        return made or NOTHING.create_observable_gauge("")


def bounds_or_none(name: str, buckets: Sequence[float]) -> tuple[float, ...] | None:
    """The bounds that a library advises, if they are such; else a warning."""
    try:
        return tuple(HistogramAggregation(buckets).buckets)
    except ConfigurationError as error:
        getLogger(__name__).warning("histogram %s is advised to use %s", name, error)
        return None
