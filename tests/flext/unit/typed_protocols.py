"""What mypy makes of a class in the place of a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from flext_observability import (
    FlextAlertProtocol,
    FlextAlertService,
    FlextHealthProtocol,
    FlextHealthService,
    FlextMetric,
    FlextMetricsProtocol,
    FlextMetricsService,
    FlextResult,
    FlextTrace,
    FlextTracingProtocol,
    FlextTracingService,
)

metrics: FlextMetricsProtocol = FlextMetricsService()
tracing: FlextTracingProtocol = FlextTracingService()
alerts: FlextAlertProtocol = FlextAlertService()
checks: FlextHealthProtocol = FlextHealthService()


class Recorder:
    """A user's own."""

    async def record_metric(
        self, metric: FlextMetric | str, value: object = None, unit: str = "count"
    ) -> FlextResult[FlextMetric]:
        return FlextResult[FlextMetric].fail(f"{metric} {value} {unit}")

    async def collect_metrics(
        self, service_name: str, metrics_config: Mapping[str, Mapping[str, Any]]
    ) -> FlextResult[list[FlextMetric]]:
        return FlextResult[list[FlextMetric]].fail(f"{service_name} {metrics_config}")


recorder: FlextMetricsProtocol = Recorder()
health: FlextHealthProtocol = Recorder()  # E: assignment


async def recorded(metrics: FlextMetricsProtocol, metric: FlextMetric) -> None:
    assert_type(await metrics.record_metric(metric), FlextResult[FlextMetric])
    assert_type(await metrics.record_metric("a", 1.0, "ms"), FlextResult[FlextMetric])
    await metrics.record_metric("a")  # E: call-overload
    collected = await metrics.collect_metrics("shop", {"a": {"value": 1}})
    assert_type(collected, FlextResult[list[FlextMetric]])


async def traced(tracing: FlextTracingProtocol, trace: FlextTrace) -> None:
    assert_type(await tracing.start_trace("work"), FlextResult[str])
    assert_type(await tracing.start_trace(trace), FlextResult[FlextTrace])
    assert_type(await tracing.complete_trace(trace), FlextResult[FlextTrace])
    assert_type(await tracing.error_trace("id", "no"), FlextResult[FlextTrace])
