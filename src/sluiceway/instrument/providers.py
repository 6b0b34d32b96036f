"""Providers: where an instrumentation asks for ours through OpenTelemetry's API.

Law: whatever a library passes, it gets a tracer or meter that works; a name that is
none becomes ``""`` and is said. Source: OpenTelemetry specification, ``trace/api.md``
(Get a Tracer) and ``metrics/api.md`` (Get a Meter).
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import getLogger
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Meter as ApiMeter
from opentelemetry.metrics import MeterProvider as ApiMeterProvider
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import TracerProvider as ApiTracerProvider

from ..events import Resource, Scope
from ..formats.identity import identity_of
from .values import named_attributes, text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry
    from .tracer import Tracer

ScopeKey = tuple[str, str, str, bytes]


class TracerProvider(ApiTracerProvider):
    """Gives the tracers of one ``Telemetry`` to whoever asks through the API.

    Args:
        telemetry: whose tracers these are.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._left_out: set[str] = set()

    def leave_out(self, name: str) -> None:
        """Let whoever asks by this name from now on record nothing, and pass traces on.

        For a library that would measure what something of ours measures already.
        """
        self._left_out.add(name)

    @property
    def resource(self) -> Resource:
        """Beyond the API: the instrumentation of logging asks it for the service."""
        return self.telemetry.resource

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """A tracer for the instrumentation; the same one for the same arguments."""
        if instrumenting_module_name in self._left_out:
            from .silent import SilentTracer  # noqa: PLC0415 - few processes need it

            return SilentTracer(self.telemetry, Scope(instrumenting_module_name))
        return self.telemetry.tracer(
            checked_name(instrumenting_module_name, "tracer"),
            instrumenting_library_version,
            schema_url=schema_url,
            attributes=attributes,
        )

    def __repr__(self) -> str:
        return f"<TracerProvider of {self.telemetry!r}>"


class MeterProvider(ApiMeterProvider):
    """Gives the meters of one ``Telemetry`` to whoever asks through the API.

    Args:
        telemetry: whose meters these are.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._left_out: set[str] = set()

    def leave_out(self, name: str) -> None:
        """Let whoever asks by this name from now on measure nothing."""
        self._left_out.add(name)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> ApiMeter:
        """A meter for the instrumentation; the same one for the same arguments."""
        if name in self._left_out:
            return NoOpMeter(name)
        return self.telemetry.meter(
            checked_name(name, "meter"),
            version,
            schema_url=schema_url,
            attributes=attributes,
        )

    def __repr__(self) -> str:
        return f"<MeterProvider of {self.telemetry!r}>"


def checked_name(name: Any, of: str) -> str:
    """``name`` if it is one; else ``""``, with a warning that tells what was given."""
    if isinstance(name, str) and name:
        return name
    getLogger(__name__).warning(
        "the name of a %s is %r; expected the name of the instrumentation; using ''",
        of,
        name,
    )
    return ""


def scope_of(
    name: str,
    version: str | None,
    schema_url: str | None,
    attributes: Mapping[str, Any] | None,
) -> Scope:
    """The instrumentation scope that these arguments describe."""
    return Scope(
        text_of(name or ""),
        text_of(version or ""),
        named_attributes(attributes),
        text_of(schema_url or ""),
    )


def key_of(scope: Scope) -> ScopeKey:
    """What is equal for equal scopes only."""
    return scope.name, scope.version, scope.schema_url, identity_of(scope.attributes)
