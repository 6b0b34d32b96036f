"""What the body of a success says went wrong: some services answer 200 and fail.

Law: total and pure; a body that says nothing clear is no complaint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from attrs import frozen

IN_TEXT: Final = re.compile(r"HTTP error\D{0,40}?\b([45][0-9]{2})\b", re.IGNORECASE)
BUSY: Final = frozenset(
    {
        "rate_limited",
        "ratelimited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
    }
)
TRANSIENT_STATUSES: Final = frozenset({408, 429, *range(500, 600)})
WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@frozen
class Complaint:
    """What went wrong although the status was one of 2xx.

    Attributes:
        reason: the ledger's word for it.
        words: the service's own.
        retryable: whether trying again can help.
        retry_after: seconds that the service asked to wait, or None.
    """

    reason: str
    words: str
    retryable: bool = False
    retry_after: float | None = None


Complain = Callable[[bytes], Complaint | None]


def json_complaint(body: bytes) -> Complaint | None:
    """A JSON object with ``"ok": false`` is a failure; ``error`` names it.

    Source: Slack Web API, "Evaluating responses".
    """
    told = object_in(body)
    if told is None or told.get("ok") is not False:
        return None
    name = str(told.get("error") or "not_ok")
    return Complaint(
        reason=name if WORD.fullmatch(name) else "not_ok",
        words=name,
        retryable=name in BUSY,
        retry_after=seconds_in(told.get("retry_after")),
    )


def text_complaint(body: bytes) -> Complaint | None:
    """A text such as ``... HTTP error 429 ...`` is that failure.

    Source: the incoming webhooks of Microsoft Teams, which hand on so what the service
    behind them answered.
    """
    text = body.decode("utf-8", "replace")
    found = IN_TEXT.search(text)
    if found is None:
        return None
    status = int(found[1])
    return Complaint(f"http_{status}", text, retryable=status in TRANSIENT_STATUSES)


def any_complaint(body: bytes) -> Complaint | None:
    """The complaint in a body, in whichever of the known forms it is."""
    return json_complaint(body) or text_complaint(body)


def object_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None for anything else."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def seconds_in(value: Any) -> float | None:
    """A wait that a service asks for in JSON; None if it is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < float("inf") else None
