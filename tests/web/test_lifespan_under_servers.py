"""``pipeline.lifespan`` under real servers: a start that fails, a drain with no end."""

from __future__ import annotations

from textwrap import dedent

import aiohttp
import pytest
from servers.deployments import deployed
from servers.http_peers import speaking, stalls
from servers.polling import eventually_async

TELEMETRY = """
from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink, PrometheusSink

telemetry = Telemetry("shop")
"""
ASGI = """
from fastapi import FastAPI

from sluiceway.web import AsgiMiddleware, Pages

app = FastAPI(lifespan=pipeline.lifespan)
app.add_middleware(AsgiMiddleware, telemetry=telemetry)
app.mount("/", Pages(pipeline))
"""
PLAIN = """
from sluiceway.web import AsgiMiddleware, Pages

app = pipeline.lifespan(AsgiMiddleware(Pages(pipeline), telemetry))
"""
AIOHTTP = """
from aiohttp import web

from sluiceway.web import Pages, aiohttp_middleware

app = web.Application(middlewares=[aiohttp_middleware(telemetry, excluded=[])])
app.add_routes(Pages(pipeline).aiohttp_routes())
app.cleanup_ctx.append(pipeline.lifespan)
"""
UVICORN = ("uvicorn", "shop:app", "--port", "{port}")
GUNICORN = ("gunicorn", "shop:app", "-b", "127.0.0.1:{port}", "-k")
SERVERS = {
    "uvicorn": (ASGI, UVICORN),
    "uvicorn plain": (PLAIN, UVICORN),
    "gunicorn fastapi": (ASGI, (*GUNICORN, "uvicorn_worker.UvicornWorker")),
    "gunicorn aiohttp": (AIOHTTP, (*GUNICORN, "aiohttp.GunicornWebWorker")),
}


@pytest.fixture(params=SERVERS.values(), ids=SERVERS)
def server_of(request, tmp_path):
    """Deploys an application with such a pipeline."""
    application, command = request.param

    def deploy(pipeline, endpoint="http://127.0.0.1:9"):
        program = TELEMETRY + dedent(pipeline) + application
        (tmp_path / "shop.py").write_text(program)
        return deployed(tmp_path, command, endpoint)

    return deploy


def test_a_pipeline_that_cannot_start_ends_the_server_and_says_why(run, server_of):
    async def main():
        async with server_of("""
            pipeline = Pipeline(telemetry.metrics >> PrometheusSink(host="192.0.2.1"))
        """) as server:
            code = await server.wait()
        return code, server.output

    code, output = run(main())
    assert code != 0
    assert "PrometheusSink cannot listen on 192.0.2.1:9464" in output


def test_a_backend_that_never_answers_does_not_keep_the_server_from_ending(
    run, server_of
):
    async def main():
        async with (
            speaking(stalls) as endpoint,
            server_of(
                """
                    pipeline = Pipeline(
                        telemetry.spans >> OtlpSink(),
                        telemetry.metrics >> OtlpSink(),
                        drain_timeout=0.5,
                    )
                    """,
                endpoint,
            ) as server,
            aiohttp.ClientSession() as session,
        ):
            await eventually_async(lambda: server.is_ready(session), seconds=40)
            await server.get(session, "/nowhere")
            await server.terminate()
        return server.output

    output = run(main())
    assert "cut off; still busy with events" in output
    assert "SIGKILL" not in output
