"""How long a server asks to be left alone. Source: RFC 9110, section 10.2.3."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

SECONDS = re.compile(r"[0-9]{1,9}")


def seconds_asked(header: str | None, now_ns: int) -> float | None:
    """The seconds that ``Retry-After`` asks to wait; None if it says nothing clear.

    Args:
        header: the header's value: whole seconds, or an HTTP date.
        now_ns: nanoseconds since the epoch; a date that has passed asks for 0.
    """
    if not header:
        return None
    text = header.strip()
    if SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now_ns / 1e9)
