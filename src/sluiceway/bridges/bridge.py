"""What the three bridges share: an exporter's life, resources and scopes.

Law: ``export`` never blocks and never raises; what is not taken in is counted by the
source, and answered with FAILURE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from logging import getLogger
from typing import Any, Generic, TypeVar

from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ..events import NO_RESOURCE, NO_SCOPE, Resource, Scope
from ..instrument.values import plain_attributes
from .source import BridgeSource

T = TypeVar("T")
Given = TypeVar("Given")
Made = TypeVar("Made")

CAPACITY = 100_000  # events that wait for a pipeline
FLUSH_MILLIS = 30_000.0  # the SDK's
REMEMBERED = 1024  # resources or scopes


class Bridge(Generic[T]):
    """An exporter of the SDK that feeds a pipeline.

    Args:
        name: of its source in the graph.
        capacity: events that wait for a pipeline.

    Attributes:
        source: what the pipeline begins with; nobody else feeds it.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self.source: BridgeSource[T] = BridgeSource(name, capacity=capacity)
        self._resource_of = Remembered(resource_of, NO_RESOURCE)
        self._scope_of = Remembered(scope_of, NO_SCOPE)

    def _offer(self, given: Iterable[Given], event_of: Callable[[Given], T]) -> bool:
        """Hand over the events made of what the SDK gives; whether all were taken."""
        events: list[T] = []
        errors: list[Exception] = []
        for each in given:
            try:
                events.append(event_of(each))
            except Exception as error:  # noqa: BLE001 - its neighbours are delivered
                errors.append(error)
        if errors:
            getLogger("sluiceway.bridges").warning(
                "%s: %d events could not be read, the first one because of %r",
                self.source.name,
                len(errors),
                errors[0],
            )
        return self.source.offer(events, len(errors))

    def force_flush(self, timeout_millis: float | None = FLUSH_MILLIS) -> bool:
        """Wait until what was exported before this call has been answered for.

        Args:
            timeout_millis: how long at most. On the pipeline's own event loop, which
                must not wait for itself, it only looks.

        Returns:
            False if it took longer or something was lost since the last flush, and at
            once if something waits and no pipeline runs.
        """
        millis = FLUSH_MILLIS if timeout_millis is None else timeout_millis
        return self.source.wait_until_answered(millis / 1000)

    def shutdown(
        self,
        timeout_millis: float = FLUSH_MILLIS,  # noqa: ARG002 - the SDK's
        **_: Any,
    ) -> None:
        """Take nothing more, at once: what is exported later is ``dropped{closed}``.

        It is the source's end of input. What was taken in before is the pipeline's,
        which delivers it within its own ``drain_timeout``.
        """
        self.source.end()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.source!r}>"


class Remembered(Generic[Given, Made]):
    """Makes something of an object once, and then knows the object again.

    By identity: the SDK's resources are slow to hash.

    Args:
        make: makes it.
        default: stands for None.
    """

    def __init__(self, make: Callable[[Given], Made], default: Made) -> None:
        self._make = make
        self._default = default
        self._made: dict[int, tuple[Given, Made]] = {}

    def __call__(self, given: Given | None) -> Made:
        """What was made of ``given``, or the default for None."""
        if given is None:
            return self._default
        found = self._made.get(id(given))
        if found is None:  # the pair keeps the object, and so its id, from others
            if len(self._made) >= REMEMBERED:
                self._made = {}
            found = self._made[id(given)] = (given, self._make(given))
        return found[1]


def resource_of(resource: SdkResource) -> Resource:
    """The SDK's resource as ours."""
    return Resource(plain_attributes(resource.attributes), resource.schema_url or "")


def scope_of(scope: InstrumentationScope) -> Scope:
    """The SDK's scope as ours."""
    return Scope(
        scope.name or "",
        scope.version or "",
        plain_attributes(getattr(scope, "attributes", None)),
        scope.schema_url or "",
    )
