"""What an OTLP receiver answers, and why.

Law: every row of this table is one branch here, and a test. Source: OpenTelemetry
protocol 1.11, ``docs/specification.md``, "OTLP/HTTP Response".

==== ==================================================================================
200  empty; taken, if ``ack="accepted"``; all delivered, if ``ack="delivered"``; some
     rejected and the others delivered: with a partial success
400  no OTLP, no gzip, cut off; all rejected
404  another path than /v1/traces, /v1/metrics and /v1/logs
405  another method than POST
408  the body took longer than ``read_timeout``
413  more than ``max_body`` bytes, packed or unpacked
415  another Content-Type than protobuf, another Content-Encoding than gzip
500  a bug of ours
503  not running, stopping; no room within ``accept_timeout``; any dropped or errored,
     or not delivered within ``deliver_timeout``: with ``Retry-After``
==== ==================================================================================
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from ..delivery import Outcome
from ..formats.otlp_protobuf import encode_response, encode_status

PROTOBUF: Final = "application/x-protobuf"
RETRY_AFTER: Final = "1"  # second
LONGEST_WORDS: Final = 1000  # characters of an error in an answer
UNKNOWN: Final = 2
GRPC_CODES: Final = {400: 3, 408: 4, 413: 8, 500: 13, 503: 14}


class RefusedError(Exception):
    """A request is not taken: the status to answer with, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_head(request: web.Request) -> bool:
    """Whether a request's body must be unpacked.

    Raises:
        RefusedError: it is of a kind that is not understood.
    """
    if request.content_type != PROTOBUF:
        words = f"Content-Type is {request.content_type!r}; supported is {PROTOBUF}"
        raise RefusedError(415, words)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "none", "gzip"):
        words = f"Content-Encoding is {encoding!r}; supported is gzip"
        raise RefusedError(415, words)
    return encoding == "gzip"


def success(rejected: int = 0, message: str = "") -> web.Response:
    """A 200, with a partial success if anything was rejected."""
    body = encode_response(rejected, message[:LONGEST_WORDS])
    return web.Response(body=body, content_type=PROTOBUF)


def outcome_answer(outcome: Outcome) -> web.Response:
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
    return success(outcome.rejected, words if outcome.rejected else "")


def words_of(outcome: Outcome) -> str:
    """The first error's words; without any, how many events were lost and how."""
    said = "" if outcome.error is None else str(outcome.error)
    return said or (
        f"{outcome.dropped} dropped, {outcome.errored} errored, "
        f"{outcome.rejected} rejected"
    )


def refusal_answer(request: web.Request, refusal: RefusedError) -> web.Response:
    """The answer for a request that is not taken: a google.rpc.Status, or text."""
    status, words = refusal.status, str(refusal)[:LONGEST_WORDS]
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    if request.content_type != PROTOBUF:
        return web.Response(status=status, text=words, headers=headers)
    return web.Response(
        status=status,
        body=encode_status(GRPC_CODES.get(status, UNKNOWN), words),
        content_type=PROTOBUF,
        headers=headers,
    )
