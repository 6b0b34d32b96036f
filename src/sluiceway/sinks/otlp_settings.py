"""Where each signal goes and how: code before environment, signal before general.

Law: pure functions of what was given and of the environment. What is wrong in code is a
``ConfigurationError``; what is wrong in the environment is a warning that names the
variable, and counts as unset. Source: OpenTelemetry specification,
``protocol/exporter.md`` and ``configuration/common.md``.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_args
from urllib.parse import unquote, urlsplit, urlunsplit

from attrs import field, frozen

from ..errors import ConfigurationError, nearest
from ..settings import checked_path
from .addresses import HEADER_NAME, checked_headers, without_user, wrong_with

Compression = Literal["none", "gzip"]
FilePath = str | os.PathLike[str]
T = TypeVar("T")

DEFAULT_ENDPOINT: Final = "http://localhost:4318"
DEFAULT_TIMEOUT: Final = 10.0  # seconds
PREFIX: Final = "OTEL_EXPORTER_OTLP_"
PROTOCOL: Final = "http/protobuf"


class Signal(enum.Enum):
    """The three kinds of telemetry, by their words in addresses and variables."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


@frozen
class Given:
    """What a sink was given in code; None leaves it to the environment."""

    endpoint: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    compression: Compression | None = None
    timeout: float | None = None
    certificate: FilePath | None = None
    client_certificate: FilePath | None = None
    client_key: FilePath | None = None


@frozen
class SignalSettings:
    """How one signal is sent.

    Attributes:
        url: the whole address.
        headers: further headers of each request.
        compression: ``"none"`` or ``"gzip"``.
        timeout: seconds for one request; None for no bound.
        certificate: a file of the authorities to trust.
        client_certificate: a file of the certificate to show.
        client_key: the file of its key.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    compression: Compression = "none"
    timeout: float | None = DEFAULT_TIMEOUT
    certificate: FilePath | None = None
    client_certificate: FilePath | None = None
    client_key: FilePath | None = None


class Environment:
    """The OTLP variables of an environment, and what is wrong with them.

    Args:
        variables: such as ``os.environ``.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> list[str]:
        """What was ignored, and why, each once."""
        return list(self._warnings)

    def warn(self, name: str, shown: str, expected: str) -> None:
        """Remember that a variable is ignored."""
        self._warnings[f"{name} is {shown}; expected {expected}; ignored"] = None

    def names(self, signal: Signal, word: str) -> tuple[str, str]:
        """A setting's variable for one signal, and the general one."""
        return f"{PREFIX}{signal.name}_{word}", f"{PREFIX}{word}"

    def text(self, name: str) -> str | None:
        """A variable's value; an empty one counts as unset."""
        return self._variables.get(name, "").strip() or None

    def find(
        self, signal: Signal, word: str, parse: Callable[[str, str], T | None]
    ) -> T | None:
        """The first usable value of the signal's variable and the general one.

        Args:
            signal: whose variable comes first.
            word: the setting's, such as ``"TIMEOUT"``.
            parse: makes a value of a name and a text; None if it cannot be used.
        """
        for name in self.names(signal, word):
            text = self.text(name)
            value = None if text is None else parse(name, text)
            if value is not None:
                return value
        return None

    def endpoint(self, name: str) -> str | None:
        """An address, or None with a warning."""
        text = self.text(name)
        if text is None:
            return None
        wrong = wrong_with(text)
        if wrong is not None:
            self.warn(name, repr(without_user(text)), wrong)
            return None
        return text

    def compression(self, name: str, text: str) -> Compression | None:
        """``none`` or ``gzip``, whatever its case."""
        for known in get_args(Compression):
            if text.lower() == known:
                compression: Compression = known
                return compression
        self.warn(name, repr(text), "'gzip' or 'none'")
        return None

    def timeout(self, name: str, text: str) -> float | None:
        """Seconds, from whole milliseconds; 0 is no bound."""
        if re.fullmatch(r"[0-9]{1,15}", text):
            return int(text) / 1000
        self.warn(name, repr(text), "a whole number of milliseconds from 0")
        return None

    def headers(self, name: str, text: str) -> dict[str, str] | None:
        """``key=value,key2=value2``, values percent-decoded; bad ones are left out."""
        found: dict[str, str] = {}
        for position, pair in enumerate(text.split(","), 1):
            if not pair.strip():
                continue
            key, equals, value = (part.strip() for part in pair.partition("="))
            value = unquote(value)
            if not (equals and HEADER_NAME.fullmatch(key)) or unsendable(pair, value):
                self.warn(name, f"wrong in pair {position}", "key=value,key2=value2")
            else:
                found[key] = value
        return found or None

    def protocol(self, name: str, text: str) -> str | None:
        """The protocol, which must be the one that is spoken here."""
        if text.lower() != PROTOCOL:
            self.warn(name, repr(text), f"{PROTOCOL!r}, the only one that is supported")
        return PROTOCOL


def unsendable(pair: str, value: str) -> bool:
    """Whether a header's text has metadata, or a value that HTTP cannot carry."""
    return ";" in pair or not value.isprintable()


def settings_for(
    signal: Signal, given: Given, environment: Environment
) -> SignalSettings:
    """How ``signal`` is to be sent.

    Raises:
        ConfigurationError: something given in code is wrong.
    """
    environment.find(signal, "PROTOCOL", environment.protocol)

    def setting(word: str, parse: Callable[[str, str], Any]) -> Any:
        found = getattr(given, word)
        return environment.find(signal, word.upper(), parse) if found is None else found

    timeout = setting("timeout", environment.timeout)
    return SignalSettings(
        url=url_for(signal, given, environment),
        headers=setting("headers", environment.headers) or {},
        compression=setting("compression", environment.compression) or "none",
        timeout=DEFAULT_TIMEOUT if timeout is None else (timeout or None),
        certificate=setting("certificate", as_it_is),
        client_certificate=setting("client_certificate", as_it_is),
        client_key=setting("client_key", as_it_is),
    )


def as_it_is(name: str, text: str) -> str:  # noqa: ARG001 - ``find`` passes both
    """A path, which is checked when it is opened."""
    return text


def url_for(signal: Signal, given: Given, environment: Environment) -> str:
    """The address of one signal: its own as it is, or below the general one."""
    if given.endpoint is not None:
        return below(given.endpoint, signal)
    own, general = environment.names(signal, "ENDPOINT")
    found = environment.endpoint(own)
    if found is not None:
        return with_path(found)
    return below(environment.endpoint(general) or DEFAULT_ENDPOINT, signal)


def below(base: str, signal: Signal) -> str:
    """``base`` with ``v1/<signal>`` after its path; nothing else is changed."""
    parts = urlsplit(base)
    slash = "" if parts.path.endswith("/") else "/"
    return urlunsplit(parts._replace(path=f"{parts.path}{slash}v1/{signal.value}"))


def with_path(url: str) -> str:
    """``url`` as it is; without a path it gets the root's."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path or "/"))


def checked(given: Given) -> Given:
    """What was given in code, if it can mean anything.

    Raises:
        ConfigurationError: names the setting, its value unless that is secret, and
            what was expected.
    """
    if given.endpoint is not None:
        check_endpoint(given.endpoint)
    if given.headers is not None:
        checked_headers(given.headers, "OtlpSink.headers")
    words = get_args(Compression)
    if given.compression is not None and given.compression not in words:
        raise ConfigurationError(
            f"OtlpSink.compression is {given.compression!r}; expected 'gzip' or "
            f"'none'{nearest(given.compression, words)}"
        )
    check_timeout(given.timeout)
    for file in ("certificate", "client_certificate", "client_key"):
        path = getattr(given, file)
        if path is not None:
            checked_path(f"OtlpSink.{file}", path)
    if given.client_key is not None and given.client_certificate is None:
        raise ConfigurationError("OtlpSink.client_key needs a client_certificate")
    return given


def check_endpoint(endpoint: str) -> None:
    """Refuse an address that requests cannot go to, or that is one signal's."""
    wrong = wrong_with(endpoint)
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
