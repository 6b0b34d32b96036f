"""Whether a request comes from whom it should: signatures, tokens, passwords.

Law: pure; every comparison of what is secret takes as long as any other, and what is
refused is refused without saying how near it was. Source: Standard Webhooks 1.0.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from .webhook import signature

TOLERANCE: Final = 300  # seconds
SECONDS: Final = re.compile(r"[0-9]{1,12}")
MOST: Final = 32  # signatures that are looked at


def refusal_of(
    keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float
) -> str | None:
    """Why a message is not to be trusted; None if one of the keys has signed it.

    Args:
        keys: the keys in use, old ones too.
        headers: the request's.
        body: the bytes that came.
        now: seconds since the epoch.
    """
    message = headers.get("webhook-id", "")
    told = headers.get("webhook-timestamp", "")
    signed = headers.get("webhook-signature", "")
    if not (message and told and signed):
        return "expected webhook-id, webhook-timestamp and webhook-signature"
    if not SECONDS.fullmatch(told):
        return "webhook-timestamp is no number of seconds"
    if abs(now - int(told)) > TOLERANCE:
        return f"webhook-timestamp is more than {TOLERANCE} seconds from now"
    expected = [signature(key, message, int(told), body) for key in keys]
    return None if any_same(signed.split(" ")[:MOST], expected) else "wrong signature"


def any_same(given: Iterable[str], expected: Iterable[str]) -> bool:
    """Whether any text is an expected one; all are compared, whatever is found."""
    known = [each.encode("utf-8", "surrogateescape") for each in expected]
    found = False
    for each in given:
        said = each.encode("utf-8", "surrogateescape")
        for one in known:
            found |= hmac.compare_digest(said, one)
    return found


def authorizations(
    tokens: Iterable[str], basic_auth: tuple[str, str] | None
) -> list[str]:
    """What ``Authorization`` may say, without the scheme's case: ``bearer ...``."""
    known = [f"bearer {token}" for token in tokens]
    if basic_auth is not None:
        pair = b64encode(":".join(basic_auth).encode()).decode()
        known.append(f"basic {pair}")
    return known


def is_authorized(header: str | None, known: Iterable[str]) -> bool:
    """Whether an ``Authorization`` header says one of the known things."""
    scheme, _, rest = (header or "").strip().partition(" ")
    return any_same([f"{scheme.lower()} {rest.strip()}"], known)
