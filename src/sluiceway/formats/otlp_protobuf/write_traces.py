"""Spans to bytes: the hottest path of the codec, written out where it is hot.

Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/trace/v1/trace.proto``.
"""

from __future__ import annotations

import struct

from ...events import Link, Span, SpanEvent
from .clean import clean_span
from .envelope import attributes
from .memo import Memo
from .writing import (
    SHORT,
    UNENCODABLE,
    VARINTS,
    embedded,
    enum,
    fixed32,
    fixed64,
    identifier,
    long_varint,
    text,
    uint32,
)

pack_root = struct.Struct("<H16sH8sB").pack
pack_child = struct.Struct("<H16sH8sH8sB").pack
# Zeros are written too, which a parser reads as the default: cheaper than asking.
pack_kind_and_times = struct.Struct("<BBBQBQ").pack
pack_flags = struct.Struct("<HI").pack  # the tag of field 16 takes two bytes


def encode_spans(memo: Memo, spans: list[Span]) -> bytes:
    """The repeated ``spans`` field of a ScopeSpans."""
    chunks: list[bytes] = []
    for span in spans:
        try:
            encode_span(memo, span, chunks)
        except UNENCODABLE:
            encode_span(memo, clean_span(span), chunks)
    return b"".join(chunks)


def encode_span(memo: Memo, span: Span, chunks: list[bytes]) -> None:
    """Add a Span to ``chunks``, or nothing if it raises."""
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16 or len(span_id) != 8 or span.trace_state:
        ids = unusual_ids(span)
    elif not parent:
        ids = pack_root(0x100A, trace_id, 0x0812, span_id, 0x2A)
    elif len(parent) == 8:
        ids = pack_child(0x100A, trace_id, 0x0812, span_id, 0x0822, parent, 0x2A)
    else:
        ids = unusual_ids(span)
    name = memo.texts[span.name]
    begin, end, kind = span.start_time_unix_nano, span.end_time_unix_nano, span.kind
    if 0 <= kind < 128:
        times = pack_kind_and_times(0x30, kind, 0x39, begin, 0x41, end)
    else:
        times = enum(b"0", kind) + fixed64(0x39, begin) + fixed64(0x41, end)
    # envelope.attributes, spelled out: its calls are worth 0.1 us.
    known = memo.attributes
    pairs = [b""]
    try:
        for key, value in span.attributes.items():
            pairs.append(known[type(value)][key][value])
    except KeyError:
        pairs[1:] = memo.learn(span.attributes)
    body = b"J".join(pairs)
    rest = pack_flags(0x0185, span.flags) if span.flags else b""
    if (
        (span.status_code or span.status_message)
        or (span.events or span.links)
        or span.dropped_attributes_count
        or span.dropped_events_count
        or span.dropped_links_count
    ):
        rest = parts(memo, span) + status(span) + rest
    size = len(ids) + len(name) + len(times) + len(body) + len(rest)
    length = VARINTS[size] if size < SHORT else long_varint(size)
    chunks += (b"\x12", length, ids, name, times, body, rest)


def unusual_ids(span: Span) -> bytes:
    """The fields 1 to 4 of any span, and the tag of its name."""
    return b"".join(
        (
            identifier(b"\n", span.trace_id, 16),
            identifier(b"\x12", span.span_id, 8),
            text(b"\x1a", span.trace_state),
            identifier(b'"', span.parent_span_id, 8),
            b"*",
        )
    )


def status(span: Span) -> bytes:
    """The Status in field 15; nothing where nothing is set."""
    if not (span.status_code or span.status_message):
        return b""
    message = text(b"\x12", span.status_message)
    return embedded(b"z", message + enum(b"\x18", span.status_code))


def parts(memo: Memo, span: Span) -> bytes:
    """The fields 10 to 14: events, links and what was dropped."""
    return b"".join(
        (
            uint32(b"P", span.dropped_attributes_count),
            *[embedded(b"Z", encode_event(memo, event)) for event in span.events],
            uint32(b"`", span.dropped_events_count),
            *[embedded(b"j", encode_link(memo, link)) for link in span.links],
            uint32(b"p", span.dropped_links_count),
        )
    )


def encode_event(memo: Memo, event: SpanEvent) -> bytes:
    """A Span.Event."""
    return b"%b%b%b%b" % (
        fixed64(0x09, event.time_unix_nano),
        text(b"\x12", event.name),
        attributes(memo, b"\x1a", event.attributes),
        uint32(b" ", event.dropped_attributes_count),
    )


def encode_link(memo: Memo, link: Link) -> bytes:
    """A Span.Link."""
    return b"%b%b%b%b%b%b" % (
        identifier(b"\n", link.trace_id, 16),
        identifier(b"\x12", link.span_id, 8),
        text(b"\x1a", link.trace_state),
        attributes(memo, b'"', link.attributes),
        uint32(b"(", link.dropped_attributes_count),
        fixed32(b"5", link.flags),
    )
