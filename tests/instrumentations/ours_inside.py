"""Our middlewares and client tracing, with OpenTelemetry's instrumentations."""

import asyncio
import socket

import aiohttp
import uvicorn
from aiohttp import web
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from program import Program

from sluiceway.web import AsgiMiddleware, aiohttp_middleware, aiohttp_trace_config

program = Program()
AioHttpServerInstrumentor().instrument()
AioHttpClientInstrumentor().instrument()


async def greet(request):
    return web.Response(text=request.path)


async def plain(scope, receive, send):
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"well"})


async def main():
    telemetry = program.telemetry
    app = web.Application(middlewares=[aiohttp_middleware(telemetry)])
    app.router.add_get("/greet/{name}", greet)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listening = socket.create_server(("127.0.0.1", 0))
    asgi = OpenTelemetryMiddleware(AsgiMiddleware(plain, telemetry))
    config = uvicorn.Config(asgi, log_config=None, lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    tracing = [aiohttp_trace_config(telemetry)]
    async with aiohttp.ClientSession(trace_configs=tracing) as session:
        for host, port, path in (
            (*runner.addresses[0][:2], "greet/a%20b"),
            (*listening.getsockname()[:2], "plain"),
        ):
            async with session.get(f"http://{host}:{port}/{path}") as response:
                assert response.status == 200
    server.should_exit = True
    await serving
    await runner.cleanup()


program.run(main())
