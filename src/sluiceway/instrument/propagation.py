"""Propagation: a trace and its baggage travel in the headers of requests.

Law: a header that breaks its rules counts as absent, and never raises; without an
incoming trace the caller's context comes back. Source: W3C Trace Context level 2, W3C
Baggage; OpenTelemetry specification, ``context/api-propagators.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from typing import Any

from opentelemetry.baggage import get_all, set_baggage
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from ..formats.baggage import format_baggage, parse_baggage
from ..formats.traceparent import format_traceparent, parse_traceparent
from ..formats.tracestate import parse_tracestate
from .span import LiveSpan
from .trace_state import TraceState
from .values import text_of

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"
EMPTY = TraceState()
BAGGAGE_KEY: str = next(iter(set_baggage("a", "b", Context())))


class TraceContextPropagator(TextMapPropagator):
    """``traceparent`` and ``tracestate``; two ``traceparent`` headers are none."""

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """``context`` with the remote span that the headers name, if they do."""
        if context is None:
            context = Context()
        parents = texts(getter.get(carrier, TRACEPARENT))
        parent = parse_traceparent(parents[0]) if len(parents) == 1 else None
        if parent is None:
            return context
        trace_id, span_id, flags = parent
        states = texts(getter.get(carrier, TRACESTATE))
        remote = SpanContext(
            trace_id,
            span_id,
            is_remote=True,
            trace_flags=TraceFlags(flags),
            trace_state=TraceState(parse_tracestate(states)) if states else EMPTY,
        )
        return set_span_in_context(NonRecordingSpan(remote), context)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Tell the receiver of the span that is current in ``context``."""
        told = identity_in_numbers(get_current_span(context))
        if told is None:
            return
        trace_id, span_id, flags, state = told
        setter.set(carrier, TRACEPARENT, format_traceparent(trace_id, span_id, flags))
        if state:
            setter.set(carrier, TRACESTATE, state)

    @property
    def fields(self) -> set[str]:
        """The names of the headers."""
        return {TRACEPARENT, TRACESTATE}


class BaggagePropagator(TextMapPropagator):
    """``baggage``: values are ``BaggageValue``, a text that knows its properties."""

    def __init__(self) -> None:
        self._complained = False

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """``context`` with what the headers hold, beside what it held."""
        if context is None:
            context = Context()
        found = parse_baggage(texts(getter.get(carrier, BAGGAGE)))
        if not found:
            return context
        return Context({**context, BAGGAGE_KEY: {**get_all(context), **found}})

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Tell the receiver of the baggage in ``context``; whole members only."""
        members = [
            (text_of(name), value if isinstance(value, str) else text_of(value))
            for name, value in get_all(context).items()
        ]
        header, left_out = format_baggage(members)
        if header:
            setter.set(carrier, BAGGAGE, header)
        if left_out and not self._complained:
            self._complained = True
            getLogger(__name__).warning(
                "baggage %s is not passed on: its name is no token, or the whole "
                "would be longer than 8192 bytes; this is said once",
                left_out,
            )

    @property
    def fields(self) -> set[str]:
        """The name of the header."""
        return {BAGGAGE}


class Propagators(TextMapPropagator):
    """Several propagators in their order; of two that find the same the last one wins.

    Args:
        propagators: may be none at all, which passes nothing on.
    """

    def __init__(self, propagators: Sequence[TextMapPropagator] = ()) -> None:
        self.propagators = tuple(propagators)

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """``context`` with all that the propagators find."""
        if context is None:
            context = Context()
        for propagator in self.propagators:
            context = propagator.extract(carrier, context, getter)
        return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Let each of them tell the receiver what it knows."""
        for propagator in self.propagators:
            propagator.inject(carrier, context, setter)

    @property
    def fields(self) -> set[str]:
        """The names of all headers."""
        return {field for each in self.propagators for field in each.fields}

    def __repr__(self) -> str:
        names = [type(propagator).__name__ for propagator in self.propagators]
        return f"<Propagators {', '.join(names) or 'none'}>"


def identity_in_numbers(span: Span) -> tuple[int, int, int, str] | None:
    """Trace id, span id, flags and tracestate of a span; None if it has no identity."""
    if isinstance(span, LiveSpan):
        trace, own, flags, state = span.identity
        trace_id, span_id = int.from_bytes(trace, "big"), int.from_bytes(own, "big")
        return (trace_id, span_id, flags, state) if trace_id and span_id else None
    told = span.get_span_context()
    if not told.is_valid:
        return None
    return told.trace_id, told.span_id, told.trace_flags, told.trace_state.to_header()


def texts(found: Any) -> list[str]:
    """The headers that a getter found; some getters give one text, or bytes."""
    if not found:
        return []
    if isinstance(found, str | bytes):
        found = [found]
    return [
        value if isinstance(value, str) else value.decode("latin-1")
        for value in found
        if isinstance(value, str | bytes)
    ]
