"""Finished spans to bytes, straight from their notes: no event is made of them.

What a plain span has is written out here; one with events, links, a status or a
tracestate takes the way of ``write_traces``. The order of fields is free in protobuf,
so those of a fixed size stand in front and are packed together.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/trace/v1/trace.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ...notes import Notes, event_of, provenance_of
from .clean import clean_span
from .envelope import Groups, ScopeGroup
from .memo import Memo
from .tails import CHILD, HEADS, ROOT, end_of, head_of, pack
from .write_traces import encode_span
from .writing import SHORT, UNENCODABLE

pack_root, pack_child = ROOT.pack, CHILD.pack


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
    # fmt: off
    (
        name, trace_id, span_id, parent, begin, end, attributes, kind, _, flags, _, _,
    ) = notes
    if parent:
        named = memo.child_tails
        ids = pack_child(
            0x100A, trace_id, 0x0812, span_id, 0x0822, parent,
            0x30, kind, 0x39, begin, 0x41, end, 0x0185, flags,
        )
    else:
        named = memo.root_tails
        ids = pack_root(
            0x100A, trace_id, 0x0812, span_id,
            0x30, kind, 0x39, begin, 0x41, end, 0x0185, flags,
        )
    # fmt: on
    tails, packed = named[name], b""
    if tails is not None:
        try:
            packed = pack(attributes)
        except UNENCODABLE:  # MessagePack has no lone surrogates, nor ints of 65 bits
            tails.miss()
    if tails is None or not packed:
        tail = end_of(memo, name, attributes)
        size = len(ids) + len(tail)
        head = HEADS[size] if size < SHORT else head_of(size)
    else:
        head, tail = tails.get(packed) or tails.learn(packed, attributes)
    chunks += (head, ids, tail)
