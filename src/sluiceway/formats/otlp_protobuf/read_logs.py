"""Log records from bytes.

Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/logs/v1/logs.proto``.
"""

from __future__ import annotations

from typing import Any

from ...events import LogRecord, Resource, Scope
from .messages import Table, once, read_message
from .read_envelope import Position, decode_request
from .read_values import any_value, attributes
from .reading import (
    Reader,
    fixed32,
    fixed64,
    int32,
    span_id,
    text,
    trace_id,
    uint32,
)

RECORD: Table = {
    9: once("time_unix_nano", fixed64),
    16: once("severity_number", int32),
    26: once("severity_text", text),
    42: once("body", any_value),
    50: attributes(),
    56: once("dropped_attributes_count", uint32),
    69: once("flags", fixed32),
    74: once("trace_id", trace_id),
    82: once("span_id", span_id),
    89: once("observed_time_unix_nano", fixed64),
    98: once("event_name", text),
}


def read_record(
    reader: Reader, at: Position, resource: Resource, scope: Scope, records: list[Any]
) -> None:
    """Add a LogRecord."""
    values = {"resource": resource, "scope": scope}
    records.append(LogRecord(**read_message(reader, *at, RECORD, values)))


def decode_logs(body: bytes) -> list[LogRecord]:
    """The log records of an ExportLogsServiceRequest.

    Raises:
        MalformedError: the bytes are no such request, an id has a wrong length, or
            there are more than a million records.
    """
    return decode_request(body, read_record)
