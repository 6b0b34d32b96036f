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
    body = head(memo, span)
    if span.attributes:
        # envelope.attributes, spelled out: the call and its join are worth 0.1 us.
        known = memo.attributes
        try:
            pairs = [known[type(v)][key][v] for key, v in span.attributes.items()]
        except KeyError:
            pairs = memo.learn(span.attributes)
        body = b"J".join([body, *pairs])
    rest = pack_flags(0x0185, span.flags) if span.flags else b""
    if span.status_code or span.status_message:
        rest = status(span) + rest
    if (
        span.events
        or span.links
        or span.dropped_attributes_count
        or span.dropped_events_count
        or span.dropped_links_count
    ):
        rest = parts(memo, span) + rest
    size = len(body) + len(rest)
    length = VARINTS[size] if size < SHORT else long_varint(size)
    chunks += (b"\x12", length, body, rest)


def head(memo: Memo, span: Span) -> bytes:
    """The fields 1 to 8: identity, name, kind and times; the usual ones in one go."""
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    kind = span.kind
    if (
        len(trace_id) != 16
        or len(span_id) != 8
        or (parent and len(parent) != 8)
        or not 0 <= kind < 128
        or span.trace_state
    ):
        return unusual_head(memo, span)
    return b"".join(
        (
            b"\n\x10",
            trace_id,
            b"\x12\x08",
            span_id,
            b'"\x08' if parent else b"",
            parent,
            b"*",
            memo.texts[span.name],
            pack_kind_and_times(
                0x30,
                kind,
                0x39,
                span.start_time_unix_nano,
                0x41,
                span.end_time_unix_nano,
            ),
        )
    )


def unusual_head(memo: Memo, span: Span) -> bytes:
    """The fields 1 to 8 of any span."""
    return b"".join(
        (
            identifier(b"\n", span.trace_id, 16),
            identifier(b"\x12", span.span_id, 8),
            text(b"\x1a", span.trace_state),
            identifier(b'"', span.parent_span_id, 8),
            b"*",
            memo.texts[span.name],
            enum(b"0", span.kind),
            fixed64(0x39, span.start_time_unix_nano),
            fixed64(0x41, span.end_time_unix_nano),
        )
    )


def status(span: Span) -> bytes:
    """The Status in field 15."""
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
