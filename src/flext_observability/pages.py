"""PageServer: ``/healthz``, ``/readyz`` and ``/metrics`` of the backend, by HTTP.

Law: it opens and closes with the pipeline, on whose thread it answers. What is secret,
such as the text of an exception, is on no page.
"""

from __future__ import annotations

import asyncio
from logging import LogRecord, getLogger
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from sluiceway import HealthCheck, Send, Source, StageContext
from sluiceway.web import Pages

from .exceptions import FlextConfigurationError

SHUTDOWN_SECONDS: Final = 1.0  # that answers which are under way have


def is_of_ours(record: LogRecord) -> bool:
    """Whether a line tells of anything but bytes of a stranger's that are no HTTP."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


LOG: Final = getLogger("flext_observability.http")
LOG.addFilter(is_of_ours)


class PageServer(Source[HealthCheck]):
    """A stage that brings no events, and serves pages while the pipeline is open.

    Args:
        host: the address to listen on.
        port: the port; 0 picks a free one.
        name: the stage's name.

    In a forked child whose parent serves the port, nothing is served.
    """

    def __init__(self, host: str, port: int, name: str = "pages") -> None:
        self.name = name
        self._host = host
        self._asked_port = port
        self._routes: list[Any] = []
        self._served_by_parent = False
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int | None:
        """The port that is listened on; None while none is."""
        runner = self._runner
        return int(runner.addresses[0][1]) if runner and runner.addresses else None

    def show(self, pages: Pages) -> None:
        """Serve these pages, from the next opening on."""
        self._routes = pages.aiohttp_routes()

    async def open(self, context: StageContext) -> None:
        """Listen.

        Raises:
            FlextConfigurationError: the address cannot be had.
        """
        if self._served_by_parent:
            context.logger.info("port %d is served by the parent", self._asked_port)
            return
        app = web.Application()
        app.add_routes(self._routes)
        runner = web.AppRunner(
            app, access_log=None, logger=LOG, shutdown_timeout=SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._asked_port).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError | ValueError):
                raise self._refused(error) from error
            raise
        self._runner = runner
        context.logger.info("pages at %s, port %d", self._host, self.port)

    def _refused(self, error: OSError | ValueError) -> FlextConfigurationError:
        words = getattr(error, "strerror", None) or type(error).__name__
        expected = f"one that can be listened on at {self._host!r} ({words})"
        return FlextConfigurationError("http_port", self._asked_port, expected)

    async def run(self, send: Send[HealthCheck]) -> None:  # noqa: ARG002 - none come
        """Wait until asked to stop."""
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def after_fork(self) -> None:
        """The listening socket is the parent's; one port has one server."""
        self._served_by_parent |= self._runner is not None and self._asked_port != 0
        self._runner = None
