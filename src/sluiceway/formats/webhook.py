"""Alerts as JSON, and the signature of a webhook.

Law: pure; what is signed is the very bytes that are sent. Source: Standard Webhooks
1.0, https://github.com/standard-webhooks/standard-webhooks.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import ConfigurationError
from ..events import Alert
from .valid_json import encoded

PREFIX: Final = "whsec_"
SHORTEST_KEY: Final = 24  # bytes
LONGEST_KEY: Final = 64
RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.([0-9]{1,18}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
BILLION: Final = 1_000_000_000


def encode_event(event: Any) -> bytes:
    """One event as JSON: an alert by ``alert_object``, anything else as it is.

    Raises:
        TypeError: JSON has nothing for a value in it.
    """
    return encoded(alert_object(event) if isinstance(event, Alert) else event)


def encode_payload(payload: Any) -> bytes:
    """What a message says, as JSON.

    Raises:
        TypeError: JSON has nothing for a value in it.
    """
    return encoded(payload)


def join_events(encoded: Sequence[bytes]) -> bytes:
    """The body of a request: a JSON list of the events."""
    return b"[" + b",".join(encoded) + b"]"


def alert_object(alert: Alert) -> dict[str, Any]:
    """An alert as a webhook shows it; a time that is not known is null."""
    return {
        "name": alert.name,
        "severity": alert.severity,
        "status": alert.status.value,
        "message": alert.message,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": rfc3339(alert.starts_at_unix_nano),
        "ends_at": rfc3339(alert.ends_at_unix_nano),
        "generator_url": alert.generator_url,
    }


def rfc3339(time_unix_nano: int) -> str | None:
    """A time as RFC 3339 writes it, to the nanosecond; None for 0."""
    if not time_unix_nano:
        return None
    seconds, nanos = divmod(time_unix_nano, BILLION)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{text}{fraction}Z"


def unix_nano(text: str | None) -> int:
    """The time that RFC 3339 text tells; 0 for none and for a time before 1970.

    Raises:
        ValueError: it is no such text.
    """
    if not text:
        return 0
    found = RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no time; expected RFC 3339")
    zone = "+00:00" if found[3] in "zZ" else found[3]
    seconds = int(datetime.fromisoformat(found[1].upper() + zone).timestamp())
    nanos = int((found[2] or "").ljust(9, "0")[:9])
    return max(0, seconds * BILLION + nanos)


def several(setting: str, value: Any) -> list[Any]:
    """What a setting names: nothing for None, one thing, or those of a list.

    Args:
        setting: which it is, for the error, such as ``"WebhookSink.secret"``.
        value: its value.

    Raises:
        ConfigurationError: an empty list, which would sign nothing, or let in anybody.
    """
    if value is None:
        return []
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if not listed:
        raise ConfigurationError(f"{setting} is empty; expected one, several or None")
    return listed


def signing_key(setting: str, secret: Any) -> bytes:
    """The key that a secret such as ``whsec_...`` stands for.

    Args:
        setting: whose it is, for the error, such as ``"WebhookSink.secret"``.
        secret: base64 of 24 to 64 bytes, with or without ``whsec_`` in front.

    Raises:
        ConfigurationError: it is no such secret; the secret is not shown.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        key = b""
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise ConfigurationError(
            f"{setting} cannot be used; expected {PREFIX} and base64 of {SHORTEST_KEY} "
            f"to {LONGEST_KEY} bytes"
        )
    return key


def signatures(
    keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes
) -> str:
    """The value of ``webhook-signature``: a signature for each key, old ones too."""
    return " ".join(signature(key, message_id, timestamp, body) for key in keys)


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message by one key, such as ``v1,g0hM9S...``.

    Args:
        key: the shared key.
        message_id: the value of ``webhook-id``.
        timestamp: seconds since the epoch, the value of ``webhook-timestamp``.
        body: the bytes that are sent.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(key, signed, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
