"""What spans and metrics say of HTTP: names, attributes, and what must not be in them.

Law: pure. Nothing that a client can choose freely gets into a span's name or a metric.
Source: OpenTelemetry semantic conventions, ``http/http-spans.md`` and
``http/http-metrics.md``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from ..errors import ConfigurationError

SCOPE: Final = "sluiceway.web"  # what spans and metrics are made by

KNOWN_METHODS: Final = frozenset(
    {
        "CONNECT",
        "DELETE",
        "GET",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "POST",
        "PUT",
        "QUERY",
        "TRACE",
    }
)
OTHER: Final = "_OTHER"

# Upper bounds of the duration histograms, in seconds.
BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25),
    *(0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

EXCLUDED: Final = ("/metrics", "/healthz", "/readyz")
REDACTED: Final = "REDACTED"
SECRET: Final = re.compile(
    r"auth|code|credential|key|pass|pwd|secret|session|sig|token", re.IGNORECASE
)

SWITCHING_PROTOCOLS: Final = 101
SERVER_ERROR: Final = 500
CLIENT_ERROR: Final = 400


def known_method(method: str) -> str:
    """The method itself, or ``_OTHER``: a client may invent any number of them."""
    return method if method in KNOWN_METHODS else OTHER


def span_name(method: str, route: str | None = None) -> str:
    """``GET /items/{id}``, or ``GET`` where no route is known.

    Args:
        method: as ``known_method`` has it.
        route: the template, never the path.
    """
    verb = "HTTP" if method == OTHER else method
    return f"{verb} {route}" if route else verb


def error_name(error: BaseException) -> str:
    """``error.type`` of an exception: its qualified class name."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def without_secrets(query: str) -> str:
    """A query string in which the values of all that sounds secret are ``REDACTED``."""
    return "&".join(map(redacted, query.split("&")))


def redacted(pair: str) -> str:
    """One ``name=value`` of a query string."""
    name, equals, _ = pair.partition("=")
    secret = equals and SECRET.search(unquote_plus(name))
    return f"{name}={REDACTED}" if secret else pair


def host_and_port(authority: str) -> tuple[str, int | None]:
    """``example.org:8080`` or ``[::1]:8080`` in its parts; without a port None."""
    host, colon, port = authority.rpartition(":")
    if colon and port.isdecimal() and len(port) <= 5:
        return host.strip("[]"), int(port)
    return authority.strip("[]"), None


def path_below_root(scope: Mapping[str, Any]) -> str:
    """The path of an ASGI scope below where its application is mounted."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path") or ""
    return path.removeprefix(root.rstrip("/"))


class Excluded:
    """Paths that are not to be measured, such as health checks.

    Args:
        paths: each excludes itself and all below it.

    Raises:
        ConfigurationError: something that is no path.
    """

    def __init__(self, paths: Collection[str]) -> None:
        several = isinstance(paths, Iterable) and not isinstance(paths, str)
        if not several or not all(map(is_path, paths)):
            raise ConfigurationError(
                f"excluded is {paths!r}; expected a list of paths, each with a '/' in "
                "front"
            )
        self._whole = frozenset(paths)
        self._beginnings = tuple(f"{path.rstrip('/')}/" for path in paths)

    def __contains__(self, path: str) -> bool:
        return path in self._whole or path.startswith(self._beginnings)

    def __repr__(self) -> str:
        return f"<Excluded {sorted(self._whole)}>"


def is_path(path: object) -> bool:
    """Whether it can be the path of a URL."""
    return isinstance(path, str) and path.startswith("/")
