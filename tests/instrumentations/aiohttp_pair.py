"""An aiohttp client calls an aiohttp server; both are instrumented by OpenTelemetry."""

import asyncio

from aiohttp import ClientSession, web
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor
from program import Program

AioHttpServerInstrumentor().instrument()
AioHttpClientInstrumentor().instrument()


async def order(request):
    with program.telemetry.tracer("shop").span("look up"):
        await asyncio.sleep(0)
    return web.Response(text=request.headers["baggage"])


async def fail(request):
    raise RuntimeError("out of stock")


async def main():
    app = web.Application()
    app.router.add_get("/orders/{id}", order)
    app.router.add_get("/fail", fail)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://{}:{}".format(*runner.addresses[0])
    token = attach(baggage.set_baggage("user", "J\u00fcrgen"))
    async with ClientSession(url) as session:
        with program.telemetry.tracer("shop").span("checkout"):
            async with session.get("/orders/7") as response:
                program.note("baggage", await response.text())
        async with session.get("/fail") as response:
            program.note("status", response.status)
    detach(token)
    await runner.cleanup()
    program.note("left", trace.get_current_span().get_span_context().is_valid)


program = Program()
program.run(main())
