"""When a head sampler is asked about a span, and what follows from its answer.

Law: what is decided stands before the span can be seen by anybody. A sampler that
remembers what it was asked is not asked about a span that never begins, such as one
that only decorates a function. Most telemetries keep every trace, and their spans do
not pay for this.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from ..notes import KINDS
from ..samplers.start import SpanStart
from .identity import REMOTE, SAMPLED
from .span import CurrentSpan, LiveSpan, OpenSpan


def decide(span: LiveSpan) -> None:
    """Ask the sampler about a span, of which everything is known, and do as it says."""
    head = span._tracer.head
    trace_id, span_id, flags, trace_state = span.identity
    if head.asks:
        kept, trace_state = head.decide(start_of(span))
        span.identity = (trace_id, span_id, flags, trace_state)
    else:
        kept = head.keeps(trace_id, span._name, span._attributes or None)
    if not kept:
        leave_out(span)
    elif not span._recording:
        span._recording, span._flags = SAMPLED, span._flags | SAMPLED
        span.identity = (trace_id, span_id, flags | SAMPLED, trace_state)


def leave_out(span: LiveSpan) -> None:
    """Let a span not be recorded, and those that follow it not be either."""
    trace_id, span_id, flags, trace_state = span.identity
    span._recording, span._flags = 0, span._flags & ~SAMPLED
    span.identity = (trace_id, span_id, flags & ~SAMPLED, trace_state)


def start_of(span: LiveSpan) -> SpanStart:
    """What a sampler that chooses among others looks at."""
    trace_id, _, flags, trace_state = span.identity
    return SpanStart(
        span._name,
        KINDS[span._kind],
        span._attributes,
        trace_id,
        span._parent_id,
        bool(flags & SAMPLED),
        bool(span._flags & REMOTE),
        trace_state,
    )


class Late:
    """An attribute of a span that depends on the decision, which it brings about."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, span: Undecided, owner: type) -> Any:
        span.__class__ = span.afterwards
        decide(span)
        return getattr(span, self._name)


class Undecided(CurrentSpan):
    """A span on which nothing is decided until it begins or somebody looks at it.

    From then on it is of another class, and as fast as all others.
    """

    __slots__ = ()

    afterwards: ClassVar[Any] = CurrentSpan  # the class it is of once decided
    identity: Any = Late()
    _recording: Any = Late()

    def __enter__(self) -> Self:
        self.__class__ = self.afterwards
        decide(self)
        return self.__enter__()

    def __repr__(self) -> str:
        return f"<{self.afterwards.__name__} undecided>"


class UndecidedOpen(Undecided, OpenSpan):
    """One that goes on after its block."""

    __slots__ = ()

    afterwards = OpenSpan


LATER: Final[dict[type, Any]] = {CurrentSpan: Undecided, OpenSpan: UndecidedOpen}


def defer(span: LiveSpan) -> None:
    """Ask when the span's block begins; at once about one without a block."""
    later = LATER.get(type(span))
    if later is None:
        decide(span)
    else:
        span.__class__ = later
