"""Messages described by tables: which field becomes which attribute, and how.

Law: a field of unknown number or unexpected wire type is skipped; of one that may stand
once, the last counts. A message that stands several times is merged where it holds
fields of an event; of values the last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .reading import Reader, fields

Take = Callable[[Reader, int, int], Any]
Collect = Callable[[Reader, Any, int, int], Any]
Known = tuple[str, Take | None, Collect | None]
Table = Mapping[int, Known]


def once(name: str, take: Take) -> Known:
    """A field that may stand once."""
    return name, take, None


def merged(name: str, collect: Collect) -> Known:
    """A message that may stand once: what it was before becomes what it is with it."""
    return name, None, collect


def fields_of(before: msgspec.Struct | None) -> dict[str, Any]:
    """What was read of a message before, to go on with."""
    return {} if before is None else msgspec.structs.asdict(before)


def repeated(name: str, take: Take) -> Known:
    """A repeated field: a list of what ``take`` gives, each a counted part."""

    def collect(reader: Reader, values: Any, start: int, stop: int) -> Any:
        reader.count(start)
        item = take(reader, start, stop)
        if values is None:
            return [item]
        values.append(item)
        return values

    return name, None, collect


def extended(name: str, take: Take) -> Known:
    """A packed repeated field: ``take`` gives a list of several elements at once."""

    def collect(reader: Reader, values: Any, start: int, stop: int) -> Any:
        items = take(reader, start, stop)
        if values is None:
            return items
        values.extend(items)
        return values

    return name, None, collect


def alone(take: Take) -> Take:
    """For ``extended``: one element that was not packed, as parsers must accept."""
    return lambda reader, start, stop: [take(reader, start, stop)]


def read_message(
    reader: Reader, start: int, stop: int, table: Table, values: dict[str, Any]
) -> dict[str, Any]:
    """``values`` with what the message says; ``start`` may be in its middle."""
    for tag, first, last in fields(reader.data, start, stop):
        known = table.get(tag)
        if known is not None:
            name, take, collect = known
            if take is not None:
                values[name] = take(reader, first, last)
            elif collect is not None:
                values[name] = collect(reader, values.get(name), first, last)
    return values
