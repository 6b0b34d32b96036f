"""SilentTracer: what a ``Telemetry`` that is switched off gives out.

Law: nothing is recorded and no identity is made: a trace that comes in goes out as it
came, as the API's own stand-in has it. Source: OpenTelemetry specification,
``configuration/sdk-environment-variables.md`` (``OTEL_SDK_DISABLED``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from opentelemetry.trace import Span as ApiSpan

from .context import SPAN_KEY, get_context
from .identity import NOBODY, AnyKind, AnyLink, Identity, Parent, identity_of, span_of
from .span import INTERNAL, INTERNAL_NUMBER, CurrentSpan, LiveSpan
from .tracer import Tracer


class Silent(LiveSpan):
    """Has the identity of its parent, so that nobody sees that it is there."""

    __slots__ = ()

    def prepare(  # noqa: PLR0917 - as LiveSpan
        self,
        tracer: Tracer,
        name: str,
        attributes: Mapping[str, Any] | None = None,  # noqa: ARG002
        kind: AnyKind = INTERNAL,  # noqa: ARG002
        links: Iterable[AnyLink] | None = None,  # noqa: ARG002
        parent: Parent | None = None,
    ) -> Self:
        """As ``LiveSpan.prepare``, of nothing but the identity."""
        above = get_context().get(SPAN_KEY) if parent is None else span_of(parent)
        self.identity = passed_on(above)
        self._tracer, self._name, self._kind = tracer, name, INTERNAL_NUMBER
        self._parent_id, self._flags, self._start = b"", 0, 0
        self._attributes, self._details, self._recording = {}, None, 0
        return self


class SilentCurrent(Silent, CurrentSpan):
    """One that is current in its block."""

    __slots__ = ()


class SilentTracer(Tracer):
    """Makes spans that record nothing."""

    __slots__ = ()

    live = Silent
    current = SilentCurrent
    open = SilentCurrent

    def span(self, name: str, **given: Any) -> CurrentSpan:
        """As ``Tracer.span``."""
        return SilentCurrent().prepare(self, name, **given)


def passed_on(above: object) -> Identity:
    """The identity of the span above, which is not one's own, or nobody's."""
    if isinstance(above, LiveSpan):
        return above.identity
    return (
        identity_of(above.get_span_context()) if isinstance(above, ApiSpan) else NOBODY
    )
