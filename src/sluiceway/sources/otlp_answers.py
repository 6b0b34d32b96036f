"""What an OTLP receiver answers, and why.

Law: every row of this table is one branch here, and a test. Source: OpenTelemetry
protocol 1.11, ``docs/specification.md``, "OTLP/HTTP Response" and "OTLP/gRPC Response".

==== ================== ===============================================================
HTTP gRPC               what happened
==== ================== ===============================================================
200  OK                 empty; taken, if ``ack="accepted"``; all delivered, if
                        ``ack="delivered"``; some rejected and the others delivered:
                        with a partial success
400  INVALID_ARGUMENT   no OTLP, no gzip, cut off; all rejected
401  UNAUTHENTICATED    no bearer token that is known, where ``tokens`` are given
404  UNIMPLEMENTED      another path than /v1/traces, /v1/metrics and /v1/logs; another
                        service or method
405                     another method than POST
408  DEADLINE_EXCEEDED  the body took longer than ``read_timeout``
413  RESOURCE_EXHAUSTED more than ``max_body`` bytes, packed or unpacked; no RetryInfo
415                     another Content-Type than protobuf and JSON, another
                        Content-Encoding than gzip
500  INTERNAL           a bug of ours
503  UNAVAILABLE        not running, stopping; no room within ``accept_timeout``; any
                        dropped or errored, or not delivered within ``deliver_timeout``:
                        with ``Retry-After``, or a RetryInfo
==== ================== ===============================================================
"""

from __future__ import annotations

from typing import Final, Literal

from aiohttp import web
from attrs import frozen

from ..delivery import Outcome
from ..formats import otlp_json
from ..formats.otlp_protobuf import encode_response, encode_status

Form = Literal["protobuf", "json", "other"]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
FORMS: Final[dict[str, Form]] = {PROTOBUF: "protobuf", JSON: "json"}
RETRY_AFTER: Final = "1"  # second
LONGEST_WORDS: Final = 1000  # characters of an error in an answer
UNKNOWN: Final = 2
GRPC_CODES: Final = {400: 3, 401: 16, 408: 4, 413: 8, 500: 13, 503: 14}


@frozen
class Taken:
    """What became of events that were taken.

    Attributes:
        rejected: how many were rejected while the others were delivered.
        words: why.
    """

    rejected: int = 0
    words: str = ""


class RefusedError(Exception):
    """A request is not taken: the status to answer with, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def form_of(request: web.Request) -> Form:
    """The form of a request's body, and so of its answer's."""
    return FORMS.get(request.content_type, "other")


def check_head(request: web.Request) -> bool:
    """Whether a request's body must be unpacked.

    Raises:
        RefusedError: it is of a kind that is not understood.
    """
    if form_of(request) == "other":
        kind = request.content_type
        words = f"Content-Type is {kind!r}; supported are {PROTOBUF} and {JSON}"
        raise RefusedError(415, words)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "none", "gzip"):
        words = f"Content-Encoding is {encoding!r}; supported is gzip"
        raise RefusedError(415, words)
    return encoding == "gzip"


def success(taken: Taken, form: Form, field: otlp_json.Rejected) -> web.Response:
    """A 200, with a partial success if anything was rejected.

    Args:
        taken: what became of the events.
        form: of the request.
        field: what its signal calls that which was rejected, in JSON.
    """
    words = taken.words[:LONGEST_WORDS]
    if form == "json":
        body = otlp_json.encode_response(field, taken.rejected, words)
        return web.Response(body=body, content_type=JSON)
    body = encode_response(taken.rejected, words)
    return web.Response(body=body, content_type=PROTOBUF)


def outcome_answer(outcome: Outcome) -> Taken:
    """What a sender is told of the outcome of its events.

    Raises:
        RefusedError: not all were delivered and trying again can help; or all were
            rejected.
    """
    words = words_of(outcome)
    if outcome.dropped or outcome.errored:
        raise RefusedError(503, f"not delivered: {words}")
    if outcome.rejected and not outcome.delivered:
        raise RefusedError(400, f"rejected: {words}")
    return Taken(outcome.rejected, words if outcome.rejected else "")


def words_of(outcome: Outcome) -> str:
    """The first error's words; without any, how many events were lost and how."""
    said = "" if outcome.error is None else str(outcome.error)
    return said or (
        f"{outcome.dropped} dropped, {outcome.errored} errored, "
        f"{outcome.rejected} rejected"
    )


def refusal_answer(form: Form, refusal: RefusedError) -> web.Response:
    """The answer for a request that is not taken: a google.rpc.Status, or text."""
    status, words = refusal.status, str(refusal)[:LONGEST_WORDS]
    headers = HEADERS.get(status, {})
    if form == "other":
        return web.Response(status=status, text=words, headers=headers)
    code = GRPC_CODES.get(status, UNKNOWN)
    if form == "json":
        body, kind = otlp_json.encode_status(code, words), JSON
    else:
        body, kind = encode_status(code, words), PROTOBUF
    return web.Response(status=status, body=body, content_type=kind, headers=headers)


HEADERS: Final = {
    503: {"Retry-After": RETRY_AFTER},
    401: {"WWW-Authenticate": "Bearer"},
}
