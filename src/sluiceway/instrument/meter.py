"""Meter: makes the instruments of one library or module."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from logging import getLogger
from typing import TYPE_CHECKING, TypeVar, cast

from ..errors import ConfigurationError
from ..events import MetricKind, MetricPoint, Resource, Scope
from .aggregations import HistogramAggregation
from .api_meter import ApiSpelling
from .exemplars import ExemplarFilter, ExemplarSampler
from .exponential_histogram import ExponentialHistogram
from .instruments import Counter, Gauge, Histogram, Instrument, UpDownCounter
from .kinds import OBSERVABLES, Description, InstrumentKind, check_name
from .observables import (
    Answers,
    Callback,
    Observable,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
)
from .observed import ObservedStream
from .streams import Moment, Shape, Stream
from .views import Wishes

if TYPE_CHECKING:
    from ..clock import Clock

InstrumentType = TypeVar("InstrumentType", bound=Instrument)

CLASSES: Mapping[InstrumentKind, type[Instrument]] = {
    InstrumentKind.COUNTER: Counter,
    InstrumentKind.UP_DOWN_COUNTER: UpDownCounter,
    InstrumentKind.GAUGE: Gauge,
    InstrumentKind.HISTOGRAM: Histogram,
    InstrumentKind.OBSERVABLE_COUNTER: ObservableCounter,
    InstrumentKind.OBSERVABLE_UP_DOWN_COUNTER: ObservableUpDownCounter,
    InstrumentKind.OBSERVABLE_GAUGE: ObservableGauge,
}


class Meter(ApiSpelling):
    """Makes instruments; asked twice for the same one it gives the same object.

    Args:
        scope: the library or module that the instruments are of.
        clock: tells when an instrument begins.
        wishes: what the application wants of the metrics.
    """

    def __init__(
        self, scope: Scope, clock: Clock, wishes: Wishes | None = None
    ) -> None:
        super().__init__(scope.name, scope.version or None, scope.schema_url or None)
        self.scope = scope
        self._clock = clock
        self._wishes = wishes or Wishes()
        self._sampler: ExemplarSampler | None = None
        if self._wishes.exemplars is not ExemplarFilter.ALWAYS_OFF:
            always = self._wishes.exemplars is ExemplarFilter.ALWAYS_ON
            self._sampler = ExemplarSampler(clock, always=always)
        self._instruments: dict[tuple[str, InstrumentKind, str], Instrument] = {}
        self._metrics: dict[str, tuple[Description, Shape]] = {}  # who has a name
        self._warned: set[str] = set()
        self._time = 0  # of the last collection

    def counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """A sum that only grows.

        Args:
            name: a letter, then letters, digits, ``_ . - /``; at most 255 characters.
            unit: UCUM, such as ``"By"``; at most 63 ASCII characters.
            description: for a person.

        Raises:
            ConfigurationError: a name or unit that is not allowed.
        """
        told = Description(name, InstrumentKind.COUNTER, unit, description)
        return self._checked(told, Counter)

    def up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> UpDownCounter:
        """A sum that may also fall; see ``counter`` for the arguments."""
        told = Description(name, InstrumentKind.UP_DOWN_COUNTER, unit, description)
        return self._checked(told, UpDownCounter)

    def gauge(self, name: str, unit: str = "", description: str = "") -> Gauge:
        """A value that is set; see ``counter`` for the arguments."""
        told = Description(name, InstrumentKind.GAUGE, unit, description)
        return self._checked(told, Gauge)

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
            buckets: rising upper bounds, each of which belongs to its bucket; views
                and the environment may choose others.

        Raises:
            ConfigurationError: a name or unit that is not allowed, or such buckets.
        """
        bounds = (
            None if buckets is None else tuple(HistogramAggregation(buckets).buckets)
        )
        told = Description(name, InstrumentKind.HISTOGRAM, unit, description, bounds)
        return self._checked(told, Histogram)

    def observable_counter(
        self, name: str, *callbacks: Callback, unit: str = "", description: str = ""
    ) -> ObservableCounter:
        """A sum that only grows, asked for at each collection.

        Args:
            name: as for ``counter``.
            callbacks: functions that take ``CallbackOptions`` and return or yield
                ``Observation``; or generators that are sent the options. A pipeline
                has them called on a thread, so that they may be slow.
            unit: as for ``counter``.
            description: for a person.

        Raises:
            ConfigurationError: a name or unit that is not allowed, or callbacks that
                nobody can call.
        """
        told = Description(name, InstrumentKind.OBSERVABLE_COUNTER, unit, description)
        return self._checked(told, ObservableCounter).ask(functions(name, callbacks))

    def observable_up_down_counter(
        self, name: str, *callbacks: Callback, unit: str = "", description: str = ""
    ) -> ObservableUpDownCounter:
        """A sum that may fall, asked for; see ``observable_counter``."""
        kind = InstrumentKind.OBSERVABLE_UP_DOWN_COUNTER
        told = Description(name, kind, unit, description)
        return self._checked(told, ObservableUpDownCounter).ask(
            functions(name, callbacks)
        )

    def observable_gauge(
        self, name: str, *callbacks: Callback, unit: str = "", description: str = ""
    ) -> ObservableGauge:
        """A value, asked for at each collection; see ``observable_counter``."""
        told = Description(name, InstrumentKind.OBSERVABLE_GAUGE, unit, description)
        return self._checked(told, ObservableGauge).ask(functions(name, callbacks))

    def _checked(self, told: Description, kind: type[InstrumentType]) -> InstrumentType:
        check_name(told)
        return self.make(told, kind)

    def make(self, told: Description, kind: type[InstrumentType]) -> InstrumentType:
        """The instrument, the known one if there is one like it."""
        del kind  # the description says it, to all but the type checker
        key = (told.name.lower(), told.kind, told.unit)
        known = self._instruments.get(key)
        if known is None:
            shapes = self._wishes.shapes(told, self.scope)
            own = self._new(told, shapes)
            known = self._instruments.setdefault(key, own)
            if known is own:
                self._warn_of_namesakes(told, shapes)
        if known.description != told:
            self._warn_of_difference(known.description, told)
        return cast("InstrumentType", known)

    def _new(self, told: Description, shapes: Sequence[Shape]) -> Instrument:
        if told.kind in OBSERVABLES:
            observed = [ObservedStream(shape, self._clock) for shape in shapes]
            make = cast("Callable[..., Instrument]", CLASSES[told.kind])
            return make(told, observed)
        streams = [Stream(shape, self._clock, self._sampler) for shape in shapes]
        kind = CLASSES[told.kind]
        exponential = MetricKind.EXPONENTIAL_HISTOGRAM
        if kind is Histogram and any(s.aggregation.kind is exponential for s in shapes):
            kind = ExponentialHistogram
        return kind(told, streams, self._sampler, clock=self._clock)

    def _warn_of_namesakes(self, told: Description, shapes: Sequence[Shape]) -> None:
        """Warn where a metric's name is used a second time, in whatever case."""
        for shape in shapes:
            key, own = shape.name.lower(), (told, shape)
            known = self._metrics.setdefault(key, own)
            if known is not own:
                first = known[0]
                self._warn_once(
                    shape.name,
                    f"two metrics {shape.name!r}, of a {first.kind.value} in "
                    f"{first.unit!r} and of a {told.kind.value} in {told.unit!r}; "
                    f"View({told.name!r}, kind={told.kind.value!r}, name=...) can "
                    "rename one",
                )

    def _warn_of_difference(self, known: Description, told: Description) -> None:
        for field in ("name", "description", "buckets"):
            first, second = getattr(known, field), getattr(told, field)
            if second and first != second:
                self._warn_once(
                    known.name,
                    f"the instrument {known.name!r} with the {field} {first!r}, which "
                    f"stays, and again with {second!r}",
                )

    def _warn_once(self, name: str, what: str) -> None:
        if name.lower() not in self._warned:
            self._warned.add(name.lower())
            getLogger(__name__).warning("meter %s has %s", self.scope.name, what)

    def observables(self) -> list[Observable]:
        """The instruments that have callbacks to be asked."""
        every = self._every()
        return [one for one in every if isinstance(one, Observable) and one.is_asked]

    def collect(
        self,
        resource: Resource,
        answers: Mapping[Observable, Answers] | None = None,
    ) -> Iterator[MetricPoint]:
        """A point for every series of every instrument, as of now.

        Args:
            resource: what the points are about.
            answers: what the callbacks have told already; the others are asked now.
        """
        self._time = max(self._time, self._clock.time_ns())  # a clock may be set back
        moment = Moment(resource, self.scope, self._time)
        for instrument in self._every():
            if isinstance(instrument, Observable):
                told = None if answers is None else answers.get(instrument)
                yield from instrument.points(moment, told)
            else:
                yield from instrument.points(moment)

    def preview(self, resource: Resource) -> Iterator[MetricPoint]:
        """A point without a measurement for every metric; no callback is asked."""
        moment = Moment(resource, self.scope, self._clock.time_ns())
        for instrument in self._every():
            yield from instrument.preview(moment)

    def after_fork(self) -> None:
        """Count from zero in a forked child: what was counted is the parent's."""
        now = self._clock.time_ns()
        for instrument in self._every():
            instrument.start_afresh(now)

    def _every(self) -> list[Instrument]:
        return [*self._instruments.values()]

    def __repr__(self) -> str:
        return f"<Meter {self.scope.name} with {len(self._instruments)} instruments>"


def functions(name: str, callbacks: Sequence[Callback]) -> Sequence[Callback]:
    """The callbacks that an application gives, each an argument of its own.

    Raises:
        ConfigurationError: one is none, such as a list of them.
    """
    for callback in callbacks:
        if not callable(callback) and not isinstance(callback, Generator):
            raise ConfigurationError(
                f"a callback of {name} is {callback!r}; expected a function, several "
                "of them as several arguments"
            )
    return callbacks
