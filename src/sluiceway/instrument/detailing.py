"""What goes into the details of a span, within its limits.

Law: the first ones stay, what is beyond a limit is counted as dropped.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from ..events import Link, SpanEvent
from ..notes import Details
from .limits import SpanLimits, cut


@frozen
class OnError:
    """What an exception that leaves a span's block does to the span."""

    record_exception: bool = True
    set_status: bool = True


def note_event(details: Details, event: SpanEvent, limits: SpanLimits) -> None:
    """Add an event."""
    if len(details.events) >= limits.events:
        details.dropped_events += 1
        return
    length = limits.attribute_length
    event.dropped_attributes_count += cut(
        event.attributes, limits.event_attributes, length
    )
    details.events.append(event)


def note_link(details: Details, link: Link, limits: SpanLimits) -> None:
    """Add a link."""
    if len(details.links) >= limits.links:
        details.dropped_links += 1
        return
    length = limits.attribute_length
    link.dropped_attributes_count += cut(
        link.attributes, limits.link_attributes, length
    )
    details.links.append(link)


def limit_attributes(
    details: Details | None, attributes: dict[str, Any], limits: SpanLimits
) -> Details | None:
    """Shorten a span's attributes in place; the details, made where one was dropped."""
    dropped = cut(attributes, limits.attributes, limits.attribute_length)
    if dropped:
        details = details or Details()
        details.dropped_attributes += dropped
    return details
