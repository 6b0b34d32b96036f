"""Web applications behind real servers in the test's own loop, and what they told."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import uvicorn
from aiohttp import web

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink


class Told:
    """A telemetry whose spans and points are collected."""

    def __init__(self, **settings):
        self.telemetry = Telemetry("shop", export_interval=3600.0, **settings)
        self.collected, self.measured = CollectingSink(), CollectingSink()
        self.pipeline = Pipeline(
            self.telemetry.spans >> self.collected,
            self.telemetry.metrics >> self.measured,
        )

    @property
    def spans(self):
        return self.collected.events

    def span(self, name=None):
        """The one span, or the one of that name."""
        found = [span for span in self.spans if name in {None, span.name}]
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]

    def points(self, name):
        """Values by attributes, of the last collection."""
        return {
            tuple(sorted(point.attributes.items())): point.value
            for point in self.measured.events
            if point.name == name
        }

    async def flush(self):
        await self.pipeline.flush()


@asynccontextmanager
async def telling(**settings):
    told = Told(**settings)
    async with told.pipeline:
        yield told


@asynccontextmanager
async def uvicorn_serving(app, **settings):
    """The application under uvicorn on a free port; yields the server's address."""
    settings = {"lifespan": "off", "ws": "websockets-sansio", **settings}
    config = uvicorn.Config(
        app, log_config=None, timeout_graceful_shutdown=5, **settings
    )
    server = uvicorn.Server(config)
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # for TCP_NODELAY
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            assert not serving.done(), serving
            await asyncio.sleep(0)
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def aiohttp_serving(app, **settings):
    """The application under aiohttp on a free port; yields the server's address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0, **settings)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()
