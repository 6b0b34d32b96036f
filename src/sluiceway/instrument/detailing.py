"""What goes into the details of a span, within its limits.

Law: the first ones stay, what is beyond a limit is counted as dropped.
"""

from __future__ import annotations

from logging import getLogger
from typing import Any

from attrs import frozen
from opentelemetry.trace import StatusCode as ApiStatusCode

from ..events import SpanEvent, StatusCode
from ..notes import Details
from .identity import AnyLink, link_of
from .limits import SpanLimits, cut


@frozen
class OnError:
    """What an exception that leaves a span's block does to the span."""

    record_exception: bool = True
    set_status: bool = True


def status_of(status: Any) -> StatusCode:
    """A status code in our words; UNSET, with a warning, for what is none."""
    number = status.value if isinstance(status, ApiStatusCode) else status
    try:
        return StatusCode(number)
    except ValueError:
        getLogger(__name__).warning(
            "the status of a span is %.100r; expected a StatusCode, such as "
            "StatusCode.ERROR; nothing is changed",
            status,
        )
        return StatusCode.UNSET


def whole(timestamp: Any) -> int:
    """Nanoseconds as a whole number; 0 for none, and for what is no time.

    0 is itself a time that is not known, as OTLP has it; and none is before it.
    """
    try:
        time = int(timestamp or 0)
    except Exception:  # noqa: BLE001 - a user's object may do anything
        return 0
    return time if time > 0 else 0  # noqa: FURB136 - speed


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


def note_link(details: Details, given: AnyLink, limits: SpanLimits) -> None:
    """Add a link; one without a valid identity only if it tells something else."""
    link = link_of(given)
    if link is None:
        return
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
    dropped = limits.cut(attributes)
    if dropped:
        details = details or Details()
        details.dropped_attributes += dropped
    return details
