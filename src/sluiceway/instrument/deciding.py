"""DecidingTracer: for a sampler that must be asked about more than the roots of traces.

Law: what is decided stands before the span can be seen by anybody. Most telemetries do
not need it, and their spans do not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from ..notes import KINDS
from ..samplers.start import SpanStart
from .identity import REMOTE, SAMPLED, AnyKind, AnyLink, Parent
from .planned import Planned, PlanningTracer
from .span import INTERNAL, CurrentSpan, LiveSpan, OpenSpan
from .tracer import Tracer

if TYPE_CHECKING:
    from .head import ChoosingHead


class Decided(LiveSpan):
    """A span on which a head sampler decides as soon as everything is known of it."""

    __slots__ = ()

    def prepare(  # noqa: PLR0917 - as LiveSpan
        self,
        tracer: Tracer,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        kind: AnyKind = INTERNAL,
        links: Iterable[AnyLink] | None = None,
        parent: Parent | None = None,
    ) -> Self:
        """As ``LiveSpan.prepare``, and the decision."""
        super().prepare(tracer, name, attributes, kind, links, parent)
        head: ChoosingHead = tracer.telemetry.head
        has_local_parent = self._parent_id and not self._flags & REMOTE
        if not (has_local_parent and head.follows_local_parents):
            self._follow(head)
        return self

    def _follow(self, head: ChoosingHead) -> None:
        """Do as the sampler decides."""
        trace_id, span_id, flags, trace_state = self.identity
        start = SpanStart(
            self._name,
            KINDS[self._kind],
            self._attributes,
            trace_id,
            self._parent_id,
            bool(flags & SAMPLED),
            bool(self._flags & REMOTE),
            trace_state,
        )
        kept, trace_state = head.decide(start)
        self._recording = kept * SAMPLED
        self._flags = self._flags & ~SAMPLED | self._recording
        flags = flags & ~SAMPLED | self._recording
        self.identity = (trace_id, span_id, flags, trace_state)


class DecidedCurrent(Decided, CurrentSpan):
    """One that is current in its block, and decides anew on each call it decorates."""

    __slots__ = ()


class DecidedOpen(Decided, OpenSpan):
    """One that goes on after its block."""

    __slots__ = ()


class DecidedPlanned(Planned, DecidedCurrent):
    """One that is made, and decided on, when it begins."""

    __slots__ = ()


class DecidingTracer(PlanningTracer):
    """Makes spans that ask ``telemetry.head`` about themselves."""

    __slots__ = ()

    live = Decided
    current = DecidedCurrent
    open = DecidedOpen
    planned = DecidedPlanned
