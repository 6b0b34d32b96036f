"""The notes that a finished span leaves, and the event that is made of them.

Law: a tuple is the cheapest object that holds them; nobody sees it but the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..events import Attributes, Link, Span, SpanEvent, SpanKind, StatusCode

if TYPE_CHECKING:
    from .tracer import Tracer


class Details:
    """What most spans do not have, and so do not pay for."""

    __slots__ = ("events", "links", "status_code", "status_message")

    def __init__(self) -> None:
        self.events: list[SpanEvent] = []
        self.links: list[Link] = []
        self.status_code = StatusCode.UNSET
        self.status_message = ""


Notes = tuple[
    str,
    bytes,
    bytes,
    bytes,
    int,
    int,
    Attributes,
    SpanKind,
    str,
    int,
    Details | None,
    "Tracer",
]


def event_of(span: Notes | Span) -> Span:
    """The event that a pipeline handles."""
    if not isinstance(span, tuple):
        return span
    (
        name,
        trace_id,
        span_id,
        parent_id,
        start,
        end,
        attributes,
        kind,
        trace_state,
        flags,
        details,
        tracer,
    ) = span
    event = Span(
        name=name,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=attributes,
        kind=kind,
        trace_state=trace_state,
        flags=flags,
        resource=tracer.telemetry.resource,
        scope=tracer.scope,
    )
    if details is not None:
        event.events = details.events
        event.links = details.links
        event.status_code = details.status_code
        event.status_message = details.status_message
    return event
