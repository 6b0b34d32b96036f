"""Spans that tell what they hold, for instrumentations that read what they wrote.

Law: nothing of OpenTelemetry's API, but of what its SDK's spans have beside it, and
what instrumentations count on: the one for ASGI asks each span for its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from opentelemetry.trace import SpanKind as ApiSpanKind

from .span import CurrentSpan, LiveSpan, OpenSpan

LiveSpanType = TypeVar("LiveSpanType", bound=LiveSpan)


class ReadableSpan(LiveSpan):
    """What ``start_span`` makes."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name as it is now."""
        return self._name

    @property
    def kind(self) -> ApiSpanKind:
        """The kind in the API's words."""
        return ApiSpanKind(self._kind - 1)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """A view of the attributes; empty once the span has ended."""
        return MappingProxyType(getattr(self, "_attributes", {}))


class ReadableCurrent(ReadableSpan, CurrentSpan):
    """What ``start_as_current_span`` makes."""

    __slots__ = ()

    def another(self, kind: type[LiveSpanType]) -> LiveSpanType:
        """As ``CurrentSpan.another``, of the classes that its tracer makes."""
        own: LiveSpanType = super().another(self._tracer.span_type(kind))
        return own


class ReadableOpen(ReadableCurrent, OpenSpan):
    """What ``start_as_current_span`` makes that goes on after its block."""

    __slots__ = ()
