"""Ready-made health checks: whether a page answers, and whether a port does.

Law: a check tells in its own words what it found, without a secret of its address.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from attrs import Attribute, Factory, field, frozen

from ..errors import ConfigurationError, DeliveryError
from ..events import HealthStatus
from ..health.checks import Check, as_tuple
from ..settings import is_number
from ..sinks.addresses import (
    checked_headers,
    public_part,
    system_words,
    without_user,
    wrong_with,
)

if TYPE_CHECKING:
    from ..sinks.http import Answer, Destination

EXAMPLE: Final = "http://localhost:8080/healthz"
LONGEST_BODY: Final = 1024 * 1024  # bytes that a text is looked for in
Finding = tuple[HealthStatus, str, dict[str, Any]]


def an_address(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: the address of a page."""
    wrong = wrong_with(value, EXAMPLE)
    if wrong is not None:
        shown = without_user(str(value))
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {shown!r}; expected {wrong}"
        )


def statuses_of_http(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: some of HTTP's statuses."""
    known = isinstance(value, tuple)
    if not known or not all(is_number(each, 100, 599, whole=True) for each in value):
        shown = [*value] if known else value
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {shown!r}; "
            "expected a list of statuses of HTTP, such as [200, 204]"
        )


def a_text_or_none(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a text that is not empty, or None."""
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; "
            "expected a text that is not empty, or None"
        )


def headers_of_check(headers: Any) -> dict[str, str]:
    """Headers that can be sent."""
    return checked_headers(headers or {}, "HttpCheck.headers")


@frozen
class HttpCheck(Check):
    """A health check: whether a page answers a GET as it should.

    Each run makes a connection of its own, so that the name, the port and TLS are
    checked too. Redirects are not followed. It has the other settings of ``Check``.

    Attributes:
        name: what it is called, unique among the checks.
        url: the page's address. A user and password in it are sent and shown nowhere.
        statuses: the statuses that are healthy; default any of 2xx.
        contains: a text that the answer must have, in its first MiB; default None.
        headers: further headers of the request; their values are kept secret.
        certificate: a PEM file of the authorities to trust.
        client_certificate: a PEM file of the certificate to show.
        client_key: a PEM file of its key.
    """

    url: str = field(validator=an_address, repr=public_part)
    statuses: Sequence[int] = field(
        default=(), converter=as_tuple, validator=statuses_of_http, kw_only=True
    )
    contains: str | None = field(default=None, validator=a_text_or_none, kw_only=True)
    headers: Mapping[str, str] | None = field(
        default=None, converter=headers_of_check, repr=False, kw_only=True
    )
    certificate: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    client_certificate: str | os.PathLike[str] | None = field(
        default=None, kw_only=True
    )
    client_key: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    function: Callable[[], Any] = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(lambda check: check.ask, takes_self=True),
    )

    async def ask(self) -> Finding:
        """One GET, and what its answer means."""
        from ..sinks.http import HttpClient  # noqa: PLC0415 - loads aiohttp

        client = HttpClient()
        await client.open()
        try:
            to = self._destination()
            keep = LONGEST_BODY if self.contains else 0
            answer = await client.send(to, b"", {}, keep, method="GET")
        except DeliveryError as error:  # its words are without secrets
            return HealthStatus.UNHEALTHY, str(error), {}
        finally:
            await client.close()
        return self._finding(to, answer)

    def _destination(self) -> Destination:
        from ..sinks.http import Destination, tls_context  # noqa: PLC0415 - the same

        tls = tls_context(self.certificate, self.client_certificate, self.client_key)
        return Destination(self.url, public_part(self.url), self.headers or {}, tls)

    def _finding(self, to: Destination, answer: Answer) -> Finding:
        from ..sinks.http import quoted  # noqa: PLC0415 - the same

        expected = answer.status in self.statuses if self.statuses else None
        well = answer.is_success if expected is None else expected
        details = {"http.response.status_code": answer.status}
        if not well:
            words = quoted(to, answer.text()) if answer.is_text else ""
            told = f"{to.shown} answered {answer.status}{words}"
            return HealthStatus.UNHEALTHY, told, details
        if self.contains and self.contains not in answer.text():
            told = f"{to.shown} answered without {self.contains!r}"
            return HealthStatus.UNHEALTHY, told, details
        return HealthStatus.HEALTHY, f"{to.shown} answered {answer.status}", details


def host_and_port(address: Any) -> tuple[str, int] | None:
    """The parts of ``host:port``; None if it is no such text."""
    if not isinstance(address, str) or not address.isprintable():
        return None
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    alone = parts.netloc == address and "@" not in address
    return (host, port) if host and port and alone else None


def a_host_and_port(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: ``host:port``."""
    if host_and_port(value) is None:
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {without_user(str(value))!r}; "
            "expected a host and a port, such as 'localhost:5432'"
        )


@frozen
class TcpCheck(Check):
    """A health check: whether something listens on a TCP port.

    It connects, on a thread, and closes the connection. It has the other settings of
    ``Check``.

    Attributes:
        name: what it is called, unique among the checks.
        address: host and port, such as ``"localhost:5432"`` or ``"[::1]:5432"``.
    """

    address: str = field(validator=a_host_and_port)
    function: Callable[[], Any] = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(lambda check: check.ask, takes_self=True),
    )

    def ask(self) -> Finding:
        """One connection."""
        place = host_and_port(self.address)
        try:
            socket.create_connection(place or ("", 0), self.timeout).close()
        except OSError as error:
            told = f"no connection to {self.address}: {system_words(error)}"
            return HealthStatus.UNHEALTHY, told, {}
        return HealthStatus.HEALTHY, f"{self.address} takes connections", {}
