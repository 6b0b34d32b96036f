"""A pipeline's own health, as a health check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from ..events import HealthStatus
from ..reports import PipelineHealth, PipelineState
from .checks import Check

STATES: Final = {
    PipelineState.NEW: HealthStatus.UNKNOWN,
    PipelineState.STARTING: HealthStatus.UNKNOWN,
    PipelineState.RUNNING: HealthStatus.HEALTHY,
    PipelineState.DRAINING: HealthStatus.DEGRADED,
    PipelineState.STOPPED: HealthStatus.UNHEALTHY,
}


class Watched(Protocol):
    """What can say how it is: a ``Pipeline``."""

    def health(self) -> PipelineHealth:
        """How it is."""
        ...


def pipeline_check(
    pipeline: Watched | Callable[[], Watched], name: str = "pipeline", **settings: Any
) -> Check:
    """A check of a pipeline: healthy while it runs and no stage has failed for good.

    Draining is degraded, stopped or with a failed stage unhealthy; before it runs
    nothing is known of it. Stages that failed are named, their errors are not told.

    Args:
        pipeline: the pipeline, or a function that gives it: ``lambda: pipeline`` for
            the one that this check's own source is part of.
        name: the check's; default ``"pipeline"``.
        settings: further ones of ``Check``; by default one failure is enough.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    async def ask() -> tuple[HealthStatus, str, dict[str, Any]]:
        watched: Any = pipeline
        if not hasattr(watched, "health"):
            watched = watched()
        return finding_of(watched.health())

    return Check(name, ask, **{"failures": 1, **settings})


def finding_of(health: PipelineHealth) -> tuple[HealthStatus, str, dict[str, Any]]:
    """Status, words and details of a pipeline's health."""
    details: dict[str, Any] = {"state": health.state.value}
    failed = sorted(health.failures)
    if failed:
        words = f"failed for good: {', '.join(failed)}"
        return HealthStatus.UNHEALTHY, words, {**details, "failed": failed}
    words = f"the pipeline is {health.state.value}"
    return STATES[health.state], words, details
