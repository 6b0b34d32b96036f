"""FlextObservabilityMasterFactory: entities and services, and calls without a loop.

Law: each call gives a ``FlextResult`` and raises nothing. A factory holds no state but
the backend that it was given; the global one lasts until it is reset.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Unpack, overload

from sluiceway import StopReport
from sluiceway.fork import follow_forks

from . import api
from .alerts import FlextAlertService
from .backend import FlextBackend, seconds_of
from .check_options import HealthOptions
from .health import FlextHealthService
from .metrics import FlextMetricsService, NamedOptions
from .models import FlextAlert, FlextHealthCheck, FlextMetric, FlextTrace
from .process import PROCESS, OfBackend
from .result import FlextFailure, FlextResult
from .tracing import FlextTracingService


class FlextObservabilityMasterFactory(OfBackend):
    """Makes entities and services, and records for programs without an event loop.

    Args:
        backend: what all of it records into; by default the one of the process.
    """

    def __init__(self, backend: FlextBackend | None = None) -> None:
        super().__init__(backend)
        self._metrics = FlextMetricsService(backend)
        self._tracing = FlextTracingService(backend)
        self._alerts = FlextAlertService(backend)
        self._health = FlextHealthService(backend)

    # Entities.

    create_metric = staticmethod(api.flext_create_metric)
    create_trace = staticmethod(api.flext_create_trace)
    create_alert = staticmethod(api.flext_create_alert)
    create_health_check = staticmethod(api.flext_create_health_check)

    # Services.

    def create_metrics_service(self) -> FlextMetricsService:
        """A service for metrics."""
        return FlextMetricsService(self._given)

    def create_tracing_service(self) -> FlextTracingService:
        """A service for traces."""
        return FlextTracingService(self._given)

    def create_alert_service(self) -> FlextAlertService:
        """A service for alerts."""
        return FlextAlertService(self._given)

    def create_health_service(self) -> FlextHealthService:
        """A service for health checks."""
        return FlextHealthService(self._given)

    # Calls that wait for nothing.

    def record_metric(
        self,
        metric: FlextMetric | str | None = None,
        value: float | Decimal | None = None,
        unit: str = "count",
        **options: Unpack[NamedOptions],
    ) -> FlextResult[FlextMetric]:
        """As ``FlextMetricsService.record_metric``."""
        return self._metrics.record(metric, value, unit, **options)

    def collect_metrics(
        self, service_name: str, metrics_config: Mapping[str, Mapping[str, Any]]
    ) -> FlextResult[list[FlextMetric]]:
        """As ``FlextMetricsService.collect_metrics``."""
        return self._metrics.collect(service_name, metrics_config)

    @overload
    def start_trace(self, trace: FlextTrace) -> FlextResult[FlextTrace]: ...

    @overload
    def start_trace(self, trace: str) -> FlextResult[str]: ...

    def start_trace(
        self, trace: FlextTrace | str
    ) -> FlextResult[FlextTrace] | FlextResult[str]:
        """As ``FlextTracingService.start_trace``."""
        return self._tracing.start(trace)

    def complete_trace(self, trace: FlextTrace | str) -> FlextResult[FlextTrace]:
        """As ``FlextTracingService.complete_trace``."""
        return self._tracing.complete(trace)

    def error_trace(
        self, trace: FlextTrace | str, error: str | BaseException
    ) -> FlextResult[FlextTrace]:
        """As ``FlextTracingService.error_trace``."""
        return self._tracing.error(trace, error)

    def process_alert(self, alert: FlextAlert) -> FlextResult[FlextAlert]:
        """As ``FlextAlertService.process_alert``."""
        return self._alerts.process(alert)

    def acknowledge_alert(
        self, alert: FlextAlert | str, by: str = ""
    ) -> FlextResult[FlextAlert]:
        """As ``FlextAlertService.acknowledge_alert``."""
        return self._alerts.acknowledge(alert, by)

    def resolve_alert(
        self, alert: FlextAlert | str, by: str = ""
    ) -> FlextResult[FlextAlert]:
        """As ``FlextAlertService.resolve_alert``."""
        return self._alerts.resolve(alert, by)

    def escalate_alert(
        self, alert: FlextAlert | str, escalation_config: Mapping[str, Any]
    ) -> FlextResult[FlextAlert]:
        """As ``FlextAlertService.escalate_alert``."""
        return self._alerts.escalate(alert, escalation_config)

    def active_alerts(
        self, severity: str | None = None, source: str | None = None
    ) -> FlextResult[list[FlextAlert]]:
        """As ``FlextAlertService.active_alerts``."""
        return self._alerts.active(severity, source)

    def register_health_check(
        self,
        name: str,
        function: Callable[[], Any],
        **options: Unpack[HealthOptions],
    ) -> FlextResult[str]:
        """As ``FlextHealthService.register_health_check``."""
        return self._health.register(name, function, **options)

    def health_status(self) -> FlextResult[FlextHealthCheck]:
        """As ``FlextHealthService.get_health_status``."""
        return self._health.status()

    # Calls that wait.

    def execute_health_check(
        self, health_check: FlextHealthCheck
    ) -> FlextResult[FlextHealthCheck]:
        """As ``FlextHealthService.execute_health_check``."""
        return self._health.execute(health_check)

    def run_health_checks(self) -> FlextResult[list[FlextHealthCheck]]:
        """As ``FlextHealthService.run_health_checks``."""
        return self._health.run_all()

    def flush(self, timeout: float | None = None) -> FlextResult[None]:
        """Wait until all that was recorded before has been answered for.

        Args:
            timeout: seconds; the configuration's ``drain_timeout`` by default.
        """
        return self.backend.flush(timeout)

    def __repr__(self) -> str:
        return f"<FlextObservabilityMasterFactory of {self._given or 'the process'}>"


class GlobalFactory:
    """The factory that everybody shares until it is reset."""

    def __init__(self) -> None:
        self._factory: FlextObservabilityMasterFactory | None = None
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """A thread that the child does not have may have held the lock."""
        self._lock = threading.RLock()

    def get(self) -> FlextObservabilityMasterFactory:
        """The factory; made for who asks first."""
        with self._lock:
            if self._factory is None:
                self._factory = FlextObservabilityMasterFactory()
            return self._factory

    def reset(self) -> FlextBackend | None:
        """Forget the factory and the backend of the process; that backend."""
        with self._lock:
            self._factory = None
            return PROCESS.use(None)


GLOBAL: Final = GlobalFactory()


def get_global_factory() -> FlextObservabilityMasterFactory:
    """The factory of the process: one object for all threads until it is reset."""
    return GLOBAL.get()


def reset_global_factory(timeout: float | None = None) -> FlextResult[StopReport]:
    """Begin anew: forget the factory and the backend of the process.

    What was recorded is sent before that backend ends; what is recorded meanwhile goes
    into a new one.

    Args:
        timeout: seconds; the configuration's ``drain_timeout`` by default.

    Returns:
        How the backend ended; a success, too, if there was none. A failure, and
        nothing is forgotten, if ``timeout`` cannot be meant.
    """
    asked = seconds_of(timeout)
    if isinstance(asked, FlextFailure):
        return asked
    backend = GLOBAL.reset()
    if backend is None:
        return FlextResult.ok(StopReport(drained=True))
    return backend.stop(timeout)
