"""Telemetry: one place where an application's spans, metrics and logs begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from random import Random
from typing import Any
from weakref import WeakValueDictionary

from opentelemetry.propagators.textmap import TextMapPropagator

from .. import __version__
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ConfigurationError
from ..events import LogRecord, MetricPoint, Resource
from ..fork import follow_forks
from ..inlet import Inlet
from .collecting import MetricsSource
from .environment import (
    complain,
    flag,
    text_of_variable,
    warn_of_configuration_file,
    whole_number,
)
from .environment_sampler import sampler_from_environment
from .head import head_of
from .limits import SpanLimits, limits_of
from .log_handler import LogHandler
from .log_limits import LogLimits
from .logger import LoggerProvider
from .meter import Meter
from .metric_settings import SILENT, wishes_of
from .observables import Answers, Observable
from .propagators import propagator_of
from .providers import MeterProvider, ScopeKey, TracerProvider, key_of, scope_of
from .quiet import QuietInlet
from .resource import make_resource, resource_of
from .runtime import Runtime
from .series import LIMIT
from .span_source import SpanSource
from .temporality import TemporalityPreference
from .tracer import Tracer
from .views import View

CAPACITY = 100_000  # spans or log records that wait for a pipeline
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
DEFAULT_INTERVAL = 60.0


class Telemetry:
    """What an application measures with; its sources feed a pipeline.

    Args:
        service_name: ``service.name``; by default ``OTEL_SERVICE_NAME``.
        resource: further resource attributes, or a ``Resource``; they win over
            ``OTEL_RESOURCE_ATTRIBUTES``.
        sampler: decides at the root of each trace: one of ``sluiceway.samplers``, or
            an object with ``should_sample``; a ``ParentBasedSampler`` decides on other
            spans too. By default ``OTEL_TRACES_SAMPLER``, or every trace is recorded
            but those that come from elsewhere not sampled.
        limits: how much a span may hold; by default ``OTEL_SPAN_*_LIMIT`` and their
            like.
        propagators: what travels in the headers of requests: names, such as
            ``"tracecontext"`` and ``"baggage"``, or OpenTelemetry's
            ``TextMapPropagator``; by default ``OTEL_PROPAGATORS``, or both of these.
        log_limits: how many attributes a log record may have; by default
            ``OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT``,
            ``OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT`` and the general ones.
        export_interval: seconds between two collections of the metrics; by default
            ``OTEL_METRIC_EXPORT_INTERVAL`` (milliseconds), or 60.
        views: change the metrics of instruments that others have made.
        temporality: ``"cumulative"``, ``"delta"`` (sums since the last collection) or
            ``"lowmemory"`` (delta where that needs no state); by default
            ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``, or cumulative.
        exponential_histograms: whether histograms find their own buckets; by default
            ``OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION``, or False.
        exemplars: ``"trace_based"``, ``"always_on"`` or ``"always_off"``; by default
            ``OTEL_METRICS_EXEMPLAR_FILTER``, or those in a sampled span.
        series_limit: series of one metric before they are counted together; default
            2000.
        clock: the time of spans, points and records.

    Attributes:
        resource: what all of it is about; a forked child gets one of its own.
        spans: the source of finished spans.
        logs: the source of log records.
        metrics: the source of metric points.
        propagator: reads and writes the headers of requests.
        disabled: whether ``OTEL_SDK_DISABLED`` switches it off: nothing is recorded,
            and traces pass through.

    Raises:
        ConfigurationError: a sampler, limits or a propagator that is none, no
            positive interval, or another setting that cannot be meant.
    """

    def __init__(
        self,
        service_name: str | None = None,
        *,
        resource: Resource | Mapping[str, Any] | None = None,
        sampler: Any = None,
        limits: SpanLimits | None = None,
        propagators: Iterable[str | TextMapPropagator] | None = None,
        log_limits: LogLimits | None = None,
        export_interval: float | None = None,
        views: Iterable[View] = (),
        temporality: TemporalityPreference | None = None,
        exponential_histograms: bool | None = None,
        exemplars: str | None = None,
        series_limit: int = LIMIT,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        warn_of_configuration_file()
        self._service_name = service_name
        self._given = resource_of(resource)
        self.resource = make_resource(service_name, self._given)
        self.clock = clock
        self.disabled = flag("OTEL_SDK_DISABLED")
        if sampler is None:
            sampler = sampler_from_environment()
        self.head: Any = head_of(sampler, clock)
        self.limits = limits_of(limits)
        self.propagator: TextMapPropagator = propagator_of(propagators)
        self.log_limits = LogLimits.of(log_limits)
        self.random = Random()  # noqa: S311 - identifiers are no secrets
        self._tracers: WeakValueDictionary[ScopeKey, Tracer] = WeakValueDictionary()
        self._wishes = wishes_of(
            views, temporality, exponential_histograms, exemplars, series_limit
        )
        self._meters: dict[ScopeKey, Meter] = {}
        self.spans = SpanSource("spans", capacity=CAPACITY)
        self.logs: Inlet[LogRecord] = QuietInlet[LogRecord]("logs", capacity=CAPACITY)
        self.metrics = self._metrics_source(interval_of(export_interval))
        self._installed = False
        follow_forks(self)

    def tracer(
        self,
        name: str,
        version: str | None = None,
        *,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """A tracer for a library or module; the same one for the same arguments.

        Args:
            name: usually ``__name__``.
            version: of the library or module.
            schema_url: of the conventions that its spans follow.
            attributes: of the instrumentation scope, not of its spans.
        """
        scope = scope_of(name, version, schema_url, attributes)
        key = key_of(scope)
        return self._tracers.get(key) or self._tracers.setdefault(
            key, self._tracer_type(self, scope)
        )

    @cached_property
    def _tracer_type(self) -> type[Tracer]:
        if self.disabled:
            from .silent import SilentTracer  # noqa: PLC0415 - few need it

            return SilentTracer
        return Tracer

    def meter(
        self,
        name: str,
        version: str | None = None,
        *,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Meter:
        """A meter for a library or module; see ``tracer`` for the arguments."""
        scope = scope_of(name, version, schema_url, attributes)
        key = key_of(scope)
        wishes = SILENT if self.disabled else self._wishes
        return self._meters.get(key) or self._meters.setdefault(
            key, Meter(scope, self.clock, wishes)
        )

    @cached_property
    def tracer_provider(self) -> TracerProvider:
        """``tracer`` for those who know OpenTelemetry's API only."""
        return TracerProvider(self)

    @cached_property
    def meter_provider(self) -> MeterProvider:
        """``meter`` for those who know OpenTelemetry's API only."""
        return MeterProvider(self)

    def install(self) -> bool:
        """Make the providers and the propagator of this one those of the process.

        From then on every OpenTelemetry instrumentation feeds it, those included that
        asked for a tracer or meter before. A provider of somebody else, or of another
        ``Telemetry``, stays; it is named in a warning, and the propagator stays too.
        With ``OTEL_SDK_DISABLED`` only tracers and the propagator are, and pass traces
        through. To call it again is no error.

        Returns:
            Whether everything of this one is installed now.
        """
        if not self._installed:
            from .install import install  # noqa: PLC0415 - few processes do

            self._installed = install(self)
        return self._installed

    def observe_runtime(self) -> None:
        """Measure the process, the garbage collector and the event loop, too.

        The loop is the pipeline's, and is measured while the pipeline runs. The names
        are those of OpenTelemetry's conventions; calling it again changes nothing.
        """
        self.metrics.watch(self._runtime)

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime(self.meter("sluiceway.runtime", __version__))

    @cached_property
    def log_handler(self) -> LogHandler:
        """A handler for the standard logging: ``getLogger().addHandler(...)``."""
        return LogHandler(self)

    @cached_property
    def logger_provider(self) -> LoggerProvider:
        """``log_handler`` for those who know OpenTelemetry's API only."""
        return LoggerProvider(self)

    def _metrics_source(self, interval: float) -> MetricsSource:
        return MetricsSource(
            self._observables,
            self._points,
            interval=interval,
            clock=self.clock,
            preview=self._preview,
            start_afresh=self._forget_measurements,
        )

    @property
    def temporality(self) -> TemporalityPreference:
        """Whether sums are ``"cumulative"``, ``"delta"`` or ``"lowmemory"``."""
        return self._wishes.temporality

    def collect(self) -> list[MetricPoint]:
        """A point for every series of every instrument, as of now.

        Callbacks are asked here and now. With delta temporality the sums begin anew.
        """
        return [*self._points(None)]

    def _points(
        self, answers: Mapping[Observable, Answers] | None
    ) -> Iterator[MetricPoint]:
        for meter in [*self._meters.values()]:
            yield from meter.collect(self.resource, answers)

    def _preview(self) -> list[MetricPoint]:
        meters = [*self._meters.values()]
        return [point for meter in meters for point in meter.preview(self.resource)]

    def _observables(self) -> list[Observable]:
        meters = [*self._meters.values()]
        return [asked for meter in meters for asked in meter.observables()]

    def after_fork(self) -> None:
        """In a forked child: another instance of the service, with nothing seen."""
        self.random.seed()
        self.resource = make_resource(self._service_name, self._given)
        self.spans.after_fork()
        self.logs.after_fork()
        self.metrics.after_fork()

    def _forget_measurements(self) -> None:
        for meter in self._meters.values():
            meter.after_fork()

    def __repr__(self) -> str:
        return f"<Telemetry {self.resource.attributes['service.name']}>"


def interval_of(given: float | None) -> float:
    """Seconds between two collections, from code or from the environment.

    Raises:
        ConfigurationError: the interval from code is not a positive number.
    """
    if given is not None:
        if (
            isinstance(given, bool)
            or not isinstance(given, int | float)
            or not given > 0
        ):
            raise ConfigurationError(
                f"Telemetry.export_interval is {given!r}; expected seconds above 0"
            )
        return given
    text = text_of_variable(INTERVAL)
    if not text:
        return DEFAULT_INTERVAL
    milliseconds = whole_number(text)
    if milliseconds:
        return milliseconds / 1000
    expected, used = "whole milliseconds above 0", f"{DEFAULT_INTERVAL:g} seconds"
    complain(INTERVAL, text, expected, used)
    return DEFAULT_INTERVAL
