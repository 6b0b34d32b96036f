"""httpx calls FastAPI and a plain ASGI app under uvicorn; one of them asks sqlite3."""

import asyncio
import logging
import socket
import sqlite3
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.trace import get_current_span, get_tracer
from program import Program

program = Program()
SQLite3Instrumentor().instrument()
HTTPXClientInstrumentor().instrument()
LoggingInstrumentor().instrument(inject_trace_context=True)
fast = FastAPI()
FastAPIInstrumentor.instrument_app(fast)
log = logging.getLogger("shop")


@fast.get("/orders/{order}")
async def order(order: int):
    with get_tracer("manual").start_as_current_span("look up"):
        connection = sqlite3.connect(":memory:")
        rows = connection.cursor().execute("select 7").fetchall()
        connection.close()
        log.warning("order %d", order)
    return rows


async def plain(scope, receive, send):
    get_current_span().set_attribute("seen", scope["path"])
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"later"})


@asynccontextmanager
async def served(app):
    """The app on a free port; its socket listens before uvicorn begins."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


class Lines(logging.Handler):
    """Keeps the identities that the instrumentation puts into each line."""

    def emit(self, record):
        program.note("line", [record.otelTraceID, record.otelServiceName])


async def main():
    log.addHandler(Lines())
    middleware = OpenTelemetryMiddleware(plain)
    async with (
        served(fast) as shop,
        served(middleware) as other,
        httpx.AsyncClient() as client,
    ):
        with program.telemetry.tracer("own").span("checkout"):
            program.note("rows", (await client.get(f"{shop}/orders/7")).json())
            program.note("status", (await client.get(f"{other}/x")).status_code)
    LoggingInstrumentor().uninstrument()


program.run(main())
