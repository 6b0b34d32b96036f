"""What a collector's answer means for the events of a request.

Law: pure; one row of the protocol's table is one branch here. Source: OpenTelemetry
protocol 1.11, ``docs/specification.md``, "OTLP/HTTP Response"; of gRPC, ``otlp_grpc``.
"""

from __future__ import annotations

from typing import Final

from ..errors import PartialError, PermanentError
from ..formats import otlp_json
from ..formats.otlp_protobuf import MalformedError, decode_response, decode_status
from .http import Answer, Destination, failure_of, quoted

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
UNTYPED: Final = "application/octet-stream"
RETRYABLE: Final = frozenset({429, 502, 503, 504})
TOO_LARGE: Final = 413
MAX_ANSWER: Final = 4 * 1024 * 1024  # bytes


class TooLargeError(PermanentError):
    """A request is larger than a limit, ours or the server's; its halves may not be."""

    default_reason = "request_too_large"


def judge(answer: Answer, to: Destination, count: int, now_ns: int) -> str:
    """Raise what an answer means for the events of its request.

    Args:
        answer: what the server answered.
        to: who answered.
        count: how many events the request carried.
        now_ns: nanoseconds since the epoch.

    Returns:
        A warning that came with a success, mostly none.

    Raises:
        TransientError: 429, 502, 503 and 504.
        TooLargeError: 413.
        PermanentError: any other status but 2xx, or an answer above ``MAX_ANSWER``.
        PartialError: the last events, as many as were rejected.
    """
    if answer.is_success:
        return judge_success(answer, to, count)
    words = complaint(answer)
    failure = failure_of(answer, to, retryable=RETRYABLE, words=words, now_ns=now_ns)
    if answer.status == TOO_LARGE:
        raise TooLargeError(str(failure), reason=failure.reason)
    raise failure


def judge_success(answer: Answer, to: Destination, count: int) -> str:
    """Raise what a success does not cover; its warning otherwise."""
    if not answer.complete:
        raise PermanentError(
            f"{to.shown} answered {answer.status} and more than {MAX_ANSWER} bytes",
            reason="response_too_large",
        )
    if answer.is_text and not is_json(answer):
        return ""
    return judge_counts(answer.body, to, count, json=is_json(answer))


def judge_counts(
    body: bytes, to: Destination, count: int, *, json: bool = False
) -> str:
    """Raise what a success's body says was rejected; its warning otherwise.

    A success is one whatever its body: one that cannot be read says nothing.
    """
    try:
        rejected, words = (otlp_json.decode_response if json else decode_response)(body)
    except (MalformedError, otlp_json.MalformedJsonError):
        return ""
    if rejected > 0:
        error = PermanentError(
            f"{to.shown} rejected {rejected} of {count}{quoted(to, words)}",
            reason="partial_success",
        )
        raise PartialError(dict.fromkeys(range(max(0, count - rejected), count), error))
    return f"{to.shown} took everything, but warns{quoted(to, words)}" if words else ""


def is_json(answer: Answer) -> bool:
    """Whether an answer is JSON: by its type, or how it begins if that says nothing."""
    kind = answer.headers.get("Content-Type", UNTYPED).lower()
    # No message of protobuf that is an answer begins so.
    return kind.startswith(JSON) or (kind == UNTYPED and answer.body[:1] == b"{")


def complaint(answer: Answer) -> str:
    """A failure's words: a google.rpc.Status's message, or plain text."""
    try:
        if is_json(answer):
            return otlp_json.decode_status(answer.body)[1] or answer.text()
        return answer.text() if answer.is_text else decode_status(answer.body)[1]
    except (MalformedError, otlp_json.MalformedJsonError):
        return answer.text() if is_json(answer) else ""
