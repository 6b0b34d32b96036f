"""What code may depend on in a service's place, one protocol for each concern.

The services of this package have these operations, and so may a user's own class: one
that records elsewhere, or a test's. Awaiting a call gives a ``FlextResult``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

if TYPE_CHECKING:
    from decimal import Decimal

    from .models import FlextAlert, FlextHealthCheck, FlextMetric, FlextTrace
    from .result import FlextResult


@runtime_checkable
class FlextMetricsProtocol(Protocol):
    """Metrics: recording one, or all of a service."""

    @overload
    def record_metric(
        self, metric: FlextMetric, /
    ) -> Awaitable[FlextResult[FlextMetric]]: ...

    @overload
    def record_metric(
        self, metric: str, /, value: float | Decimal, unit: str = "count"
    ) -> Awaitable[FlextResult[FlextMetric]]: ...

    def record_metric(
        self, metric: Any, /, value: Any = None, unit: str = "count"
    ) -> Awaitable[FlextResult[FlextMetric]]:
        """Record a measurement: a ``FlextMetric``, or a name, a value and a unit."""
        ...

    def collect_metrics(
        self, service_name: str, metrics_config: Mapping[str, Mapping[str, Any]], /
    ) -> Awaitable[FlextResult[list[FlextMetric]]]:
        """Record several measurements of a service: all of them, or none."""
        ...


@runtime_checkable
class FlextTracingProtocol(Protocol):
    """Traces: an operation that begins, and ends well or with an error."""

    @overload
    def start_trace(
        self, trace: FlextTrace, /
    ) -> Awaitable[FlextResult[FlextTrace]]: ...

    @overload
    def start_trace(self, trace: str, /) -> Awaitable[FlextResult[str]]: ...

    def start_trace(self, trace: Any, /) -> Awaitable[FlextResult[Any]]:
        """Begin an operation: a ``FlextTrace``, or a name, which gives its trace id."""
        ...

    def complete_trace(
        self, trace: FlextTrace | str, /
    ) -> Awaitable[FlextResult[FlextTrace]]:
        """End an operation well; it may be told by its id."""
        ...

    def error_trace(
        self, trace: FlextTrace | str, error: str, /
    ) -> Awaitable[FlextResult[FlextTrace]]:
        """End an operation with what went wrong; it may be told by its id."""
        ...


@runtime_checkable
class FlextAlertProtocol(Protocol):
    """Alerts: raising one, and making it more urgent."""

    def process_alert(self, alert: FlextAlert, /) -> Awaitable[FlextResult[FlextAlert]]:
        """Take an alert, remember it and notify; its ``alert_id`` stays."""
        ...

    def escalate_alert(
        self, alert: FlextAlert, escalation_config: Mapping[str, Any], /
    ) -> Awaitable[FlextResult[FlextAlert]]:
        """Raise an alert to a level, and notify the channels of that level."""
        ...


@runtime_checkable
class FlextHealthProtocol(Protocol):
    """Health: running a check."""

    def execute_health_check(
        self, health_check: FlextHealthCheck, /
    ) -> Awaitable[FlextResult[FlextHealthCheck]]:
        """Run a check; the result holds the check as it came out."""
        ...
