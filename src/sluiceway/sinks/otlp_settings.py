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
from functools import partial
from typing import Any, Final, Literal, TypeVar, get_args
from urllib.parse import unquote

from attrs import field, frozen

from .addresses import HEADER_NAME, OF_THE_CLIENT, ToldPath, without_user
from .otlp_addresses import (
    GRPC_ENDPOINT,
    HTTP_ENDPOINT,
    Protocol,
    below,
    protocol_of,
    with_path,
    with_scheme,
    wrong_endpoint,
)

Compression = Literal["none", "gzip"]
FilePath = str | os.PathLike[str]
T = TypeVar("T")

DEFAULT_TIMEOUT: Final = 10.0  # seconds
PREFIX: Final = "OTEL_EXPORTER_OTLP_"
METADATA_KEY: Final = re.compile(r"[0-9a-z_.-]+")


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
    protocol: Protocol | None = None
    insecure: bool | None = None


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
        protocol: how the events travel.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    compression: Compression = "none"
    timeout: float | None = DEFAULT_TIMEOUT
    certificate: FilePath | None = None
    client_certificate: FilePath | None = None
    client_key: FilePath | None = None
    protocol: Protocol = "http/protobuf"


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

    def compression(self, name: str, text: str) -> Compression | None:
        """``none`` or ``gzip``, whatever its case."""
        known = get_args(Compression)
        word: Compression | None = self._word(name, text, known, "'gzip' or 'none'")
        return word

    def protocol(self, name: str, text: str) -> Protocol | None:
        """One of the three protocols, whatever its case."""
        known = get_args(Protocol)
        expected = ", ".join(map(repr, known))
        word: Protocol | None = self._word(name, text, known, expected)
        return word

    def _word(self, name: str, text: str, words: Any, expected: str) -> Any:
        if text.lower() in words:
            return text.lower()
        self.warn(name, repr(text), expected)
        return None

    def boolean(self, name: str, text: str) -> bool:
        """True only for ``true``, whatever its case."""
        if text.lower() not in {"true", "false"}:
            self.warn(name, repr(text), "'true' or 'false'")
        return text.lower() == "true"

    def timeout(self, name: str, text: str) -> float | None:
        """Seconds, from whole milliseconds; 0 is no bound."""
        if re.fullmatch(r"[0-9]{1,15}", text):
            return int(text) / 1000
        self.warn(name, repr(text), "a whole number of milliseconds from 0")
        return None

    def headers(
        self, name: str, text: str, *, grpc: bool = False
    ) -> dict[str, str] | None:
        """``key=value,key2=value2``, values percent-decoded; bad ones are left out."""
        found: dict[str, str] = {}
        for position, pair in enumerate(text.split(","), 1):
            if not pair.strip():
                continue
            key, equals, value = (part.strip() for part in pair.partition("="))
            value = unquote(value)
            sendable = equals and is_header(key, value) and ";" not in pair
            if not sendable or (grpc and not is_metadata(key.lower(), value)):
                self.warn(name, f"wrong in pair {position}", "key=value,key2=value2")
            else:
                found[key] = value
        return found or None


def is_header(name: str, value: str) -> bool:
    """Whether HTTP carries a header, and the client does not set it itself."""
    known = HEADER_NAME.fullmatch(name) and name.lower() not in OF_THE_CLIENT
    return bool(known) and value.isprintable()


def is_metadata(name: str, value: str) -> bool:
    """Whether gRPC carries a header, whose name is of small letters, as it is."""
    reserved = name.startswith("grpc-") or name.endswith("-bin")
    plain = value.isascii() and value.isprintable()
    return not reserved and plain and bool(METADATA_KEY.fullmatch(name))


def settings_for(
    signal: Signal, given: Given, environment: Environment
) -> SignalSettings:
    """How ``signal`` is to be sent.

    Raises:
        ConfigurationError: something given in code is wrong.
    """

    def setting(word: str, parse: Callable[[str, str], Any]) -> Any:
        found = getattr(given, word)
        return environment.find(signal, word.upper(), parse) if found is None else found

    timeout = setting("timeout", environment.timeout)
    url, protocol = address_of(
        Place(signal, given.endpoint, setting("insecure", environment.boolean)),
        setting("protocol", environment.protocol),
        environment,
    )
    headers = partial(environment.headers, grpc=protocol == "grpc")
    shown, key = shown_pair(setting, environment)
    return SignalSettings(
        url=url,
        headers=setting("headers", headers) or {},
        compression=setting("compression", environment.compression) or "none",
        timeout=DEFAULT_TIMEOUT if timeout is None else (timeout or None),
        certificate=setting("certificate", told_path),
        client_certificate=shown,
        client_key=key,
        protocol=protocol,
    )


def shown_pair(
    setting: Callable[[str, Callable[[str, str], Any]], Any], environment: Environment
) -> tuple[FilePath | None, FilePath | None]:
    """The certificate to show, and its key, which means nothing without it."""
    certificate = setting("client_certificate", told_path)
    key = setting("client_key", told_path)
    if certificate is not None or key is None:
        return certificate, key
    environment.warn(key.variable, repr(str(key)), "a client certificate, too")
    return None, None


def told_path(name: str, text: str) -> ToldPath:
    """A path, which is checked when it is opened, and then named by its variable."""
    path = ToldPath(text)
    path.variable = name
    return path


@frozen
class Place:
    """What decides where a signal goes, but for the environment.

    Attributes:
        signal: whose variable comes first.
        endpoint: what was given in code.
        insecure: whether an address without a scheme means no TLS.
    """

    signal: Signal
    endpoint: str | None = field(default=None, repr=False)
    insecure: bool | None = None


def address_of(
    place: Place, protocol: Protocol | None, environment: Environment
) -> tuple[str, Protocol]:
    """A signal's whole address and its protocol, told by the port if nothing else."""
    own, general = environment.names(place.signal, "ENDPOINT")
    candidates = [(own, True), (general, False)]
    if place.endpoint is not None:
        return located(place, place.endpoint, protocol, is_own=False)
    for name, is_own in candidates:
        text = environment.text(name)
        wrong = text and wrong_endpoint(text, protocol)
        if text and wrong:
            environment.warn(name, repr(without_user(text)), wrong)
        elif text:
            return located(place, text, protocol, is_own=is_own)
    default = GRPC_ENDPOINT if protocol == "grpc" else HTTP_ENDPOINT
    return located(place, default, protocol, is_own=False)


def located(
    place: Place, text: str, protocol: Protocol | None, *, is_own: bool
) -> tuple[str, Protocol]:
    """The address that a text means, by its protocol."""
    protocol = protocol or protocol_of(text)
    url = with_scheme(text, insecure=bool(place.insecure))
    if protocol == "grpc" or is_own:
        return with_path(url), protocol
    return below(url, place.signal.value), protocol
