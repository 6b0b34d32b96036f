"""AdminServer: a pipeline's desk behind a Unix socket, or on loopback with a token.

Law: nobody but the machine's own users gets in: a socket is the owner's alone, and a
port answers to whoever shows the token.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from collections.abc import Callable
from errno import EADDRINUSE
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from aiohttp import web

from ..errors import ConfigurationError, SluicewayError
from ..formats.valid_json import encoded
from ..pipeline import Pipeline
from ..sinks.server_log import SERVER_LOG
from .addresses import port_of
from .desk import Desk
from .messages import Count, Refusal, Selection, SilenceState

T = TypeVar("T")

NEEDED = "a bearer token is needed"
WRONG = "the bearer token is wrong"
MOST_BYTES = 64 * 1024  # of a request
Handler = Callable[[web.Request], Any]


class AdminServer:
    """Answers ``sluiceway alerts`` for a pipeline while it is entered.

    ``async with pipeline, AdminServer(pipeline, "alerts.sock"): ...``

    Args:
        pipeline: whose alerts can be looked at and answered.
        address: the path of a Unix socket, which is made, or ``host:port`` on this
            machine; port 0 picks a free one.
        token: what a client must show; needed with a port, None (default) for a socket.

    Attributes:
        address: the same, with the port that is bound once it is entered.

    Raises:
        ConfigurationError: the address is not of this machine, or a token is missing.
    """

    def __init__(
        self, pipeline: Pipeline, address: str, *, token: str | None = None
    ) -> None:
        self._desk = Desk(pipeline)
        self.address = os.fspath(address)
        self._token = token
        self._runner: web.AppRunner | None = None
        self._port = port_of(self.address)
        if self._port is not None and not (token and token.strip()):
            raise ConfigurationError(
                "AdminServer.token is missing; expected one for an address with a port"
            )

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigurationError: the address cannot be had.
        """
        application = self._application()
        runner = web.AppRunner(application, access_log=None, logger=SERVER_LOG)
        await runner.setup()
        try:
            await self._listen(runner)
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"AdminServer cannot listen on {self.address} "
                f"({error.strerror or error})"
            ) from error
        self._runner = runner
        return self

    async def _listen(self, runner: web.AppRunner) -> None:
        if self._port is None:
            await refuse_stealing(self.address)
            await web.SockSite(runner, owned_socket(self.address)).start()
        else:
            host = self.address.rpartition(":")[0].strip("[]")
            await web.TCPSite(runner, host, self._port).start()
            bound = runner.addresses[0][1]
            self.address = f"{self.address.rpartition(':')[0]}:{bound}"

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the address go."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            if self._port is None:
                remove(self.address)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MOST_BYTES)
        for method, path, handler in (
            ("GET", "/alerts", self._alerts),
            ("POST", "/alerts/acknowledge", self._acknowledge),
            ("POST", "/alerts/resolve", self._resolve),
            ("GET", "/silences", self._silences),
            ("POST", "/silences", self._silence),
            ("DELETE", "/silences", self._unsilence),
        ):
            application.router.add_route(method, path, self._guarded(handler))
        return application

    def _guarded(self, handler: Handler) -> Any:
        """A handler behind the token, whose refusals are answers."""

        async def handle(request: web.Request) -> web.Response:
            shown = request.headers.get("Authorization", "")
            if not self._knows(shown):
                return answer(Refusal(WRONG if shown else NEEDED), 401)
            try:
                return answer(await handler(request))
            except (SluicewayError, msgspec.MsgspecError) as error:
                return answer(Refusal(str(error)), 400)

        return handle

    def _knows(self, authorization: str) -> bool:
        if self._token is None:
            return True
        scheme, _, shown = authorization.partition(" ")
        given = shown.strip().encode("utf-8", "surrogateescape")
        wanted = self._token.strip().encode("utf-8", "surrogateescape")
        same = hmac.compare_digest(given, wanted)
        return scheme.lower() == "bearer" and same

    async def _alerts(self, request: web.Request) -> Any:  # noqa: ARG002 - aiohttp's
        return self._desk.alerts()

    async def _acknowledge(self, request: web.Request) -> Count:
        return Count(await self._desk.acknowledge(await said(request, Selection)))

    async def _resolve(self, request: web.Request) -> Count:
        return Count(await self._desk.resolve(await said(request, Selection)))

    async def _silences(self, request: web.Request) -> Any:  # noqa: ARG002 - aiohttp's
        return self._desk.silences()

    async def _silence(self, request: web.Request) -> Count:
        return Count(self._desk.silence(await said(request, SilenceState)))

    async def _unsilence(self, request: web.Request) -> Count:
        return Count(await self._desk.unsilence(await said(request, Selection)))

    def __repr__(self) -> str:
        state = "closed" if self._runner is None else "open"
        return f"<AdminServer {self.address} {state}>"


def owned_socket(path: str) -> socket.socket:
    """A socket that nobody but its owner can connect to, at no moment.

    Raises:
        OSError: the path cannot be had.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # and nothing is awaited, for it is the whole process's
    try:
        if Path(path).is_socket():
            remove(path)
        made.bind(path)
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def remove(path: str) -> None:
    """Leave no socket behind; the event loop may have removed it already."""
    Path(path).unlink(missing_ok=True)


async def refuse_stealing(path: str) -> None:
    """Refuse the socket of a process that listens; one that nobody serves is taken.

    Raises:
        OSError: somebody does.
    """
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return
    writer.close()
    raise OSError(EADDRINUSE, "another process listens there")


async def said(request: web.Request, kind: type[T]) -> T:
    """What a request asks for.

    Raises:
        msgspec.MsgspecError: nothing of the kind.
    """
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except RecursionError:
        raise msgspec.DecodeError("JSON that is nested too deep") from None


def answer(what: Any, status: int = 200) -> web.Response:
    """An answer in JSON."""
    body = encoded(what)
    return web.Response(body=body, status=status, content_type="application/json")
