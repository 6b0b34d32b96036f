"""Readable: what instrumentations read of the spans that they have made.

Law: nothing of OpenTelemetry's API, but of what its SDK's spans have beside it, and
what instrumentations count on: the one for ASGI asks each span for its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind as ApiSpanKind

if TYPE_CHECKING:
    from ..events import Scope
    from .telemetry import Telemetry
    from .tracer import Tracer


class Readable(ApiSpan):
    """A span that tells what it holds."""

    __slots__ = ("_attributes", "_kind", "_name")

    _attributes: dict[str, Any]
    _kind: int
    _name: str
    _tracer: Tracer

    @property
    def name(self) -> str:
        """The name as it is now."""
        return self._name

    @property
    def kind(self) -> ApiSpanKind:
        """The kind in the API's words."""
        return ApiSpanKind(self._kind - 1)

    @property
    def instrumentation_scope(self) -> Scope:
        """The library or module that made it."""
        return self._tracer.scope

    def is_of(self, telemetry: Telemetry) -> bool:
        """Whether it is one of this telemetry's; beyond what the SDK's tell."""
        return self._tracer.telemetry is telemetry

    @property
    def attributes(self) -> Mapping[str, Any]:
        """A view of the attributes; empty once the span has ended."""
        return MappingProxyType(getattr(self, "_attributes", {}))
