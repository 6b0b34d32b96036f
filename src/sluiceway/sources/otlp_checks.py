"""What an OtlpSource may be given. Law: pure; tokens are in no error."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from attrs import frozen

from ..errors import ConfigurationError, nearest
from ..settings import checked_path
from ..sinks.http import FilePath
from .otlp_intake import Acknowledge, Limits


@frozen
class Certificates:
    """The PEM files of a server that speaks TLS.

    Attributes:
        certificate: what it shows.
        key: the key of that; None if it stands in the same file.
        client_authority: whose certificates clients must show; None asks for none.
    """

    certificate: FilePath
    key: FilePath | None = None
    client_authority: FilePath | None = None


def checked_number(field: str, value: Any, low: int, high: int | None = None) -> int:
    """``value``, if it is a whole number from ``low`` to ``high``."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        limits = f"from {low}" if high is None else f"from {low} to {high}"
        raise ConfigurationError(
            f"OtlpSource.{field} is {value!r}; expected a whole number {limits}"
        )
    return int(value)


def checked_grpc_port(port: Any) -> int | None:
    """``port``, if it is one; None for no gRPC."""
    return None if port is None else checked_number("grpc_port", port, 0, 65535)


def checked_flag(field: str, value: Any) -> bool:
    """``value``, if it is True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(
            f"OtlpSource.{field} is {value!r}; expected True or False"
        )
    return value


def checked_limits(given: Limits) -> Limits:
    """What an intake grants, if all of it can mean something."""
    accept, deliver = given.accept_timeout, given.deliver_timeout
    return Limits(
        max_body=checked_number("max_body", given.max_body, 1),
        ack=checked_ack(given.ack),
        accept_timeout=checked_seconds("accept_timeout", accept),
        deliver_timeout=checked_seconds("deliver_timeout", deliver),
        decode=checked_flag("decode", given.decode),
        tokens=checked_tokens(given.tokens),
    )


def checked_seconds(field: str, value: Any) -> float:
    """``value``, if it is a number of seconds above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ConfigurationError(
            f"OtlpSource.{field} is {value!r}; expected seconds above 0"
        )
    return float(value)


def checked_ack(ack: Any) -> Acknowledge:
    """``ack``, if it is one of its two words."""
    for word in get_args(Acknowledge):
        if ack == word:
            known: Acknowledge = word
            return known
    words = get_args(Acknowledge)
    raise ConfigurationError(
        f"OtlpSource.ack is {ack!r}; expected one of "
        f"{', '.join(map(repr, words))}{nearest(ack, words)}"
    )


def checked_tokens(tokens: Any) -> tuple[str, ...]:
    """``tokens``, if they are texts that a header can carry."""
    listed = isinstance(tokens, Collection) and not isinstance(tokens, str | bytes)
    if not listed or not all(map(is_token, tokens)):
        raise ConfigurationError(
            "OtlpSource.tokens is wrong; expected a list of bearer tokens, each of "
            "printable ASCII without blanks"
        )
    return tuple(tokens)


def is_token(token: Any) -> bool:
    """Whether it can stand behind ``Bearer``."""
    if not isinstance(token, str) or not token:
        return False
    return token.isascii() and token.isprintable() and " " not in token


def checked_certificates(
    certificate: Any, key: Any, client_authority: Any
) -> Certificates | None:
    """The files for TLS, or None for none."""
    if certificate is None:
        if key is not None or client_authority is not None:
            raise ConfigurationError(
                "OtlpSource.certificate is None; expected a file, since a key or a "
                "client_authority is given"
            )
        return None
    named = {
        "certificate": certificate,
        "certificate_key": key,
        "client_authority": client_authority,
    }
    for name, path in named.items():
        if path is not None:
            checked_path(f"OtlpSource.{name}", path)
    return Certificates(certificate, key, client_authority)
