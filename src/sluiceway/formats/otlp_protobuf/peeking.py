"""One encoded span or log record: what a sampler reads of it, and what it sets.

Law: the bytes of an item are its field: a tag of one byte, the length, the message. Of
a field that is not repeated the last one counts, so that setting it is appending it.
Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .read_values import attribute
from .reading import Reader, decode, fields, span_id, text, trace_id
from .writing import embedded, utf8

RECORD_ATTRIBUTE = 50  # the tag of a log record's attributes


def message_start(data: bytes) -> int:
    """Where the message of a field begins."""
    start = 1
    while data[start] > 127:
        start += 1
    return start + 1


def item_fields(reader: Reader, stop: int) -> Iterator[tuple[int, int, int]]:
    """The fields of an item's message."""
    return fields(reader.data, message_start(reader.data), stop)


def with_field(data: bytes, field: bytes) -> bytes:
    """The item with a further field behind the others."""
    return embedded(data[:1], data[message_start(data) :] + field)


def trace_of(data: bytes) -> tuple[bytes, str]:
    """The trace id and the tracestate of a span; empty where there is none.

    Nearly every span begins with its ids and has no tracestate.

    Raises:
        MalformedError: the bytes are no span.
    """
    start = 2 if data[1] < 128 else 3
    rest = start + 28
    usual = len(data) >= rest and data[start] == 10 and data[start + 1] == 16
    usual = usual and data[start + 18] == 18 and data[start + 19] == 8
    if usual and (data.find(26, rest) < 0 or not may_have_field(data, rest, 26)):
        return data[start + 2 : start + 18], ""
    return decode(data, read_trace)


def may_have_field(data: bytes, pos: int, tag: int) -> bool:
    """Whether a field of this tag begins at ``pos`` or behind it, or nobody can tell.

    Only usual forms of fields are followed, since only these are worth the haste.
    """
    stop = len(data)
    while pos < stop:
        found = data[pos]
        if found == tag:
            return True
        wire_type = found & 7
        if wire_type == 2 and found < 128:
            size = data[pos + 1]
            if size < 128:
                pos += 2 + size
            elif data[pos + 2] < 128:
                pos += 3 + (size & 127 | data[pos + 2] << 7)
            else:
                return True
        elif wire_type == 1 and found < 128:
            pos += 9
        elif wire_type == 0 and found < 128 and data[pos + 1] < 128:
            pos += 2
        else:
            return True
    return False


def read_trace(reader: Reader, start: int, stop: int) -> tuple[bytes, str]:  # noqa: ARG001
    """The same, field by field."""
    trace, state = b"", ""
    for tag, first, last in item_fields(reader, stop):
        if tag == 10:
            trace = trace_id(reader, first, last)
        elif tag == 18:
            span_id(reader, first, last)
        elif tag == 26:
            state = text(reader, first, last)
    return trace, state


def record_trace_id(data: bytes) -> bytes:
    """The trace id of a log record; empty if there is none.

    Raises:
        MalformedError: the bytes are no log record.
    """

    def read(reader: Reader, start: int, stop: int) -> bytes:  # noqa: ARG001
        trace = b""
        for tag, first, last in item_fields(reader, stop):
            if tag == 74:
                trace = trace_id(reader, first, last)
        return trace

    return decode(data, read)


def record_attribute(data: bytes, key: str) -> Any:
    """The value of a log record's attribute; None if it has no such one.

    Raises:
        MalformedError: the bytes are no log record.
    """
    if utf8(key) not in data:
        return None

    def read(reader: Reader, start: int, stop: int) -> Any:  # noqa: ARG001
        values: dict[str, Any] = {}
        for tag, first, last in item_fields(reader, stop):
            if tag == RECORD_ATTRIBUTE:
                attribute(reader, values, first, last)
        return values.get(key)

    return decode(data, read)


def with_attribute(data: bytes, key: str, value: str) -> bytes:
    """The log record with this text as the one attribute of that key.

    Raises:
        MalformedError: the bytes are no log record.
    """
    text_value = embedded(b"\x12", embedded(b"\n", utf8(value)))
    added = embedded(b"2", embedded(b"\n", utf8(key)) + text_value)
    if utf8(key) not in data:
        return with_field(data, added)

    def read(reader: Reader, start: int, stop: int) -> bytes:  # noqa: ARG001
        kept, begin = [], message_start(data)
        for tag, first, last in item_fields(reader, stop):
            if tag != RECORD_ATTRIBUTE or key not in attribute(reader, {}, first, last):
                kept.append(data[begin:last])
            begin = last
        return embedded(data[:1], b"".join(kept) + added)

    return decode(data, read)
