"""A small shop: real handlers on a real socket, instrumented with ``Telemetry``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from logging import getLogger
from random import Random
from typing import Any, Final

from aiohttp import web

from ...clock import SYSTEM_CLOCK
from ...errors import ConfigurationError
from ...events import SpanKind, StatusCode
from ...instrument import Telemetry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVER: Final = SpanKind.SERVER
HOST: Final = "127.0.0.1"
LOG: Final = getLogger("shop")
CATALOGUE: Final = ("anchor", "buoy", "compass", "ketch", "lantern", "rope", "sail")
CARD: Final = (
    "4000 0000 0000 0002"  # a test card; the pipeline must hide it all the same
)


class PaymentRefusedError(Exception):
    """The payment provider did not take the card."""


class Payments:
    """A payment provider with slow moments, and an outage on the way.

    Args:
        duration: seconds that the shop is open; the outage fills the middle third.
        random: what happens by chance.
    """

    def __init__(self, duration: float, random: Random) -> None:
        begin = SYSTEM_CLOCK.now()
        self._outage = (begin + duration / 3, begin + duration * 2 / 3)
        self._random = random

    async def charge(self, card: str) -> None:
        """Take the money, sooner or later.

        Raises:
            PaymentRefusedError: it did not work.
        """
        chance = self._random.random()
        await asyncio.sleep(0.35 * chance if chance > 0.9 else 0.02 * chance)
        start, end = self._outage
        down = start <= SYSTEM_CLOCK.now() < end
        if self._random.random() < (0.7 if down else 0.02):
            raise PaymentRefusedError(
                f"no answer for the card that ends in {card[-2:]}"
            )


class Shop:
    """The shop's handlers and what they measure.

    Attributes:
        answered: requests that were answered: the truth that telemetry must tell.

    Args:
        telemetry: makes the spans, metrics and log records.
        payments: the provider that checkouts call.
        random: what happens by chance.
    """

    def __init__(
        self, telemetry: Telemetry, payments: Payments, random: Random
    ) -> None:
        meter = telemetry.meter(__name__)
        self.answered = 0
        self._tracer = telemetry.tracer(__name__)
        self._payments = payments
        self._random = random
        self._seconds = meter.histogram(
            "http.server.request.duration", "s", "How long requests took."
        )
        self._active = meter.up_down_counter(
            "http.server.active_requests", "{request}", "Requests in progress."
        )
        self._orders = meter.counter("shop.orders", "{order}", "Orders that were paid.")

    def application(self) -> web.Application:
        """The shop as an aiohttp application."""
        app = web.Application(middlewares=[self._observe])
        app.router.add_get("/products", self._products)
        app.router.add_get("/products/{name}", self._product)
        app.router.add_post("/checkout", self._checkout)
        return app

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> Any:
        """A span and a measurement round every request."""
        resource = request.match_info.route.resource
        route = "unknown" if resource is None else resource.canonical
        known: dict[str, Any] = {
            "http.request.method": request.method,
            "http.route": route,
        }
        begin = SYSTEM_CLOCK.now()
        self._active.add(1)
        name = f"{request.method} {route}"
        try:
            with self._tracer.span(name, kind=SERVER, attributes=known) as span:
                response = await handler(request)
                span.set_attribute("http.response.status_code", response.status)
                if response.status >= 500:
                    span.set_status(StatusCode.ERROR)
        finally:
            self._active.add(-1)
        known["http.response.status_code"] = response.status
        self._seconds.record(SYSTEM_CLOCK.now() - begin, known)
        self.answered += 1
        return response

    async def _products(self, request: web.Request) -> web.Response:  # noqa: ARG002
        slow = self._random.random() < 0.03
        with self._tracer.span("query catalogue", attributes={"db.slow": slow}):
            await asyncio.sleep(0.3 if slow else 0.002)
        return web.json_response(CATALOGUE)

    async def _product(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in CATALOGUE:
            return web.json_response({"error": "no such product"}, status=404)
        return web.json_response({"name": name, "price": 100 * len(name)})

    async def _checkout(self, request: web.Request) -> web.Response:
        card = (await request.json())["card"]
        try:
            with self._tracer.span("charge card", attributes={"card.number": card}):
                await self._payments.charge(card)
        except PaymentRefusedError as error:
            LOG.warning("checkout failed: %s", error)
            return web.json_response({"error": "payment failed"}, status=502)
        self._orders.add(1)
        return web.json_response({"paid": True})


@asynccontextmanager
async def serving(app: web.Application, port: int, who: str) -> AsyncIterator[int]:
    """Serve an application on loopback; gives the port, and ends what is under way.

    Args:
        app: what to serve.
        port: where; 0 picks a free port.
        who: the server's name, for the error.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield await listen(runner, port, who)
    finally:
        await runner.cleanup()


async def listen(runner: web.AppRunner, port: int, who: str) -> int:
    """Bind an application to a port; the port, which may have been free to choose."""
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        raise ConfigurationError(
            f"{who} cannot listen on {HOST}:{port} ({os.strerror(error.errno or 0)}); "
            "port 0 picks a free one"
        ) from error
    return int(runner.addresses[0][1])
