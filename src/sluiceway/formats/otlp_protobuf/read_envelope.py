"""What surrounds the events of every signal, read: resources and scopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...events import NO_RESOURCE, NO_SCOPE, Resource, Scope
from .messages import Table, merged, once, read_message, repeated
from .read_values import read_resource, read_scope
from .reading import Reader, decode, fields, text, too_many

Position = tuple[int, int]
ReadEvent = Callable[[Reader, Position, Resource, Scope, list[Any]], None]


def position(reader: Reader, start: int, stop: int) -> Position:  # noqa: ARG001
    """Where something stands that is read later: its scope may follow it."""
    return start, stop


RESOURCE_GROUP: Table = {
    10: merged("resource", read_resource),
    18: repeated("scopes", position),
    26: once("schema_url", text),
}


def decode_request(body: bytes, read_event: ReadEvent) -> list[Any]:
    """The events of an Export*ServiceRequest; ``read_event`` adds those of field 2."""

    def read(reader: Reader, start: int, stop: int) -> list[Any]:
        events: list[Any] = []
        for tag, first, last in fields(reader.data, start, stop):
            if tag == 10:
                read_resource_group(reader, (first, last), read_event, events)
        return events

    return decode(body, read)


def read_resource_group(
    reader: Reader, at: Position, read_event: ReadEvent, events: list[Any]
) -> None:
    """Add the events of a ResourceSpans, ResourceMetrics or ResourceLogs."""
    group = read_message(reader, at[0], at[1], RESOURCE_GROUP, {})
    resource = with_schema(group.get("resource", NO_RESOURCE), group)
    for start, stop in group.get("scopes", ()):
        inner, positions = read_scope_group(reader, start, stop)
        scope = with_schema(inner.get("scope", NO_SCOPE), inner)
        for event in positions:
            read_event(reader, event, resource, scope, events)


def read_scope_group(
    reader: Reader, start: int, stop: int
) -> tuple[dict[str, Any], list[Position]]:
    """A ScopeSpans, ScopeMetrics or ScopeLogs, and where its events stand."""
    values: dict[str, Any] = {}
    positions: list[Position] = []
    for tag, first, last in fields(reader.data, start, stop):
        if tag == 18:
            if len(positions) >= reader.room:
                raise too_many(first)
            positions.append((first, last))
        elif tag == 10:
            values["scope"] = read_scope(reader, values.get("scope"), first, last)
        elif tag == 26:
            values["schema_url"] = text(reader, first, last)
    reader.room -= len(positions)
    return values, positions


def with_schema(part: Any, group: dict[str, Any]) -> Any:
    """The resource or scope with the schema URL that stands beside it."""
    url = group.get("schema_url", "")
    return msgspec.structs.replace(part, schema_url=url) if url else part
