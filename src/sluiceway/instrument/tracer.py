"""Tracer: makes the spans of one library or module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.context import Context
from opentelemetry.trace import Link
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind as ApiSpanKind
from opentelemetry.trace import Tracer as ApiTracer

from ..events import Scope
from ..fork import follow_forks
from ..formats.tracestate import consistent_trace_state
from ..notes import Provenance
from .detailing import OnError
from .identity import (
    FRESH_TRACE,
    NOBODY,
    SAMPLED,
    AnyKind,
    AnyLink,
    Identifiers,
    Identity,
    Parent,
    identity_of,
)
from .span import INTERNAL, CurrentSpan, LiveSpan, OpenSpan
from .values import text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry


class Tracer(ApiTracer):
    """Makes spans; an OpenTelemetry ``Tracer`` with a faster ``span``.

    Args:
        telemetry: whose resource, sampler and ``spans`` the spans get.
        scope: the library or module that the spans are of.
    """

    __slots__ = (
        "emit",
        "head",
        "identifiers",
        "limits",
        "provenance",
        "scope",
        "telemetry",
        "time_ns",
        "unseen",
    )

    # What the API's methods make, and a decorated function for each call.
    live: ClassVar[type[LiveSpan]] = LiveSpan
    current: ClassVar[type[CurrentSpan]] = CurrentSpan
    open: ClassVar[type[CurrentSpan]] = OpenSpan

    def __init__(self, telemetry: Telemetry, scope: Scope) -> None:
        self.telemetry = telemetry
        self.scope = scope
        self.head: Any = telemetry.head  # None: nobody is asked about a span
        self.limits = telemetry.limits
        self.unseen = telemetry.limits.unseen  # attributes that are below any limit
        self.identifiers = Identifiers(telemetry.random)
        self.time_ns = telemetry.clock.time_ns
        self.emit: Callable[[Any], bool] = telemetry.spans.emit_nowait
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """The spans of a forked child are of another instance of the service."""
        self.provenance = Provenance(self.telemetry.resource, self.scope)

    def span(
        self,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        kind: AnyKind = INTERNAL,
        links: Iterable[AnyLink] | None = None,
        parent: Parent | None = None,
    ) -> CurrentSpan:
        """Time a block of code (``with``) or every call of a function (``@``).

        An exception that leaves the block sets the status ERROR and is recorded as
        text; it passes unchanged. Cancellation is no error. A head sampler is asked
        when the block begins, and at each call.

        Args:
            name: of low cardinality: what happens, not to whom.
            attributes: what is known at the start.
            kind: which side of a call this is.
            links: other spans that this one refers to.
            parent: a span, a ``SpanContext`` or a ``Context``; by default the span
                that is current when ``span`` is called, or the decorated function.

        Raises:
            TypeError: the name is a function, decorated without naming the span.
        """
        if type(name) is not str:
            name = told_name(name)
        return CurrentSpan().prepare(self, name, attributes, kind, links, parent)

    def origin(self, above: Any) -> Identity:
        """What a new span gets from the span above it, or as the root of a trace."""
        if isinstance(above, LiveSpan) and above.identity is not NOBODY:
            return above.identity
        context = above.get_span_context() if isinstance(above, ApiSpan) else None
        if context is None or not context.is_valid:
            return self.identifiers.trace_id(), b"", FRESH_TRACE, ""
        trace_id, span_id, flags, state = identity_of(context)
        if "ot=" in state:
            state = consistent_trace_state(state, trace_id, bool(flags & SAMPLED))
        return trace_id, span_id, flags, state

    def span_type(self, kind: type[LiveSpan]) -> type[Any]:
        """The class that this tracer's decorated functions make in the place of one."""
        if kind is LiveSpan:
            return self.live
        return self.open if kind is OpenSpan else self.current

    # What the API asks of a tracer.

    def start_span(  # noqa: PLR0917 - the API's
        self,
        name: str,
        context: Context | None = None,
        kind: ApiSpanKind = ApiSpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Iterable[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> LiveSpan:
        """Start a span without making it current; as a context manager it ends it."""
        if type(name) is not str:
            name = text_of(name)
        span = self.live().prepare(self, name, attributes, kind, links, context)
        span.start(start_time)
        if not (record_exception and set_status_on_exception):
            span.on_error = OnError(record_exception, set_status_on_exception)
        return span

    def start_as_current_span(  # type: ignore[override] # noqa: PLR0917 - the API's
        self,
        name: str,
        context: Context | None = None,
        kind: ApiSpanKind = ApiSpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Iterable[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """``span`` in the API's spelling."""
        if type(name) is not str:
            name = text_of(name)
        make = self.current if end_on_exit else self.open
        span = make().prepare(self, name, attributes, kind, links, context)
        if start_time is not None:
            span.start(start_time)
        if not (record_exception and set_status_on_exception):
            span.on_error = OnError(record_exception, set_status_on_exception)
        return span

    def __repr__(self) -> str:
        return f"<Tracer {self.scope.name} {self.scope.version}>"


def told_name(name: Any) -> str:
    """The text of a name that is no plain one.

    Who writes ``@tracer.span`` alone is told before the first call does it badly.

    Raises:
        TypeError: a function stands where the name of a span belongs.
    """
    if callable(name) and not isinstance(name, str):
        shown = getattr(name, "__qualname__", type(name).__name__)
        raise TypeError(
            f"tracer.span got the function {shown} for a name; "
            f'expected @tracer.span("{shown}")'
        )
    return text_of(name)
