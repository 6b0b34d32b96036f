"""AnyValues, attributes, resources and scopes from bytes.

Law: values nested deeper than ``DEEPEST`` are malformed; of attributes with one key the
last counts; an AnyValue in which nothing known is set is None.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/{common,resource}/v1``.
"""

from __future__ import annotations

from typing import Any

from ...events import Resource, Scope
from .messages import Known, Table, fields_of, once, read_message
from .reading import (
    MalformedError,
    Reader,
    double,
    fields,
    int64,
    text,
    uint32,
    unpack_double,
    varint,
)

DEEPEST = 64
LARGEST_MEMO = 256
LONGEST = 128  # bytes of an attribute that is worth remembering


def any_value(reader: Reader, start: int, stop: int, depth: int = 0) -> Any:
    """What an AnyValue holds; the usual forms at once."""
    size = stop - start
    if size > 1:
        data = reader.data
        tag, first = data[start], data[start + 1]
        if tag == 10 and first == size - 2 < 128:
            return data[start + 2 : stop].decode()
        if tag == 24:
            number, pos = varint(data, start + 1)
            if pos == stop:
                return int64(number) if size > 9 else number
        elif tag == 16 and size == 2 and first < 2:
            return first == 1
        elif tag == 33 and size == 9:
            return unpack_double(data, start + 1)[0]
    value = None
    for tag, first, last in fields(reader.data, start, stop):
        value = one_value(reader, value, (tag, first, last), depth)
    return value


def one_value(
    reader: Reader, value: Any, field: tuple[int, int, int], depth: int
) -> Any:
    """What one field of an AnyValue sets it to; ``value`` if it is unknown."""
    tag, start, stop = field
    if tag in {42, 50}:
        return container(reader, field, depth + 1)
    if tag == 10:
        return reader.data[start:stop].decode()
    if tag == 16:
        return start != 0
    if tag == 24:
        return int64(start)
    if tag == 33:
        return double(reader, start, stop)
    return reader.data[start:stop] if tag == 58 else value


def container(reader: Reader, field: tuple[int, int, int], depth: int) -> Any:
    """An array or a key-value list."""
    tag, start, stop = field
    if depth > DEEPEST:
        raise MalformedError(start, f"values nested at most {DEEPEST} deep")
    reader.count(start)
    inner = fields(reader.data, start, stop)
    if tag == 42:
        return [any_value(reader, a, b, depth) for item, a, b in inner if item == 10]
    return dict([key_value(reader, a, b, depth) for item, a, b in inner if item == 10])


def key_value(reader: Reader, start: int, stop: int, depth: int = 0) -> tuple[str, Any]:
    """The key and the value of a KeyValue."""
    key, value = "", None
    for tag, first, last in fields(reader.data, start, stop):
        if tag == 10:
            key = reader.data[first:last].decode()
        elif tag == 18:
            value = any_value(reader, first, last, depth)
    return key, value


def pair_at(reader: Reader, start: int, stop: int) -> tuple[str, Any]:
    """A KeyValue of an event, its usual form at once: a known key, then a value."""
    data = reader.data
    if stop - start < 3:
        return key_value(reader, start, stop)
    middle = start + 3 + data[start + 1]  # behind the key and the value's tag
    key = reader.keys.get(data[start:middle])
    if key is None:
        return new_key(reader, start, stop)
    size = stop - middle - 1
    if not 1 < size < 128 or data[middle] != size:
        return key_value(reader, start, stop)
    return key, any_value(reader, middle + 1, stop)


def new_key(reader: Reader, start: int, stop: int) -> tuple[str, Any]:
    """A KeyValue whose key was not met before; a short one will be known by its bytes.

    What is remembered is the field of the key with the tag of the value behind it, so
    that bytes that are found again need no further look.
    """
    data, keys = reader.data, reader.keys
    size = data[start + 1]
    middle = start + 3 + size
    pair = key_value(reader, start, stop)
    usual = data[start] == 10 and size < 128 and middle <= stop
    if usual and data[middle - 1] == 18 and len(keys) < LARGEST_MEMO:
        keys[data[start:middle]] = data[start + 2 : middle - 1].decode()
    return pair


def remember(reader: Reader, chunk: bytes, start: int) -> tuple[str, Any]:
    """A KeyValue that was not met before; a short one will be known by its bytes.

    A full memo stays as it is, since it lives no longer than the body; it is given up
    if less than half of what was read until then was known. A list or a dict is not
    shared, as an event's attributes may be changed in place.
    """
    pairs = reader.pairs
    pair = pair_at(reader, start, start + len(chunk))
    if len(pairs) < LARGEST_MEMO:
        if len(chunk) <= LONGEST and not isinstance(pair[1], list | dict):
            pairs[chunk] = pair
        reader.various = len(pairs) == LARGEST_MEMO > reader.seen / 2
    return pair


def attribute(reader: Reader, values: Any, start: int, stop: int) -> Any:
    """Add one KeyValue to the attributes."""
    if values is None:
        values = {}
    key, value = key_value(reader, start, stop)
    values[key] = value
    return values


def attributes(name: str = "attributes") -> Known:
    """The table's row of a repeated KeyValue."""
    return name, None, attribute


def attribute_run(reader: Reader, pos: int, end: int, into: dict[str, Any]) -> int:
    """Read attributes that follow one another from ``pos``; where they end.

    They have the tag that stands at ``pos``, a byte.
    """
    data, pairs = reader.data, reader.pairs
    if reader.various:
        return various_run(reader, pos, end, into)
    tag = data[pos]
    while pos < end and data[pos] == tag:
        start = pos + 2
        size = data[pos + 1]
        if size > 127:
            size, start = varint(data, pos + 1)
        pos = start + size
        if pos > end:
            raise MalformedError(start, f"{size} bytes, there are {end - start}")
        chunk = data[start:pos]
        key, value = pairs.get(chunk) or remember(reader, chunk, start)
        into[key] = value
    reader.seen += len(into)
    return pos


def various_run(reader: Reader, pos: int, end: int, into: dict[str, Any]) -> int:
    """The same for a body in which few attributes are alike.

    Only the keys are still looked up; short texts, the usual values, are read here.
    """
    data, known = reader.data, reader.keys.get
    tag = data[pos]
    while pos < end and data[pos] == tag:
        start = pos + 2
        size = data[pos + 1]
        if size > 127:
            size, start = varint(data, pos + 1)
        pos = start + size
        if pos > end:
            raise MalformedError(start, f"{size} bytes, there are {end - start}")
        middle = start + 3 + data[start + 1] if size else pos
        key = known(data[start:middle])
        size = pos - middle - 1
        if key is None or not 1 < size < 128 or data[middle] != size:
            key, value = pair_at(reader, start, pos)
            into[key] = value
        elif data[middle + 1] == 10 and data[middle + 2] == size - 2:
            into[key] = data[middle + 3 : pos].decode()
        else:
            into[key] = any_value(reader, middle + 1, pos)
    return pos


RESOURCE: Table = {
    10: attributes(),
    16: once("dropped_attributes_count", uint32),
}

SCOPE: Table = {
    10: once("name", text),
    18: once("version", text),
    26: attributes(),
    32: once("dropped_attributes_count", uint32),
}


def read_resource(
    reader: Reader, before: Resource | None, start: int, stop: int
) -> Resource:
    """A Resource, without its schema URL, which stands around it."""
    return Resource(**read_message(reader, start, stop, RESOURCE, fields_of(before)))


def read_scope(reader: Reader, before: Scope | None, start: int, stop: int) -> Scope:
    """An InstrumentationScope, without its schema URL, which stands around it."""
    return Scope(**read_message(reader, start, stop, SCOPE, fields_of(before)))
