"""What an OtlpSink may be given in code. Law: pure; secrets are in no error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from ..errors import ConfigurationError, nearest
from ..settings import checked_path
from .addresses import checked_headers, without_user
from .otlp_addresses import Protocol, wrong_endpoint
from .otlp_settings import Compression, Given, Signal


def checked(given: Given) -> Given:
    """What was given in code, if it can mean anything.

    Raises:
        ConfigurationError: names the setting, its value unless that is secret, and
            what was expected.
    """
    if given.endpoint is not None:
        check_endpoint(given.endpoint, given.protocol)
    if given.headers is not None:
        checked_headers(given.headers, "OtlpSink.headers")
    check_word("compression", given.compression, get_args(Compression))
    check_word("protocol", given.protocol, get_args(Protocol))
    if not isinstance(given.insecure, bool | None):
        raise ConfigurationError(
            f"OtlpSink.insecure is {given.insecure!r}; expected True or False"
        )
    check_timeout(given.timeout)
    for file in ("certificate", "client_certificate", "client_key"):
        path = getattr(given, file)
        if path is not None:
            checked_path(f"OtlpSink.{file}", path)
    if given.client_key is not None and given.client_certificate is None:
        raise ConfigurationError("OtlpSink.client_key needs a client_certificate")
    return given


def check_word(setting: str, word: Any, words: Sequence[str]) -> None:
    """Refuse a word that is none of those known."""
    if word is not None and word not in words:
        raise ConfigurationError(
            f"OtlpSink.{setting} is {word!r}; expected one of "
            f"{', '.join(map(repr, words))}{nearest(word, words)}"
        )


def check_endpoint(endpoint: str, protocol: Protocol | None) -> None:
    """Refuse an address that requests cannot go to, or that is one signal's."""
    wrong = wrong_endpoint(endpoint, protocol)
    if wrong is None and urlsplit(endpoint).path.rstrip("/").endswith(OWN_PATHS):
        wrong = "the address above it: v1/traces, v1/metrics and v1/logs are added"
    if wrong is not None:
        raise ConfigurationError(
            f"OtlpSink.endpoint is {without_user(str(endpoint))!r}; expected {wrong}"
        )


def check_timeout(timeout: Any) -> None:
    """Refuse what is no number of seconds."""
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (number and 0 <= timeout < float("inf")):
        raise ConfigurationError(
            f"OtlpSink.timeout is {timeout!r}; expected seconds from 0 (no bound)"
        )


OWN_PATHS: Final = tuple(f"/v1/{signal.value}" for signal in Signal)
