"""The HTTP half of OtlpSource: protobuf and JSON on one port, by aiohttp.

Source: OpenTelemetry protocol 1.11, ``docs/specification.md``, "OTLP/HTTP".
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Collection
from logging import Logger
from typing import Final
from weakref import WeakSet

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web import StreamResponse
from attrs import frozen

from ..errors import ConfigurationError
from ..sinks.addresses import cannot_listen
from ..sinks.server_log import SERVER_LOG
from .bodies import read_body
from .otlp_answers import (
    Form,
    RefusedError,
    Taken,
    check_head,
    form_of,
    refusal_answer,
    success,
)
from .otlp_checks import Certificates
from .otlp_cors import preflight, shared_with
from .otlp_intake import KINDS, Intake
from .talks import end_talks

CLOSE_GRACE: Final = 0.3  # seconds that answers may still leave


@frozen
class HttpLimits:
    """What a connection is granted.

    Attributes:
        max_body: bytes of a body, as it is sent.
        read_timeout: seconds for a body to arrive.
        idle_timeout: seconds for a head to arrive.
        cors_origins: the origins of the pages that may send.
    """

    max_body: int
    read_timeout: float
    idle_timeout: float
    cors_origins: Collection[str] = ()


class HttpServer:
    """Receives requests over HTTP.

    Args:
        intake: what takes their events.
        limits: what a connection is granted.
        logger: is told of bugs.
        answers: counts the answers by status.
    """

    def __init__(
        self, intake: Intake, limits: HttpLimits, logger: Logger, answers: Counter[int]
    ) -> None:
        self._intake = intake
        self._limits = limits
        self._logger = logger
        self._answers = answers
        self._runner: web.AppRunner | None = None
        self._talks: WeakSet[asyncio.Task[None]] = WeakSet()

    async def open(self, host: str, port: int, tls: Certificates | None) -> int:
        """Bind the address; the port that is bound.

        Raises:
            ConfigurationError: the address cannot be had, or a file cannot be used.
        """
        context = None if tls is None else server_context(tls)
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=SERVER_LOG,
            auto_decompress=False,
            keepalive_timeout=self._limits.idle_timeout,
            shutdown_timeout=CLOSE_GRACE,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=context).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError | ValueError):
                raise cannot_listen("OtlpSource", host, port, error) from error
            raise
        self._runner = runner
        return int(runner.addresses[0][1])

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._counted])
        for path in KINDS:
            application.router.add_post(path, self._handle)
            if self._limits.cors_origins:
                application.router.add_options(path, self._preflight)
        return application

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> StreamResponse:
        """Count an answer, of the router too: another path, another method."""
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            self._answers[refusal.status] += 1
            raise
        self._answers[response.status] += 1
        return response

    async def close(self) -> None:
        """Let the address and the connections go."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await end_talks(self._talks)

    async def _handle(self, request: web.Request) -> web.Response:
        """Answer one request; whatever goes wrong has an answer too."""
        self._talks.add(request.task)
        form = form_of(request)
        try:
            taken = await self._receive(request, form)
            response = success(taken, form, KINDS[request.path].rejected)
        except RefusedError as refusal:
            response = refusal_answer(form, refusal)
        except Exception:
            self._logger.exception("a request to %s failed", request.path)
            response = refusal_answer(form, RefusedError(500, "the receiver failed"))
        origin = request.headers.get("Origin")
        response.headers.update(shared_with(self._limits.cors_origins, origin))
        if self._intake.stopping:
            response.force_close()
        return response

    async def _preflight(self, request: web.Request) -> web.Response:
        """Answer a browser that asks whether a page may send."""
        headers = preflight(
            self._limits.cors_origins,
            request.headers.get("Origin"),
            request.headers.get("Access-Control-Request-Headers"),
        )
        return web.Response(status=204, headers=headers)

    async def _receive(self, request: web.Request, form: Form) -> Taken:
        """Take a request's events.

        Raises:
            RefusedError: they are not taken.
        """
        self._intake.admit(request.headers.get("Authorization", ""))
        unpack = check_head(request)
        kind = KINDS[request.path]
        with self._intake.arriving:
            limits = self._limits
            body = await read_body(
                request, limits.max_body, limits.read_timeout, RefusedError
            )
            if unpack:
                body = await self._intake.unpack(body)
            empty = form == "json" and not body
            events = [] if empty else await self._intake.decode(kind, form, body)
        return await self._intake.hand_over(events)


def server_context(tls: Certificates) -> ssl.SSLContext:
    """What a server shows, and what it asks of its clients.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    files = [tls.certificate, tls.key, tls.client_authority]
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tls.client_authority)
    except OSError as error:
        shown = ", ".join(str(file) for file in files if file is not None)
        raise ConfigurationError(f"cannot use {shown} for TLS: {error}") from error
    return context
