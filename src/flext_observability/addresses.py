"""What the configuration takes of addresses, headers and words about transport.

Law: a check returns the value as it is kept, or raises a ``FlextValidationError``;
what is secret is in no text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from . import validation
from .exceptions import FlextValidationError
from .loggers import levels, number_in

GRPC: Final = "grpc"
GRPC_PORT: Final = 4317
OWN_PATHS: Final = ("/v1/traces", "/v1/metrics", "/v1/logs")
PROTOCOLS: Final = (GRPC, "http/protobuf", "http/json")
HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, token
OTLP_PORTS: Final = frozenset([GRPC_PORT, 4318])
THIS_MACHINE: Final = frozenset(["localhost", "127.0.0.1", "::1"])
OF_THE_CLIENT: Final = frozenset(
    ["connection", "content-encoding", "content-length", "content-type", "host"]
)
HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.\-]{0,252})|[0-9A-Fa-f:.]{2,45}")


def flag(field: str, value: object) -> bool:
    """True or False, and nothing that is like them."""
    if not isinstance(value, bool):
        raise FlextValidationError(field, value, "true or false")
    return value


def log_level(field: str, value: object) -> str:
    """A level of the standard library: its name, in whatever case, or its number."""
    if isinstance(value, str) and number_in(value) is not None:
        return str.__str__(value)
    words = [word.lower() for word in levels()]
    expected = f"one of {', '.join(words)}, or a number"
    if not isinstance(value, str) or value.lower() not in words:
        raise FlextValidationError(field, value, expected, words)
    return value.upper()


def otlp_protocol(field: str, value: object) -> str:
    """One of OTLP's protocols."""
    return validation.one_of(field, value, PROTOCOLS)


def protocol_of(url: str) -> str:
    """The protocol that an address means where nothing says it."""
    parts = urlsplit(url)
    bare = parts.port == GRPC_PORT and parts.path in {"", "/"}
    return GRPC if bare else "http/protobuf"


@frozen
class Otlp:
    """Where something is sent by OTLP, and how.

    Attributes:
        url: below which ``v1/traces`` and ``v1/metrics`` are, or of a gRPC server.
        protocol: one of OTLP's.
    """

    url: str
    protocol: str


def otlp_url(field: str, value: object) -> str:
    """An address of OTLP for all signals, each of which has its own path below."""
    told = validation.url(field, value)
    if urlsplit(told).path.rstrip("/").endswith(OWN_PATHS):
        expected = "the address above: v1/traces and v1/metrics are added to it"
        raise FlextValidationError(field, told, expected)
    return told


def push_url(field: str, value: object) -> str:
    """An address of a pushgateway, to whose path the group is added."""
    told = validation.url(field, value)
    if urlsplit(told).query:
        expected = "an address without a query, such as http://localhost:9091"
        raise FlextValidationError(field, told, expected)
    return told


def of_all(url: str, protocol: str) -> Otlp:
    """What an address for all signals means."""
    return Otlp(url, protocol or protocol_of(url))


def of_signal(field: str, url: str, signal: str, protocol: str) -> Otlp:
    """What the whole address of one signal means.

    Raises:
        FlextValidationError: nothing that can be sent to.
    """
    path = f"/v1/{signal}"
    above = url.rstrip("/").removesuffix(path)
    if above != url.rstrip("/"):
        return Otlp(above, protocol or "http/protobuf")
    if (protocol or protocol_of(url)) != GRPC:
        expected = f"an address that ends in {path}, or with port {GRPC_PORT} for gRPC"
        raise FlextValidationError(field, url, expected)
    return Otlp(url, GRPC)


def is_one_receiver(url: str, other: str) -> bool:
    """Whether two addresses lead to the same receiver of OTLP.

    The two ports of one host are two ways to it.
    """
    return place_of(url) == place_of(other)


def place_of(url: str) -> tuple[str, object]:
    """What an address has in common with others of the same receiver."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    known = "localhost" if name in THIS_MACHINE else name
    is_usual = parts.port in OTLP_PORTS and parts.path in {"", "/"}
    return known, "OTLP" if is_usual else url.rstrip("/")


def headers(field: str, value: object) -> dict[str, str]:
    """Headers of a request; no error tells their values."""
    told = value if isinstance(value, Mapping) else None
    if told is None or not all(is_header(name, told[name]) for name in told):
        expected = "names of headers with a printable text each, such as key=value"
        raise FlextValidationError(field, value, expected)
    return dict(told)


def is_header(name: object, value: object) -> bool:
    """Whether HTTP carries it, and the client does not set it itself."""
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    sets = name.lower() in OF_THE_CLIENT
    return not sets and bool(HEADER.fullmatch(name)) and value.isprintable()


def host(field: str, value: str) -> str:
    """A host as an address writes it."""
    if HOST.fullmatch(value) is None:
        raise FlextValidationError(field, value, "a host, such as localhost")
    return f"[{value}]" if ":" in value else value


def secret_url(field: str, value: object) -> str:
    """An address which may be a secret itself, as those of chats are."""
    try:
        return validation.url(field, value)
    except FlextValidationError as error:
        raise FlextValidationError(field, "(hidden)", error.expected) from None


def without_user(url: str) -> str:
    """The address without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def public(url: str) -> str:
    """The address as a ``repr`` shows it, without what may be secret."""
    shown = without_user(url)
    bare = urlsplit(shown)._replace(query="", fragment="").geturl()
    return repr(shown if shown == bare else f"{bare}?***")
