"""RegistrySource: the metrics of an existing ``prometheus_client`` registry."""

from __future__ import annotations

from collections.abc import Iterator
from logging import getLogger
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..events import NO_RESOURCE, MetricPoint, Resource, Scope
from ..formats.prometheus_families import Origin, points_of
from ..stages import StageContext
from .asking import is_for_the_program
from .beside import beside
from .interval import IntervalSource

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


class RegistrySource(IntervalSource[MetricPoint]):
    """Reads a registry at an interval, on a flush, and a last time at the end.

    Counters, histograms and info metrics keep their values since the process began, so
    nothing is lost between two looks. Collectors run on a thread: one that is slow
    makes nobody wait, one that fails costs its own metrics. Gauge histograms are left
    out, for which OpenTelemetry has no kind.

    Args:
        registry: what offers ``collect()``; by default ``prometheus_client.REGISTRY``.
        interval: seconds between two looks; default 60.
        resource: what the metrics are about, such as ``telemetry.resource``; by default
            the pipeline's. A registry's target info is added to it.
        name: the stage's name.

    Raises:
        ConfigurationError: no registry, or no positive interval.
    """

    def __init__(
        self,
        registry: Collector | None = None,
        interval: float = 60.0,
        *,
        resource: Resource | None = None,
        name: str | None = None,
    ) -> None:
        number = isinstance(interval, int | float) and not isinstance(interval, bool)
        if not number or not 0 < interval < float("inf"):
            raise ConfigurationError(
                f"RegistrySource.interval is {interval!r}; expected seconds above 0"
            )
        super().__init__(name, interval)
        self._registry = default_registry() if registry is None else registry
        if not callable(getattr(self._registry, "collect", None)):
            raise ConfigurationError(
                f"RegistrySource.registry is {registry!r}; "
                "expected a prometheus_client registry"
            )
        self._resource = resource
        self._scope = Scope("prometheus_client")
        self._logger = getLogger("sluiceway.sources.registry")
        self._failing: set[str] = set()

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock, and its resource if there is no other."""
        await super().open(context)
        self._logger = context.logger
        if self._resource is None:
            self._resource = context.resource

    async def gather(self) -> list[MetricPoint]:
        """All points of the registry, as of now."""
        return await beside(self._read, f"sluiceway-registry {self.name or ''}")

    def _read(self) -> list[MetricPoint]:
        resource = with_target(self._resource or NO_RESOURCE, self._registry)
        origin = Origin(self._clock.time_ns(), resource, self._scope)
        points: list[MetricPoint] = []
        for collector in collectors_of(self._registry):
            what = type(collector).__qualname__
            try:
                for family in collector.collect():
                    points += points_of(family, origin)
                self._failing.discard(what)
            except BaseException as error:
                if is_for_the_program(error):
                    raise
                if what not in self._failing:  # the first failure in a row
                    self._logger.exception("the collector %s failed", what)
                self._failing.add(what)
        return points

    def __repr__(self) -> str:
        kind = type(self._registry).__name__
        return f"<RegistrySource of a {kind} every {self.interval:g} s>"


def default_registry() -> Any:
    """The registry of those who name none."""
    from prometheus_client import REGISTRY  # noqa: PLC0415 - only if it is used

    return REGISTRY


def collectors_of(registry: Any) -> Iterator[Any]:
    """The collectors one by one, so that one's failure costs no other its metrics.

    A registry does not tell them in public; without that it is one collector itself.
    """
    collectors = getattr(registry, "_collector_to_names", None)
    yield from [registry] if collectors is None else list(collectors)


def with_target(resource: Resource, registry: Any) -> Resource:
    """The resource with what the registry says of its target, which does not win."""
    tell = getattr(registry, "get_target_info", None)
    target: Any = tell() if callable(tell) else None
    if not target:
        return resource
    return Resource({**target, **resource.attributes}, resource.schema_url)
