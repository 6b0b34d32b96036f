"""What a receiver answers: Export*ServiceResponse, google.rpc.Status, RetryInfo.

The responses of the three signals are alike but for the name of what was rejected.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/collector/*/v1``, and
``google/rpc/{status,error_details}.proto``.
"""

from __future__ import annotations

from typing import Final

from .messages import Table, once, read_message, repeated
from .reading import Reader, blob, decode, int32, int64, text
from .writing import embedded, enum, utf8, varint
from .writing import text as text_field


def encode_response(rejected: int = 0, message: str = "") -> bytes:
    """An Export*ServiceResponse; no bytes at all for a full success.

    Args:
        rejected: how many spans, data points or log records were not accepted.
        message: why, or a warning if ``rejected`` is 0.

    Raises:
        ValueError: ``rejected`` is no int64 from 0.
    """
    if not 0 <= rejected < 2**63:
        raise ValueError(f"rejected is {rejected!r}; expected an int64 from 0")
    count = b"\x08" + varint(rejected) if rejected else b""
    partial = count + text_field(b"\x12", message)
    return embedded(b"\n", partial) if partial else b""


def rejected_count(reader: Reader, number: int, stop: int) -> int:  # noqa: ARG001
    """An int64, as ``fields`` gave it."""
    return int64(number)


PARTIAL_SUCCESS: Table = {
    8: once("rejected", rejected_count),
    18: once("message", text),
}


def partial_success(reader: Reader, start: int, stop: int) -> tuple[int, str]:
    """An Export*PartialSuccess."""
    values = read_message(reader, start, stop, PARTIAL_SUCCESS, {})
    return values.get("rejected", 0), values.get("message", "")


RESPONSE: Table = {10: once("partial_success", partial_success)}


def decode_response(body: bytes) -> tuple[int, str]:
    """How many events an Export*ServiceResponse says were rejected, and its message.

    ``(0, "")`` is a full success, ``(0, message)`` a warning.

    Raises:
        MalformedError: the bytes are no such response.
    """

    def read(reader: Reader, start: int, stop: int) -> tuple[int, str]:
        values = read_message(reader, start, stop, RESPONSE, {})
        rejected, message = values.get("partial_success", (0, ""))
        return rejected, message

    return decode(body, read)


STATUS: Table = {8: once("code", int32), 18: once("message", text)}


def encode_status(code: int, message: str, *, retry_delay: int | None = None) -> bytes:
    """A google.rpc.Status.

    Args:
        code: a gRPC status code, such as 3 for INVALID_ARGUMENT.
        message: what happened, for a developer.
        retry_delay: seconds to wait, which make a RetryInfo among its details.

    Raises:
        ValueError: ``code`` is no int32.
    """
    status = enum(b"\x08", code) + embedded(b"\x12", utf8(message))
    if retry_delay is None:
        return status
    duration = b"\x08" + varint(retry_delay) if retry_delay else b""
    info = embedded(b"\n", RETRY_INFO.encode()) + embedded(
        b"\x12", embedded(b"\n", duration)
    )
    return status + embedded(b"\x1a", info)


def decode_status(body: bytes) -> tuple[int, str]:
    """The code and the message of a google.rpc.Status; details are skipped.

    Raises:
        MalformedError: the bytes are no such status.
    """

    def read(reader: Reader, start: int, stop: int) -> tuple[int, str]:
        values = read_message(reader, start, stop, STATUS, {})
        return values.get("code", 0), values.get("message", "")

    return decode(body, read)


RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"

DURATION: Table = {8: once("seconds", rejected_count), 16: once("nanos", int32)}


def duration(reader: Reader, start: int, stop: int) -> float:
    """A google.protobuf.Duration in seconds."""
    values = read_message(reader, start, stop, DURATION, {})
    seconds: float = values.get("seconds", 0) + values.get("nanos", 0) / 1e9
    return seconds


DELAY: Table = {10: once("retry_delay", duration)}


def detail(reader: Reader, start: int, stop: int) -> float | None:
    """The seconds of a RetryInfo in an Any; None for any other detail."""
    values = read_message(reader, start, stop, ANY, {})
    if values.get("type_url", "").rpartition("/")[2] != "google.rpc.RetryInfo":
        return None

    def read(reader: Reader, start: int, stop: int) -> float:
        delay: float = read_message(reader, start, stop, DELAY, {}).get(
            "retry_delay", 0.0
        )
        return delay

    return decode(values.get("value", b""), read)


ANY: Table = {10: once("type_url", text), 18: once("value", blob)}

DETAILS: Table = {26: repeated("details", detail)}


def retry_delay(body: bytes) -> float | None:
    """The seconds that the RetryInfo of a google.rpc.Status asks to wait.

    None without a RetryInfo; 0.0 for one without a delay, or with a negative one.

    Raises:
        MalformedError: the bytes are no such status.
    """

    def read(reader: Reader, start: int, stop: int) -> float | None:
        details = read_message(reader, start, stop, DETAILS, {}).get("details", ())
        found = [delay for delay in details if delay is not None]
        return max(0.0, found[0]) if found else None

    return decode(body, read)
