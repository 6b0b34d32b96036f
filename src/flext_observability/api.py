"""The entities as plain calls, for those who want a result and no exception.

Law: none of these raises, whatever it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from .creating import made, understood
from .exceptions import is_a
from .models import FlextAlert, FlextHealthCheck, FlextMetric, FlextTrace
from .parents import place_of
from .propagation import FlextTraceContext
from .result import FlextResult
from .sampling import decided


class MetricOptions(TypedDict, total=False):
    """What a metric may be told besides."""

    metric_type: str


class TraceOptions(TypedDict, total=False):
    """What a trace may be told besides.

    ``parent`` is the operation that it is a part of: a ``FlextTrace``, what
    ``flext_extract_context`` has found, or the text of a W3C ``traceparent`` header.
    """

    parent: FlextTrace | FlextTraceContext | str | None
    trace_id: str


class AlertOptions(TypedDict, total=False):
    """What an alert may be told besides."""

    tags: Mapping[str, str]
    alert_id: str


class HealthCheckOptions(TypedDict, total=False):
    """What a health check may be told besides."""

    message: str
    duration: float


def flext_create_metric(
    name: str,
    value: float | Decimal,
    unit: str = "count",
    tags: Mapping[str, str] | None = None,
    timestamp: datetime | None = None,
    **options: Unpack[MetricOptions],
) -> FlextResult[FlextMetric]:
    """A measurement, not yet recorded.

    Args:
        name: OpenTelemetry's rule: a letter, then letters, digits and ``_.-/``.
        value: a finite number; of a counter, what it grows by, from 0.
        unit: ``"count"`` (default) makes a counter, any other a gauge.
        tags: what tells its series from others of the name.
        timestamp: when it was measured; now by default.
        **options: ``metric_type``: counter, gauge or histogram.
    """
    given: dict[str, Any] = {**options}
    if timestamp is not None:
        given["timestamp"] = timestamp
    return made(FlextMetric, name, value, unit, tags, options=given)


def flext_create_trace(
    name: str,
    operation: str,
    context: Mapping[str, object] | None = None,
    **options: Unpack[TraceOptions],
) -> FlextResult[FlextTrace]:
    """An operation of a trace, not yet started.

    Without options it is a part of the operation that runs where it is made: a call of
    a function that ``flext_monitor_function`` watches, or a span of OpenTelemetry's.
    Where none runs it begins a trace, which ``OTEL_TRACES_SAMPLER`` decides on.

    Args:
        name: what is shown.
        operation: what happens, such as ``"shop.checkout"``.
        context: the application's data; it becomes the attributes of the span.
        **options: ``parent``; ``trace_id``, which without a parent begins that trace.
    """
    parent = options.get("parent")
    is_remote = is_a(parent, str) or is_a(parent, FlextTraceContext)
    told = understood(lambda: place_of(options)).flat_map(lambda found: found)
    placed = told.flat_map(
        lambda place: made(FlextTrace, name, operation, context, options=place)
    )
    return placed.map(lambda trace: decided(trace, is_remote=is_remote))


def flext_create_alert(
    name: str,
    severity: str = "warning",
    message: str = "",
    source: str = "system",
    **options: Unpack[AlertOptions],
) -> FlextResult[FlextAlert]:
    """An alert, not yet processed.

    Args:
        name: what is wrong, the same each time that it is.
        severity: info, warning (default), error or critical.
        message: one line for a person; not empty.
        source: where it was seen.
        **options: ``tags``, ``alert_id``.
    """
    return made(FlextAlert, name, severity, message, source, options=options)


def flext_create_health_check(
    name: str,
    status: str = "healthy",
    details: Mapping[str, object] | None = None,
    **options: Unpack[HealthCheckOptions],
) -> FlextResult[FlextHealthCheck]:
    """What is known of a component's health, not yet told.

    Args:
        name: the component.
        status: healthy (default), degraded, unhealthy or unknown.
        details: whatever tells more.
        **options: ``message``, ``duration`` in seconds.
    """
    return made(FlextHealthCheck, name, status, details, options=options)
