"""FlextBackend: the one pipeline that everything which is recorded goes into.

Law: it lives on a thread of its own, begins with the first thing recorded, and outlives
every event loop. A dead endpoint slows nobody who records, and an end of the program by
``drain_timeout`` at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sluiceway import (
    Alert,
    HealthCheck,
    Inlet,
    Ledger,
    Pipeline,
    Sink,
    SluicewayError,
    Span,
    StopReport,
)
from sluiceway.background import Background
from sluiceway.fork import follow_forks

from . import validation
from .alert_channels import BEFORE
from .alert_desk import AlertDesk
from .beginnings import alert_channels, configured, set_log_level, telemetry_of
from .config import FlextObservabilityConfig
from .creating import understood
from .escalation import FlextEscalationPolicy
from .exceptions import FlextConfigurationError, FlextObservabilityError, of_kind
from .health_checks import HealthChecks
from .instruments import Instruments
from .open_traces import OpenTraces
from .operations import CLOSED, STOPPED, Operations
from .result import FlextFailure, FlextResult

if TYPE_CHECKING:
    from .pages import PageServer

SIGNALS: Final = ("traces", "metrics", "alerts", "health")
NAME: Final = "flext_observability"
PAGE: Final = "page"  # the stage that shows metrics to whoever asks here
NOT_RUNNING: Final = STOPPED
NOT_STOPPED: Final = "not_stopped"
LATE: Final = "timeout"
DONE: Final[FlextResult[None]] = FlextResult.ok(None)


class FlextBackend:
    """What the services record into; all of a process share one, unless told otherwise.

    Args:
        config: where telemetry goes; by default as the environment says. If that is
            wrong, nothing raises: every operation fails, and names the variables.
        sinks: further sinks by signal: ``"traces"`` (``Span``), ``"metrics"``
            (``MetricPoint``), ``"alerts"`` (``Alert``) and ``"health"``
            (``HealthCheck``).
        channels: sinks of alerts that are told by name: of each alert at once, or as
            the policies say; besides those of the configuration.
        policies: who is told of an alert when; the first that matches it counts, and
            those of the configuration come first.

    Attributes:
        telemetry: the instruments: its tracer and meter are for the ``FlextMonitor``.
        traces: takes ended operations.
        operations: takes operations when they start and when they end.
        alerts: takes alerts whenever their status changes.
        alert_desk: takes alerts, and knows what became of them.
        health: takes results of health checks.
        instruments: takes measurements.
        checks: the health checks.
        sinks: the further sinks by signal.

    Raises:
        RefusedValueError: an argument is something else.
    """

    def __init__(
        self,
        config: FlextObservabilityConfig | None = None,
        *,
        sinks: Mapping[str, Sequence[Sink[Any]]] | None = None,
        channels: Mapping[str, Sink[Any]] | None = None,
        policies: Sequence[FlextEscalationPolicy] = (),
    ) -> None:
        loaded = configured(config)
        self.config = loaded.unwrap_or(FlextObservabilityConfig())
        self._misconfigured = loaded.error or ""
        set_log_level(self.config.log_level)
        self._background: Background | None = None
        self.sinks: dict[str, list[Sink[Any]]] = {name: [] for name in SIGNALS}
        for signal, stage in further_sinks(sinks):
            self.add_sink(signal, stage)
        self.telemetry = telemetry_of(self.config)
        self.traces: Inlet[Span] = Inlet("traces")
        self.operations = Operations(
            self.telemetry,
            self.traces.emit_nowait,
            OpenTraces(self.config.open_traces, self.config.trace_timeout),
        )
        self.alerts: Inlet[Alert] = Inlet("alerts")
        self.alert_desk = AlertDesk(
            self.alerts.emit_nowait, alert_channels(self.config, channels, policies)
        )
        self.health: Inlet[HealthCheck] = Inlet("health")
        self.instruments = Instruments(
            self.telemetry.meter(NAME), self.config.series_limit
        )
        self.checks = HealthChecks(self._tell_health, self._its_pipeline)
        self._pages: PageServer | None = None
        self._lock = threading.RLock()
        self._stopped = ""  # why it takes nothing
        self.is_running = False
        follow_forks(self)

    def add_sink(self, signal: str, stage: Sink[Any]) -> None:
        """Send a signal to a further sink.

        Raises:
            FlextConfigurationError: there is no such signal, it is no sink, or the
                backend has been started.
        """
        if signal not in SIGNALS:
            expected = f"one of {', '.join(SIGNALS)}"
            raise FlextConfigurationError("signal", signal, expected, SIGNALS)
        if not isinstance(stage, Sink):
            expected = "a Sink, such as sluiceway.sinks.ConsoleSink()"
            raise FlextConfigurationError("sink", stage, expected)
        if self._background is not None:
            raise FlextConfigurationError("sink", stage, f"to be given {BEFORE}")
        self.sinks[signal].append(stage)

    def add_alert_channel(self, name: str, stage: Sink[Any]) -> None:
        """Make a channel, which policies and escalations name.

        Raises:
            RefusedValueError: the name is none or taken, it is no sink, or the backend
                has been started.
        """
        self.alert_desk.channels.add(name, stage)

    def add_policy(self, policy: FlextEscalationPolicy) -> None:
        """Ask a further policy who is told of an alert, after those that there are.

        Raises:
            FlextConfigurationError: its name is taken, or the backend has been started.
        """
        self.alert_desk.channels.add_policy(policy)

    def add_health_check(self, name: str, check: Callable[[], Any]) -> None:
        """Run a further health check, as ``register_health_check`` does.

        Raises:
            FlextObservabilityError: the name is taken, or it is no check.
        """
        added = self.checks.register(name, check, {})
        if added.is_failure:
            raise FlextObservabilityError(added.error)

    # Running.

    def start(self) -> FlextResult[None]:
        """Run, if it does not yet; what is recorded before waits."""
        with self._lock:
            if not self.is_running:
                self._stopped = self._misconfigured or self._begin()
                self.is_running = not self._stopped
                if self.is_running:
                    self.checks.begin()
            return self.refusal() if self._stopped else DONE

    def _begin(self) -> str:
        """Run the pipeline; why that cannot be, or ``""``."""
        try:
            if self._background is None:
                # here, as it loads the libraries of all sinks
                from .chains import pipeline_of  # noqa: PLC0415

                pipeline, self._pages = pipeline_of(self)
                self._background = pipeline.background()
            self._background.start()
        except (SluicewayError, FlextObservabilityError, OSError) as error:
            return f"the backend could not start: {error}"
        return ""

    def ready(self) -> bool:
        """Whether it takes what is recorded; the first question starts it."""
        if self.is_running:
            return True
        with self._lock:  # a stop that comes in between is not undone
            return not self._stopped and self.start().is_success

    def refusal(self) -> FlextResult[Any]:
        """Why it takes nothing."""
        return FlextResult.fail(self._stopped, NOT_RUNNING)

    def flush(self, timeout: float | None = None) -> FlextResult[None]:
        """Wait until all that was recorded before has been answered for.

        Args:
            timeout: seconds; the configuration's ``drain_timeout`` by default.
        """
        if not self.is_running or self._background is None:
            return FlextResult.fail("the backend does not run", NOT_RUNNING)
        return seconds_of(timeout).flat_map(self._flush)

    def _flush(self, asked: float | None) -> FlextResult[None]:
        seconds = self.config.drain_timeout if asked is None else asked
        try:
            in_time = self._background is None or self._background.flush(seconds)
        except SluicewayError as error:
            return FlextResult.fail(str(error), NOT_RUNNING)
        late = f"not all was answered for within {seconds:g} s"
        return DONE if in_time else FlextResult.fail(late, LATE)

    def stop(self, timeout: float | None = None) -> FlextResult[StopReport]:
        """Send what there is and end; ``start`` runs it again.

        Args:
            timeout: seconds; the configuration's ``drain_timeout`` by default.
        """
        asked = seconds_of(timeout)
        if isinstance(asked, FlextFailure):
            return asked
        with self._lock:
            before = self.is_running, self._stopped
            self.is_running, self._stopped = False, CLOSED
            try:
                return FlextResult.ok(self._end(asked.value))
            except SluicewayError as error:  # its own thread asks for it
                self.is_running, self._stopped = before
                return FlextResult.fail(str(error), NOT_STOPPED)

    def _end(self, timeout: float | None) -> StopReport:
        if self._background is None:
            return StopReport(drained=True)
        return self._background.stop(timeout)

    def ledger(self) -> Ledger | None:
        """Where every event went; None before the first start."""
        pipeline = self._its_pipeline()
        return pipeline.ledger() if pipeline else None

    @property
    def http_port(self) -> int | None:
        """Where the pages of health and metrics are served now; None for nowhere."""
        return self._pages.port if self._pages else None

    def _tell_health(self, check: HealthCheck) -> bool:
        """Tell of a result, unless a stop has begun: a turn may end after it."""
        return self.is_running and self.health.emit_nowait(check)

    def _its_pipeline(self) -> Pipeline | None:
        return self._background.pipeline if self._background else None

    def after_fork(self) -> None:
        """In a forked child: nothing of the parent's runs here."""
        self._lock = threading.RLock()
        self.is_running = False

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return f"<FlextBackend {state}>"


def further_sinks(
    given: Mapping[str, Sequence[Sink[Any]]] | None,
) -> Iterator[tuple[str, Sink[Any]]]:
    """The sinks of an argument, each with its signal."""
    expected = 'a mapping of signals to lists of sinks, such as {"traces": [sink]}'
    for signal, stages in (
        of_kind(Mapping | None, "sinks", given, expected) or {}
    ).items():
        for stage in of_kind(Sequence, f"sinks[{signal!r}]", stages, "a list of sinks"):
            yield signal, stage


def seconds_of(timeout: object) -> FlextResult[float | None]:
    """How long somebody is willing to wait; None for as long as is configured."""
    if timeout is None:
        return FlextResult.ok(None)
    return understood(lambda: float(validation.at_least_zero("timeout", timeout)))
