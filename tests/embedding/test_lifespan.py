"""``pipeline.lifespan`` under the ASGI protocol and in a real aiohttp server."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from sluiceway import Inlet, Pipeline, PipelineState
from sluiceway.testing import CollectingSink


class Application:
    """The lifespan protocol as Starlette implements it, over real ASGI messages."""

    def __init__(self, lifespan):
        self.lifespan = lifespan

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "lifespan"
        started = False
        await receive()
        try:
            async with self.lifespan(self) as state:
                if state is not None:
                    scope["state"].update(state)
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
        except Exception as error:
            kind = "shutdown" if started else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": repr(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


class Server:
    """The other side: what an ASGI server sends and is told."""

    def __init__(self, application):
        self.application = application
        self.incoming, self.outgoing = asyncio.Queue(), asyncio.Queue()

    async def begin(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.create_task(
            self.application(scope, self.incoming.get, self.outgoing.put)
        )
        return await self.tell("lifespan.startup")

    async def tell(self, kind):
        await self.incoming.put({"type": kind})
        return (await self.outgoing.get())["type"]


def test_an_asgi_lifespan_starts_the_pipeline_and_drains_it(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        server = Server(Application(pipeline.lifespan))
        assert await server.begin() == "lifespan.startup.complete"
        assert pipeline.state is PipelineState.RUNNING
        assert inlet.emit_nowait(1)
        assert await server.tell("lifespan.shutdown") == "lifespan.shutdown.complete"
        await server.task
        assert pipeline.state is PipelineState.STOPPED
        assert end.events == [1]

    run(main())


def test_an_asgi_start_up_fails_with_what_a_stage_raised(run):
    class Broken(CollectingSink):
        async def open(self, context):
            raise OSError("no such host")

    async def main():
        server = Server(Application(Pipeline(Inlet() >> Broken()).lifespan))
        assert await server.begin() == "lifespan.startup.failed"
        with pytest.raises(OSError, match="no such host"):
            await server.task

    run(main())


def test_a_lifespan_stands_inside_a_users_own_lifespan(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)

        @asynccontextmanager
        async def lifespan(app):
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(pipeline.lifespan(app))
                yield {"ready": True}

        server = Server(Application(lifespan))
        assert await server.begin() == "lifespan.startup.complete"
        inlet.emit_nowait(1)
        await server.tell("lifespan.shutdown")
        await server.task
        assert end.events == [1]

    run(main())


def test_one_pipelines_lifespan_serves_one_application_after_another(run):
    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        for n in range(2):
            async with pipeline.lifespan():
                inlet.emit_nowait(n)
        assert end.events == [0, 1]

    run(main())


def served(pipeline, inlet):
    async def handle(request):
        inlet.emit_nowait(request.path)
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/{anything}", handle)
    app.cleanup_ctx.append(pipeline.lifespan)
    return app


def test_an_aiohttp_application_runs_and_drains_a_pipeline(run):
    """A real server on a real socket, by aiohttp's ``cleanup_ctx``."""

    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        runner = web.AppRunner(served(pipeline, inlet))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as client:
            for n in range(5):
                async with client.get(f"http://{host}:{port}/{n}") as answer:
                    assert answer.status == 200
        await runner.cleanup()
        assert end.events == [f"/{n}" for n in range(5)]
        assert pipeline.state is PipelineState.STOPPED

    run(main())


def test_an_aiohttp_application_with_two_pipelines_drains_both(run):
    async def main():
        inlets, ends = [Inlet(), Inlet()], [CollectingSink(), CollectingSink()]
        app = web.Application()
        for a, b in zip(inlets, ends, strict=True):
            app.cleanup_ctx.append(Pipeline(a >> b).lifespan)
        runner = web.AppRunner(app)
        await runner.setup()
        for inlet in inlets:
            inlet.emit_nowait(1)
        await runner.cleanup()
        assert [end.events for end in ends] == [[1], [1]]

    run(main())


def test_an_older_aiohttp_that_iterates_the_context_is_served_too(run):
    """Up to 3.13 aiohttp asked a cleanup context for its next step, twice."""

    async def main():
        inlet, end = Inlet(), CollectingSink()
        pipeline = Pipeline(inlet >> end)
        steps = aiter(pipeline.lifespan(web.Application()))
        await anext(steps)
        inlet.emit_nowait(1)
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
        assert end.events == [1]

    run(main())
