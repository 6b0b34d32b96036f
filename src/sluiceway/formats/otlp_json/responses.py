"""What a receiver answers in JSON: Export*ServiceResponse and google.rpc.Status."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .read_values import int32, int64
from .reading import read
from .shapes import Int32, Int64, Shape, Text
from .write_values import filled, whole

Rejected = Literal["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]


class PartialSuccess(Shape):
    """An Export*PartialSuccess of any signal."""

    rejected_spans: Int64 | None = None
    rejected_data_points: Int64 | None = None
    rejected_log_records: Int64 | None = None
    error_message: Text = None


class Response(Shape):
    """An Export*ServiceResponse."""

    partial_success: PartialSuccess | None = None


class Status(Shape):
    """A google.rpc.Status, without its details."""

    code: Int32 = None
    message: Text = None


RESPONSE: Final = msgspec.json.Decoder(Response)
STATUS: Final = msgspec.json.Decoder(Status)


def encode_response(field: Rejected, rejected: int = 0, message: str = "") -> bytes:
    """An Export*ServiceResponse; ``{}`` for a full success.

    Args:
        field: what the signal calls that which was rejected.
        rejected: how many spans, data points or log records were not accepted.
        message: why, or a warning if ``rejected`` is 0.
    """
    partial = filled(**{field: whole(rejected), "errorMessage": message})
    return msgspec.json.encode(filled(partialSuccess=partial))


def decode_response(body: bytes) -> tuple[int, str]:
    """How many events a response says were rejected, and its message.

    Raises:
        MalformedJsonError: the bytes are no such response.
    """

    def take(response: Response) -> tuple[int, str]:
        partial = response.partial_success or PartialSuccess()
        counts = (
            partial.rejected_spans,
            partial.rejected_data_points,
            partial.rejected_log_records,
        )
        return max(int64(count or 0) for count in counts), partial.error_message or ""

    return read(body, RESPONSE, take)


def encode_status(code: int, message: str) -> bytes:
    """A google.rpc.Status, without details.

    Args:
        code: a gRPC status code, such as 3 for INVALID_ARGUMENT.
        message: what happened, for a developer.
    """
    return msgspec.json.encode({"code": code, "message": message})


def decode_status(body: bytes) -> tuple[int, str]:
    """The code and the message of a google.rpc.Status; details are skipped.

    Raises:
        MalformedJsonError: the bytes are no such status.
    """

    def take(status: Status) -> tuple[int, str]:
        return int32(status.code), status.message or ""

    return read(body, STATUS, take)
