"""The notes that a finished span leaves, and the event that is made of them.

Law: a tuple is the cheapest object that holds them. Only a stage that says
``takes_notes`` ever sees one; for all others the source makes spans of them.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, TypeGuard

import msgspec

from .events import (
    Attributes,
    Link,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
    StatusCode,
)


class Details:
    """What most spans do not have, and so do not pay for."""

    __slots__ = (
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "events",
        "links",
        "status_code",
        "status_message",
    )

    def __init__(self) -> None:
        self.events: list[SpanEvent] = []
        self.links: list[Link] = []
        self.status_code = StatusCode.UNSET
        self.status_message = ""
        self.dropped_attributes = self.dropped_events = self.dropped_links = 0


class Provenance(msgspec.Struct, eq=False, frozen=True):
    """Whose spans they are."""

    resource: Resource
    scope: Scope


Notes = tuple[
    str,  # name
    bytes,  # trace id
    bytes,  # span id
    bytes,  # parent's span id
    int,  # start, nanoseconds since the epoch
    int,  # end
    Attributes,
    int,  # kind
    str,  # tracestate
    int,  # flags
    Details | None,
    Provenance,
]

provenance_of = itemgetter(11)
KINDS = {int(kind): kind for kind in SpanKind}  # calling an enum is slow


def are_notes(events: list[Any]) -> TypeGuard[list[Notes]]:
    """Whether all of the events are notes, and none is a tuple of a user's."""
    try:
        found = {*map(provenance_of, events)}
        return {*map(type, found)} == {Provenance}
    except Exception:  # noqa: BLE001 - a user's events may be anything
        return False


def with_spans(events: list[Any]) -> list[Any]:
    """The events, spans in place of notes; whatever else there is stays what it is."""
    if are_notes(events):
        return [*map(event_of, events)]
    return [
        event_of(event) if type(event) is tuple and are_notes([event]) else event
        for event in events
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
        provenance,
    ) = span
    event = Span(
        name=name,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=attributes,
        kind=KINDS[kind],
        trace_state=trace_state,
        flags=flags,
        resource=provenance.resource,
        scope=provenance.scope,
    )
    if details is not None:
        event.events = details.events
        event.links = details.links
        event.status_code = details.status_code
        event.status_message = details.status_message
        event.dropped_attributes_count = details.dropped_attributes
        event.dropped_events_count = details.dropped_events
        event.dropped_links_count = details.dropped_links
    return event
