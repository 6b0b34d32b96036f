"""What a browser is told of the pages that may send: cross-origin resource sharing.

Law: pure; a page of another origin gets no header at all, so that the browser refuses.
Source: WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import ConfigurationError

ANY: Final = "*"
PREFLIGHT_SECONDS: Final = 7200  # that a browser may remember an answer


def checked_origins(origins: Any) -> frozenset[str]:
    """The origins, if they are such.

    Raises:
        ConfigurationError: one is not, or they are no list.
    """
    if isinstance(origins, str) or not isinstance(origins, Collection):
        raise ConfigurationError(
            f"OtlpSource.cors_origins is {origins!r}; expected a list of origins"
        )
    for origin in origins:
        if not is_origin(origin):
            raise ConfigurationError(
                f"OtlpSource.cors_origins has {origin!r}; expected a scheme and a host "
                "such as 'https://shop.example', or '*' for every page"
            )
    return frozenset(map(str.lower, origins))


def is_origin(text: Any) -> bool:
    """Whether a text is an origin as browsers send it, or ``"*"``."""
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and "@" not in text
    whole = text.lower() == f"{parts.scheme}://{parts.netloc.lower()}"
    return text == ANY or bool(parts.scheme and host and plain and whole)


def shared_with(origins: Collection[str], origin: str | None) -> Mapping[str, str]:
    """The headers of an answer to a page of ``origin``.

    Args:
        origins: the pages that may send, as ``checked_origins`` gave them.
        origin: the request's header ``Origin``; None if it is from no page.
    """
    if not origins:
        return {}
    if origin is None or not {ANY, origin.lower()} & {*origins}:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "Retry-After",
    }


def preflight(
    origins: Collection[str], origin: str | None, wanted: str | None
) -> Mapping[str, str]:
    """The headers of the answer to a browser that asks before it sends.

    Args:
        origins: the pages that may send, as ``checked_origins`` gave them.
        origin: the request's header ``Origin``.
        wanted: its ``Access-Control-Request-Headers``: all of them may be sent.
    """
    headers = shared_with(origins, origin)
    if "Access-Control-Allow-Origin" not in headers:
        return headers
    return {
        **headers,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": wanted or "Content-Type",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
