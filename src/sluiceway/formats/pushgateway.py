"""The pushgateway's URL paths: a group of metrics is named by its labels.

Law: pure. Source: pushgateway 1.11 ``README.md``, "URL", and ``handler/push.go``.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from ..errors import ConfigurationError
from ..events import MetricPoint
from .prometheus_samples import family_of

LABEL = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
BLAMED = re.compile(r'metric family (\S+) has type|collected metric "?([^"\s]+)"? ')
PLAIN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~:-]+")


def gateway_address(url: str) -> tuple[str, tuple[str, str] | None]:
    """The base URL without a slash at its end, and the user and password in it.

    ``"host:9091"`` without a scheme is taken for HTTP.

    Raises:
        ConfigurationError: it is no HTTP URL of a server; the message leaves out
            what may be a password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
        plain = url.isascii() and url.isprintable() and " " not in url
    except (ValueError, TypeError, AttributeError):
        host, port, parts, plain = None, None, urlsplit(""), False
    known = parts.scheme in ("http", "https") and host and port != 0
    if not known or not plain or not host or parts.query:
        raise ConfigurationError(
            f"url is {public(str(url))!r}; expected one like 'http://localhost:9091'"
        )
    shown_host = f"[{host}]" if ":" in host else host
    netloc = shown_host if port is None else f"{shown_host}:{port}"
    base = f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
    if parts.username is None:
        return base, None
    return base, (unquote(parts.username), unquote(parts.password or ""))


def public(url: str) -> str:
    """What of a wrong URL is no secret, whatever its signs were meant for."""
    user, _, rest = url.rpartition("@")
    return "***" if "?" in user else rest.partition("?")[0]


def grouping_path(grouping: Mapping[str, str]) -> str:
    """The path of a group, such as ``"/metrics/job/shop/instance/a:1"``.

    Values that a path segment cannot hold as they are (empty, with slashes, spaces or
    characters beyond ASCII) travel as base64. The order of labels means nothing to
    the server; ``job`` stands first and the others by name.

    Raises:
        ConfigurationError: no ``job``, an empty one, or a label that Prometheus
            would not take.
    """
    check_grouping(grouping)
    rest = sorted(name for name in grouping if name != "job")
    pairs = (segment_pair(name, grouping[name]) for name in ("job", *rest))
    return "/metrics/" + "/".join(pairs)


def check_grouping(grouping: Mapping[str, str]) -> None:
    """Refuse a grouping that the server would refuse."""
    for name, value in grouping.items():
        if not isinstance(name, str) or not LABEL.fullmatch(name):
            raise ConfigurationError(
                f"grouping has the label {name!r}; expected letters, digits and "
                "underscores, no digit first and not two underscores"
            )
        if not isinstance(value, str):
            raise ConfigurationError(f"grouping[{name!r}] is {value!r}; expected a str")
    if not grouping.get("job"):
        raise ConfigurationError(
            f"job is {grouping.get('job')!r}; expected a name that is not empty"
        )


def segment_pair(name: str, value: str) -> str:
    """One label and its value as two segments of a path."""
    if PLAIN.fullmatch(value):
        return f"{name}/{value}"
    # A segment of base64 padding stands for the empty value: it cannot be empty itself.
    text = urlsafe_b64encode(value.encode("utf-8", "replace")).decode().rstrip("=")
    return f"{name}@base64/{text or '='}"


def blamed(words: str, points: Iterable[MetricPoint]) -> list[MetricPoint]:
    """The points of the family that a gateway names as why it refuses a page.

    Args:
        words: what it said, such as ``"... metric family a_total has type ..."``.
        points: what stood on the page.
    """
    found = BLAMED.search(words)
    name = (found[1] or found[2]) if found else ""
    return [point for point in points if name and name in names_of(point)]


def names_of(point: MetricPoint) -> list[str]:
    """The names that a point's samples could have; none if it has no family."""
    try:
        return family_of(point).sample_names()
    except Exception:  # noqa: BLE001 - whatever a user's object does
        return []
