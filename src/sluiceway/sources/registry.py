"""RegistrySource: the metrics of an existing ``prometheus_client`` registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..events import NO_RESOURCE, MetricPoint, Resource, Scope
from ..formats.prometheus_families import Origin, points_of
from ..settings import Seconds
from ..stages import StageContext
from .asking import Asker, Question, is_for_the_program
from .interval import IntervalSource

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

LONGEST_LOOK = 5.0  # seconds for all collectors of a registry
THREAD = "sluiceway-registry"
TARGET = 0  # the key of the registry's target info; no object's identity


class RegistrySource(IntervalSource[MetricPoint]):
    """Reads a registry at an interval, on a flush, and a last time at the end.

    Counters, histograms and info metrics keep their values since the process began, so
    nothing is lost between two looks. Collectors run on a thread, one after the other;
    behind one that is slow another thread goes on. One that fails, or has not answered
    after 5 seconds or half the interval, costs its own metrics; the latter is left out
    until it returns. Gauge histograms are left out, for which OpenTelemetry has no
    kind.

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
        interval: Seconds = 60.0,
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
        longest = min(LONGEST_LOOK, interval / 2)
        self._asker: Asker[int, list[MetricPoint]] = Asker(THREAD, longest)
        self._target_asker: Asker[int, Resource] = Asker(THREAD, longest)
        self._collectors: dict[int, Any] = {}  # of the last look
        self._failing: set[int] = set()

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock, and its resource if there is no other."""
        await super().open(context)
        self._logger = context.logger
        if self._resource is None:
            self._resource = context.resource

    async def gather(self) -> list[MetricPoint]:
        """All points of the registry, as of now."""
        resource = await self._resource_now()
        found = {id(each): each for each in collectors_of(self._registry)}
        self._collectors = found  # while they are kept no other has their identity
        self._failing &= {TARGET, *found}
        origin = Origin(self._clock.time_ns(), resource, self._scope)
        questions = {
            key: Question(described(each), partial(self._points, each, origin))
            for key, each in found.items()
        }
        told = await self._asker.ask(questions, self._logger, self._patience)
        return [point for key in found for point in told.get(key, ())]

    async def _resource_now(self) -> Resource:
        """The resource, with what the registry says of its target, if it tells."""
        known = self._resource or NO_RESOURCE
        question = Question("the registry's target info", partial(self._target, known))
        told = await self._target_asker.ask(
            {TARGET: question}, self._logger, self._patience
        )
        return told.get(TARGET, known)

    def _target(self, known: Resource) -> Resource:
        with self._alone(TARGET, "the registry's target info"):
            return with_target(known, self._registry)
        return known

    def _points(self, collector: Any, origin: Origin) -> list[MetricPoint]:
        points: list[MetricPoint] = []
        with self._alone(id(collector), described(collector)):
            for family in collector.collect():
                points += points_of(family, origin)
        return points

    @contextmanager
    def _alone(self, key: int, name: str) -> Iterator[None]:
        """Let what is done in it fail for itself; of failures in a row log the first.

        Args:
            key: tells it from the others.
            name: what a log line calls it.
        """
        try:
            yield
        except BaseException as error:
            if is_for_the_program(error):
                raise
            if key not in self._failing:
                self._logger.exception("%s failed", name)
            self._failing.add(key)
        else:
            self._failing.discard(key)

    def after_fork(self) -> None:
        """Start afresh: who was asked is in the parent."""
        super().after_fork()
        self._asker.after_fork()
        self._target_asker.after_fork()

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


def described(collector: Any) -> str:
    """What a log line calls it: a metric by its name, another by its class."""
    told = f"the collector {type(collector).__qualname__}"
    with suppress(Exception):  # an object may answer any name, or none
        name = collector._name  # noqa: SLF001 - it has no public one
        if isinstance(name, str):
            return f"{told} {name}"
    return told


def with_target(resource: Resource, registry: Any) -> Resource:
    """The resource with what the registry says of its target, which does not win."""
    tell = getattr(registry, "get_target_info", None)
    target: Any = tell() if callable(tell) else None
    if not target:
        return resource
    return Resource({**target, **resource.attributes}, resource.schema_url)
