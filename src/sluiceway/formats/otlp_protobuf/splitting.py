"""Requests split into items that stay encoded: see ``encoded``.

Law: what surrounds the items is read and checked, the items are only measured. A
request that is cut off, or lengths that do not fit, is a ``MalformedError``; a wrong
message of a fitting length is noticed by whoever decodes it.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/collector``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

from .encoded import EncodedPoint, EncodedRecord, EncodedSpan, Envelope
from .messages import Table, merged, once, read_message
from .read_envelope import RESOURCE_GROUP, Position
from .read_metrics import DATA, DATA_TAGS, METRIC
from .read_values import read_scope
from .reading import MalformedError, Reader, decode, fields, text, too_many, varint

RESOURCE_GROUPS, SCOPE_GROUPS, METRICS, ITEMS, POINTS = 10, 18, 18, 18, 10  # the tags

SCOPE_GROUP: Table = {10: merged("scope", read_scope), 26: once("schema_url", text)}

SplitScope = Callable[[Reader, Position, Envelope, list[Any]], None]


def split_request(body: bytes, split_scope: SplitScope) -> list[Any]:
    """The items of an Export*ServiceRequest; ``split_scope`` adds those of a scope."""

    def read(reader: Reader, start: int, stop: int) -> list[Any]:
        items: list[Any] = []
        for tag, first, last in fields(reader.data, start, stop):
            if tag == RESOURCE_GROUPS:
                split_resource(reader, (first, last), split_scope, items)
        return items

    return decode(body, read)


def split_resource(
    reader: Reader, at: Position, split_scope: SplitScope, items: list[Any]
) -> None:
    """Add the items of a ResourceSpans, ResourceMetrics or ResourceLogs."""
    others, scopes = part(reader, at, {SCOPE_GROUPS})
    check(others, RESOURCE_GROUP)
    envelope = Envelope(None, b"\n", others)
    for _, scope in scopes:
        split_scope(reader, scope, envelope, items)


def part(
    reader: Reader, at: Position, tags: set[int]
) -> tuple[bytes, list[tuple[int, Position]]]:
    """A message's fields but those of certain tags, and where these stand."""
    data, (begin, stop) = reader.data, at
    others: list[bytes] = []
    children: list[tuple[int, Position]] = []
    for tag, first, last in fields(data, begin, stop):
        if tag in tags:
            reader.count(first)
            children.append((tag, (first, last)))
        else:
            others.append(data[begin:last])
        begin = last
    return b"".join(others), children


def check(message: bytes, table: Table) -> None:
    """Refuse a message round items that nobody could read.

    Raises:
        MalformedError: it is no such message.
    """
    read_message(Reader(message), 0, len(message), table, {})


def split_spans(
    reader: Reader, at: Position, resource: Envelope, items: list[Any]
) -> None:
    """Add the spans of a ScopeSpans."""
    others, found = split_message(reader, at, ITEMS)
    check(others, SCOPE_GROUP)
    items += map(EncodedSpan, repeat(Envelope(resource, b"\x12", others)), found)


def split_records(
    reader: Reader, at: Position, resource: Envelope, items: list[Any]
) -> None:
    """Add the log records of a ScopeLogs."""
    others, found = split_message(reader, at, ITEMS)
    check(others, SCOPE_GROUP)
    items += map(EncodedRecord, repeat(Envelope(resource, b"\x12", others)), found)


def split_points(
    reader: Reader, at: Position, resource: Envelope, items: list[Any]
) -> None:
    """Add the points of a ScopeMetrics; of several kinds of data the last counts."""
    others, metrics = part(reader, at, {METRICS})
    check(others, SCOPE_GROUP)
    scope = Envelope(resource, b"\x12", others)
    for _, metric in metrics:
        others, data = part(reader, metric, {*DATA_TAGS})
        check(others, METRIC)
        if data:
            tag = data[-1][0]
            data_fields, found = split_data(reader, tag, data)
            check(data_fields, DATA)
            around = Envelope(None, bytes((tag,)), data_fields)
            envelope = Envelope(scope, b"\x12", others, around)
            items += map(EncodedPoint, repeat(envelope), found)


def split_data(
    reader: Reader, tag: int, data: list[tuple[int, Position]]
) -> tuple[bytes, list[bytes]]:
    """A metric's data of its last kind, which may stand in several parts."""
    others: list[bytes] = []
    found: list[list[bytes]] = []
    for kind, position in data:
        if kind != tag:
            others, found = [], []
            continue
        data_fields, points = split_message(reader, position, POINTS)
        others.append(data_fields)
        found.append(points)
    return b"".join(others), [*chain.from_iterable(found)]


def split_message(
    reader: Reader, at: Position, wanted: int
) -> tuple[bytes, list[bytes]]:
    """A message's fields but those of one tag, and these, each with its tag."""
    data, (pos, stop) = reader.data, at
    found: list[bytes] = []
    others: list[bytes] = []
    while pos < stop:
        begin = pos
        if data[pos] == wanted:
            size = data[pos + 1]
            if size < 128:
                pos += 2 + size
            elif (high := data[pos + 2]) < 128:
                pos += 3 + (size - 128 + (high << 7))
            else:
                size, start = varint(data, pos + 1)
                pos = start + size
            found.append(data[begin:pos])
        else:
            _, _, pos = next(fields(data, pos, stop))
            others.append(data[begin:pos])
    if pos != stop:
        raise MalformedError(stop, "the end of a message")
    if len(found) > reader.room:
        raise too_many(stop)
    reader.room -= len(found)
    return b"".join(others), found


def split_traces(body: bytes) -> list[EncodedSpan]:
    """The spans of an ExportTraceServiceRequest, not decoded.

    Raises:
        MalformedError: the bytes are no such request, or there are more than a million
            spans.
    """
    return split_request(body, split_spans)


def split_metrics(body: bytes) -> list[EncodedPoint]:
    """The data points of an ExportMetricsServiceRequest, not decoded.

    Raises:
        MalformedError: the bytes are no such request, or there are more than a million
            points.
    """
    return split_request(body, split_points)


def split_logs(body: bytes) -> list[EncodedRecord]:
    """The log records of an ExportLogsServiceRequest, not decoded.

    Raises:
        MalformedError: the bytes are no such request, or there are more than a million
            records.
    """
    return split_request(body, split_records)
