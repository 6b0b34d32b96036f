"""The addresses of collectors: which protocol one means, and what stands below it.

Law: pure. A bare port 4317 means gRPC, whatever else stands for HTTP; only gRPC has
addresses without a scheme. Source: OpenTelemetry specification,
``protocol/exporter.md``, "Endpoint URLs for OTLP/HTTP".
"""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from .addresses import wrong_with

Protocol = Literal["grpc", "http/protobuf", "http/json"]

HTTP_ENDPOINT: Final = "http://localhost:4318"
GRPC_ENDPOINT: Final = "http://localhost:4317"
GRPC_PORT: Final = 4317


def protocol_of(text: str) -> Protocol:
    """The protocol that an address means where nothing says it."""
    try:
        parts = urlsplit(with_scheme(text, insecure=True))
        bare = parts.port == GRPC_PORT and parts.path in ("", "/")
    except (ValueError, TypeError, AttributeError):
        bare = False
    return "grpc" if bare else "http/protobuf"


def with_scheme(text: str, *, insecure: bool) -> str:
    """The address with the scheme that it means: TLS, if nothing says otherwise."""
    if "://" in text:
        return text
    return f"{'http' if insecure else 'https'}://{text}"


def wrong_endpoint(text: Any, protocol: Protocol | None) -> str | None:
    """What was expected instead of an endpoint, or None if requests can go there."""
    if not isinstance(text, str):
        return wrong_with(text)
    if (protocol or protocol_of(text)) == "grpc":
        return wrong_with(with_scheme(text, insecure=True))
    return wrong_with(text)


def below(base: str, signal: str) -> str:
    """``base`` with ``v1/<signal>`` after its path; nothing else is changed."""
    parts = urlsplit(base)
    slash = "" if parts.path.endswith("/") else "/"
    return urlunsplit(parts._replace(path=f"{parts.path}{slash}v1/{signal}"))


def with_path(url: str) -> str:
    """``url`` as it is; without a path it gets the root's."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path or "/"))
