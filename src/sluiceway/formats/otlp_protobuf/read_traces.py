"""Spans from bytes.

Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/trace/v1/trace.proto``.
"""

from __future__ import annotations

import struct
from typing import Any

from ...events import Link, Resource, Scope, Span, SpanEvent, SpanKind, StatusCode
from .messages import Table, merged, once, read_message, repeated
from .read_envelope import Position, decode_request
from .read_values import attribute_run, attributes
from .reading import (
    Reader,
    fields,
    fixed32,
    fixed64,
    int32,
    span_id,
    text,
    trace_id,
    uint32,
)

unpack_ids = struct.Struct("<16s2s8s").unpack_from
unpack_kind_and_times = struct.Struct("<BBBQBQ").unpack_from

KINDS = tuple(SpanKind)
CODES = tuple(StatusCode)

FLAGS_TAG = b"\x85\x01"


def span_kind(reader: Reader, number: int, stop: int) -> SpanKind | int:
    """A span's kind; an unknown one stays a number."""
    kind = int32(reader, number, stop)
    return KINDS[kind] if 0 <= kind < len(KINDS) else kind


def read_status(
    reader: Reader, before: tuple[int, str] | None, start: int, stop: int
) -> tuple[int, str]:
    """A Status: code and message."""
    code, message = before or (0, "")
    for tag, first, last in fields(reader.data, start, stop):
        if tag == 18:
            message = text(reader, first, last)
        elif tag == 24:
            code = int32(reader, first, last)
    return (CODES[code] if 0 <= code < len(CODES) else code), message


EVENT: Table = {
    9: once("time_unix_nano", fixed64),
    18: once("name", text),
    26: attributes(),
    32: once("dropped_attributes_count", uint32),
}

LINK: Table = {
    10: once("trace_id", trace_id),
    18: once("span_id", span_id),
    26: once("trace_state", text),
    34: attributes(),
    40: once("dropped_attributes_count", uint32),
    53: once("flags", fixed32),
}


def read_event(reader: Reader, start: int, stop: int) -> SpanEvent:
    """A Span.Event."""
    return SpanEvent(**read_message(reader, start, stop, EVENT, {"name": ""}))


def read_link(reader: Reader, start: int, stop: int) -> Link:
    """A Span.Link."""
    values: dict[str, Any] = {"trace_id": b"", "span_id": b""}
    return Link(**read_message(reader, start, stop, LINK, values))


SPAN: Table = {
    10: once("trace_id", trace_id),
    18: once("span_id", span_id),
    26: once("trace_state", text),
    34: once("parent_span_id", span_id),
    42: once("name", text),
    48: once("kind", span_kind),
    57: once("start_time_unix_nano", fixed64),
    65: once("end_time_unix_nano", fixed64),
    74: attributes(),
    80: once("dropped_attributes_count", uint32),
    90: repeated("events", read_event),
    96: once("dropped_events_count", uint32),
    106: repeated("links", read_link),
    112: once("dropped_links_count", uint32),
    122: merged("status", read_status),
    133: once("flags", fixed32),
}


def read_span(
    reader: Reader, at: Position, resource: Resource, scope: Scope, spans: list[Any]
) -> None:
    """Add a Span: its usual beginning at once, the rest field by field."""
    pos, stop = at
    begun = usual_beginning(reader, pos, stop)
    if begun is None:
        span = Span(name="", trace_id=b"", span_id=b"", kind=KINDS[0])
    else:
        span, pos = begun
    span.resource = resource
    span.scope = scope
    if stop - pos == 6 and reader.data[pos : pos + 2] == FLAGS_TAG:
        span.flags = fixed32(reader, pos + 2, stop)
    elif pos != stop:
        read_rest(reader, pos, stop, span)
    spans.append(span)


def read_rest(reader: Reader, pos: int, stop: int, span: Span) -> None:
    """Set what the fields from ``pos`` say."""
    values: dict[str, Any] = {"attributes": span.attributes}
    read_message(reader, pos, stop, SPAN, values)
    span.status_code, span.status_message = values.pop("status", (CODES[0], ""))
    for name, value in values.items():
        setattr(span, name, value)


def usual_beginning(reader: Reader, pos: int, stop: int) -> tuple[Span, int] | None:
    """The span that the usual first fields describe, and where the others begin.

    Every serializer writes fields in the order of their numbers, and nearly every span
    has an identity, a short name, a kind and times; None for one that has not.
    """
    data = reader.data
    if stop - pos < 50 or data[pos : pos + 2] != b"\n\x10":
        return None
    trace, between, span = unpack_ids(data, pos + 2)
    if between != b"\x12\x08":
        return None
    pos += 28
    parent = b""
    if data[pos] == 34 and data[pos + 1] == 8:
        parent = data[pos + 2 : pos + 10]
        pos += 10
    name_end = pos + 2 + data[pos + 1]
    if data[pos] != 42 or data[pos + 1] > 127 or stop - name_end < 20:
        return None
    one, kind, two, start, three, end = unpack_kind_and_times(data, name_end)
    if one != 48 or kind >= len(KINDS) or two != 57 or three != 65:
        return None
    attributes: dict[str, Any] = {}
    name = data[pos + 2 : name_end].decode()
    pos = name_end + 20
    if pos < stop and data[pos] == 74:
        pos = attribute_run(reader, pos, stop, attributes)
    return Span(
        name=name,
        trace_id=trace,
        span_id=span,
        parent_span_id=parent,
        kind=KINDS[kind],
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=attributes,
    ), pos


def decode_traces(body: bytes) -> list[Span]:
    """The spans of an ExportTraceServiceRequest.

    Raises:
        MalformedError: the bytes are no such request, a span's or link's id has a wrong
            length, or there are more than a million spans, events and links.
    """
    return decode_request(body, read_span)
