"""AdminClient: what ``sluiceway alerts`` says to a running pipeline."""

from __future__ import annotations

import socket
from http.client import HTTPConnection, HTTPException
from typing import Any, TypeVar

import msgspec

from ..errors import ConfigurationError, SluicewayError
from ..formats.valid_json import encoded
from .addresses import port_of
from .messages import AlertState, Count, Refusal, Selection, SilenceState

T = TypeVar("T")


class AdminError(SluicewayError):
    """The pipeline cannot be reached, or does not do what was asked."""


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket.

    Args:
        path: the socket's.
        timeout: seconds.
    """

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AdminClient:
    """Asks the ``AdminServer`` of a running pipeline.

    Args:
        address: the path of its socket, or ``host:port``.
        token: what the server wants to see; None for nothing.
        timeout: seconds for an answer; default 10.

    Raises:
        ConfigurationError: the address is of another machine, or the token is not one
            line of text.
    """

    def __init__(
        self, address: str, *, token: str | None = None, timeout: float = 10.0
    ) -> None:
        self._address = address
        self._port = port_of(address)
        self._headers = {} if token is None else {"Authorization": bearer(token)}
        self._timeout = timeout

    def alerts(self) -> list[AlertState]:
        """The alerts that fire, or are about to."""
        return self._ask("GET", "/alerts", None, list[AlertState])

    def acknowledge(self, matching: dict[str, Any]) -> int:
        """Take alerts on; how many that are."""
        selection = Selection(matching)
        return self._ask("POST", "/alerts/acknowledge", selection, Count).count

    def resolve(self, matching: dict[str, Any]) -> int:
        """End alerts; how many that are."""
        return self._ask("POST", "/alerts/resolve", Selection(matching), Count).count

    def silences(self) -> list[SilenceState]:
        """The silences that have not ended."""
        return self._ask("GET", "/silences", None, list[SilenceState])

    def silence(self, silence: SilenceState) -> int:
        """Tell nobody of some alerts; how many of them fire."""
        return self._ask("POST", "/silences", silence, Count).count

    def unsilence(self, matching: dict[str, Any]) -> int:
        """End the silences with just these matchers; how many that were."""
        return self._ask("DELETE", "/silences", Selection(matching), Count).count

    def _ask(self, method: str, path: str, said: Any, kind: type[T]) -> T:
        body = None if said is None else encoded(said)
        connection = self._connection()
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except (OSError, HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AdminError(
                f"no pipeline answers at {self._address} ({why}); is it run with "
                "--admin?"
            ) from error
        finally:
            connection.close()
        try:
            if status == 200:
                return msgspec.json.decode(answer, type=kind)
            refused = msgspec.json.decode(answer, type=Refusal).error
        except msgspec.MsgspecError as error:
            raise AdminError(
                f"{self._address} is no pipeline's admin address"
            ) from error
        raise AdminError(refused)

    def _connection(self) -> HTTPConnection:
        if self._port is None:
            return UnixConnection(self._address, self._timeout)
        host = self._address.rpartition(":")[0].strip("[]")
        return HTTPConnection(host, self._port, timeout=self._timeout)


def bearer(token: str) -> bytes:
    """The header that shows a token.

    Raises:
        ConfigurationError: no header can hold it.
    """
    shown = token.strip().encode("utf-8", "surrogateescape")
    if any(byte < 32 or byte == 127 for byte in shown):
        raise ConfigurationError(
            "AdminClient.token has a control character; expected one line of text"
        )
    return b"Bearer " + shown
