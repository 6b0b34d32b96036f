"""OTLP as JSON: the same requests and answers as ``otlp_protobuf``, by msgspec.

Source: OpenTelemetry protocol 1.11, ``docs/specification.md``, "JSON Protobuf
Encoding": identifiers in hex, enums as integers, 64-bit integers as decimal text, keys
in lowerCamelCase, unknown keys ignored.
"""

from __future__ import annotations

from .reading import MalformedJsonError, decode_logs, decode_metrics, decode_traces
from .responses import (
    Rejected,
    decode_response,
    decode_status,
    encode_response,
    encode_status,
)
from .writing import (
    Encoder,
    encode_logs,
    encode_metrics,
    encode_traces,
    join_requests,
)

__all__ = [
    "Encoder",
    "MalformedJsonError",
    "Rejected",
    "decode_logs",
    "decode_metrics",
    "decode_response",
    "decode_status",
    "decode_traces",
    "encode_logs",
    "encode_metrics",
    "encode_response",
    "encode_status",
    "encode_traces",
    "join_requests",
]
