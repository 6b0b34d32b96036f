"""A service between two others: it is sent headers byte by byte, and calls the next.

As the W3C's own harness for trace contexts has it; what came out is printed.
"""

import asyncio

from aiohttp import ClientSession, web
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor
from program import Program
from w3c_cases import CASES

AioHttpServerInstrumentor().instrument()
AioHttpClientInstrumentor().instrument()


async def listen(runner):
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]


async def send(port, headers):
    """One request, written as it stands."""
    lines = ["GET /test HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200"), answer


async def main():
    seen = []

    async def remember(request):
        seen.append(list(request.headers.items()))
        return web.Response()

    async def call_next(request):
        async with session.get(f"http://127.0.0.1:{next_port}/") as response:
            await response.read()
        return web.Response()

    last = web.ServerRunner(web.Server(remember, access_log=None))
    next_port = await listen(last)
    app = web.Application()
    app.router.add_get("/test", call_next)
    service = web.AppRunner(app, access_log=None)
    port = await listen(service)
    async with ClientSession() as session:
        for headers, *_ in CASES.values():
            await send(port, headers)
    await service.cleanup()
    await last.cleanup()
    told = [
        [[n.lower(), v] for n, v in headers if n.lower().startswith("trace")]
        for headers in seen
    ]
    program.note("sent", dict(zip(CASES, told, strict=True)))


program = Program()
program.run(main())
