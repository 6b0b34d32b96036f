"""A pipeline's own health, as a health check."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from attrs import Attribute, field, frozen

from ..errors import ConfigurationError
from ..events import HealthStatus
from ..reports import PipelineHealth, PipelineState
from ..settings import number
from .checks import Check

STATES: Final = {
    PipelineState.NEW: HealthStatus.UNKNOWN,
    PipelineState.STARTING: HealthStatus.UNKNOWN,
    PipelineState.RUNNING: HealthStatus.HEALTHY,
    PipelineState.DRAINING: HealthStatus.DEGRADED,
    PipelineState.STOPPED: HealthStatus.UNHEALTHY,
}
Finding = tuple[HealthStatus, str, dict[str, Any]]


class Watched(Protocol):
    """What can say how it is: a ``Pipeline``."""

    def health(self) -> PipelineHealth:
        """How it is."""
        ...


def its_own(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: True."""
    if value is not True:
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; expected True: "
            "another pipeline is asked by pipeline_check"
        )


async def ask_nobody() -> Finding:
    """What a check finds that no pipeline runs."""
    return HealthStatus.UNKNOWN, "it is part of no pipeline", {}


@frozen
class PipelineCheck(Check):
    """A health check: how the pipeline is whose ``HealthSource`` runs it.

    It finds what ``pipeline_check`` does, of which it is the form for a file:
    ``{ name = "itself", pipeline = true }``. It has the other settings of ``Check``.

    Attributes:
        name: what it is called, unique among the checks; default ``"pipeline"``.
        pipeline: always True.
        failures: as for ``Check``; default 1.
    """

    name: str = "pipeline"
    pipeline: bool = field(default=True, validator=its_own, kw_only=True)
    failures: int = field(default=1, validator=number(1, whole=True), kw_only=True)
    function: Callable[[], Any] = field(
        init=False, repr=False, eq=False, default=ask_nobody
    )

    def asked_in(self, pipeline: Watched | None) -> Callable[[], Any]:
        """Ask that pipeline."""
        return self.function if pipeline is None else partial(ask, pipeline)


async def ask(pipeline: Watched) -> Finding:
    """What a pipeline says of itself."""
    return finding_of(pipeline.health())


def pipeline_check(
    pipeline: Watched | Callable[[], Watched], name: str = "pipeline", **settings: Any
) -> Check:
    """A check of a pipeline: healthy while it runs and no stage has failed for good.

    Draining is degraded, stopped or with a failed stage unhealthy; before it runs
    nothing is known of it. Stages that failed are named, their errors are not told.

    Args:
        pipeline: the pipeline, or a function that gives it. For the one that this
            check's own source is part of there is ``PipelineCheck``.
        name: the check's; default ``"pipeline"``.
        settings: further ones of ``Check``; by default one failure is enough.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    async def ask_it() -> Finding:
        watched: Any = pipeline
        if not hasattr(watched, "health"):
            watched = watched()
        return await ask(watched)

    return Check(name, ask_it, **{"failures": 1, **settings})


def finding_of(health: PipelineHealth) -> Finding:
    """Status, words and details of a pipeline's health."""
    details: dict[str, Any] = {"state": health.state.value}
    failed = sorted(health.failures)
    if failed:
        words = f"failed for good: {', '.join(failed)}"
        return HealthStatus.UNHEALTHY, words, {**details, "failed": failed}
    words = f"the pipeline is {health.state.value}"
    return STATES[health.state], words, details
