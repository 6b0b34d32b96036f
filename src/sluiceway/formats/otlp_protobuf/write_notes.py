"""Finished spans to bytes, straight from their notes: no event is made of them.

What a plain span has is written out here; one with events, links, a status or a
tracestate takes the way of ``write_traces``. The order of fields is free in protobuf,
so those of a fixed size stand in front and are packed together.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/trace/v1/trace.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import groupby

from ...notes import Notes, event_of, provenance_of
from .clean import clean_span
from .envelope import Groups, ScopeGroup
from .memo import Memo
from .write_traces import encode_span
from .writing import SHORT, UNENCODABLE, VARINTS, long_varint

# Ids, kind, times and flags, each behind its tag, and at the end the tag of the name.
pack_root = struct.Struct("<H16sH8sBBBQBQHIB").pack
pack_child = struct.Struct("<H16sH8sH8sBBBQBQHIB").pack
HEADS = tuple(b"\x12" + size for size in VARINTS)


def group_notes(notes: Iterable[Notes]) -> Groups:
    """The notes by the identity of their resource and scope."""
    groups: Groups = {}
    for provenance, run in groupby(notes, provenance_of):
        resource, scope = provenance.resource, provenance.scope
        key = (id(resource), id(scope))
        if key not in groups:
            groups[key] = ScopeGroup(resource, scope)
        groups[key].events += run
    return groups


def encode_notes(memo: Memo, notes: list[Notes]) -> bytes:
    """The repeated ``spans`` field of a ScopeSpans."""
    chunks: list[bytes] = []
    for one in notes:
        try:
            if one[10] is None and not one[8]:
                encode_plain(memo, one, chunks)
            else:
                encode_span(memo, event_of(one), chunks)
        except UNENCODABLE:
            encode_span(memo, clean_span(event_of(one)), chunks)
    return b"".join(chunks)


def encode_plain(memo: Memo, notes: Notes, chunks: list[bytes]) -> None:
    """Add a Span without details and tracestate to ``chunks``, or nothing if it raises.

    Raises:
        UNENCODABLE: a time or an attribute does not fit.
    """
    (
        name,
        trace_id,
        span_id,
        parent,
        begin,
        end,
        attributes,
        kind,
        _,
        flags,
        _,
        _,
    ) = notes
    # fmt: off
    if parent:
        ids = pack_child(
            0x100A, trace_id, 0x0812, span_id, 0x0822, parent,
            0x30, kind, 0x39, begin, 0x41, end, 0x0185, flags, 0x2A,
        )
    else:
        ids = pack_root(
            0x100A, trace_id, 0x0812, span_id,
            0x30, kind, 0x39, begin, 0x41, end, 0x0185, flags, 0x2A,
        )
    # fmt: on
    known = memo.attributes
    pairs = [ids + memo.texts[name]]
    try:
        for key, value in attributes.items():
            pairs.append(known[type(value)][key][value])
    except KeyError:
        pairs[1:] = memo.learn(attributes)
    body = b"J".join(pairs)
    size = len(body)
    chunks.append(HEADS[size] if size < SHORT else b"\x12" + long_varint(size))
    chunks.append(body)
