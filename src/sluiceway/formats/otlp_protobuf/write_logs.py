"""Log records to bytes.

Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/logs/v1/logs.proto``.
"""

from __future__ import annotations

from ...events import LogRecord
from .clean import clean_record
from .envelope import attributes
from .memo import Memo
from .values import any_value
from .writing import (
    UNENCODABLE,
    embedded,
    enum,
    fixed32,
    fixed64,
    identifier,
    text,
    uint32,
    varint,
)


def encode_records(memo: Memo, records: list[LogRecord]) -> bytes:
    """The repeated ``log_records`` field of a ScopeLogs."""
    chunks: list[bytes] = []
    for record in records:
        try:
            body = encode_record(memo, record)
        except UNENCODABLE:
            body = encode_record(memo, clean_record(record))
        chunks += (b"\x12", varint(len(body)), body)
    return b"".join(chunks)


def encode_record(memo: Memo, record: LogRecord) -> bytes:
    """A LogRecord; a body of None is left out, which reads as None."""
    body = record.body
    severity = memo.texts[record.severity_text] if record.severity_text else b""
    return b"".join(
        (
            fixed64(0x09, record.time_unix_nano),
            enum(b"\x10", record.severity_number),
            b"\x1a" + severity if severity else b"",
            b"" if body is None else embedded(b"*", any_value(body)),
            attributes(memo, b"2", record.attributes),
            uint32(b"8", record.dropped_attributes_count),
            fixed32(b"E", record.flags),
            identifier(b"J", record.trace_id, 16),
            identifier(b"R", record.span_id, 8),
            fixed64(0x59, record.observed_time_unix_nano),
            text(b"b", record.event_name),
        )
    )
