"""OTLP as protobuf, by our own codec: pure functions, no generated classes.

Source: OpenTelemetry protocol 1.11, https://github.com/open-telemetry/opentelemetry-proto.
"""

from __future__ import annotations

from .encoded import (
    ENCODED,
    Encoded,
    EncodedPoint,
    EncodedRecord,
    EncodedSpan,
    decode_encoded,
    join_encoded,
)
from .encoder import Encoder, encode_logs, encode_metrics, encode_traces
from .read_logs import decode_logs
from .read_metrics import decode_metrics
from .read_traces import decode_traces
from .reading import MalformedError
from .responses import (
    decode_response,
    decode_status,
    encode_response,
    encode_status,
    retry_delay,
)
from .splitting import split_logs, split_metrics, split_traces

__all__ = [
    "ENCODED",
    "Encoded",
    "EncodedPoint",
    "EncodedRecord",
    "EncodedSpan",
    "Encoder",
    "MalformedError",
    "decode_encoded",
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
    "join_encoded",
    "retry_delay",
    "split_logs",
    "split_metrics",
    "split_traces",
]
