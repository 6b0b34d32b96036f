"""Servers that answer as told, well and badly, and remember what they were sent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

from aiohttp import web


class Recorder:
    """Answers each request by ``answer(request, body)`` and keeps what was sent."""

    def __init__(self, answer):
        self._answer = answer
        self.requests = []
        self.bodies = []
        self.url = ""

    async def handle(self, request):
        body = await request.read()
        self.requests.append(request)
        self.bodies.append(body)
        answer = self._answer(request, body)
        return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def answering(answer, **site):
    """An HTTP server on a free port; yields its ``Recorder``."""
    recorder = Recorder(answer)
    server = web.Server(recorder.handle, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **site).start()
    scheme = "https" if site else "http"
    recorder.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield recorder
    finally:
        await runner.cleanup()


def status(code, body=b"", **headers):
    """An answer for every request."""

    def answer(request, sent):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, body=body, headers=names)

    return answer


@asynccontextmanager
async def speaking(talk):
    """A raw socket server; ``talk(reader, writer)`` is the whole conversation."""
    done = asyncio.Event()
    talks = set()

    async def connected(reader, writer):
        talks.add(asyncio.current_task())
        try:
            await talk(reader, writer, done)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        done.set()
        server.close()
        await asyncio.gather(*talks)
        await server.wait_closed()


async def read_head(reader):
    return await reader.readuntil(b"\r\n\r\n")


async def resets(reader, writer, done):
    """Reads the head, then resets the connection."""
    await read_head(reader)
    writer.transport.abort()


async def closes(reader, writer, done):
    """Reads the head, then closes without a word."""
    await read_head(reader)


async def stalls(reader, writer, done):
    """Reads the head and never answers."""
    await read_head(reader)
    await done.wait()


async def talks_garbage(reader, writer, done):
    """Answers something that is not HTTP."""
    await read_head(reader)
    writer.write(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00 hello\r\n\r\n")
    await writer.drain()


def drips(start):
    """Sends ``start``, then a byte now and then."""

    async def talk(reader, writer, done):
        await read_head(reader)
        writer.write(start)
        while not done.is_set():
            writer.write(b"x")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.05)

    return talk


def floods(start):
    """Sends ``start``, then bytes without end."""

    async def talk(reader, writer, done):
        await read_head(reader)
        writer.write(start)
        while not done.is_set():
            writer.write(b"x" * 65536)
            await writer.drain()

    return talk


def says(answer, *, wait=False):
    """Sends ``answer`` at once, reads no body, and closes or waits."""

    async def talk(reader, writer, done):
        await read_head(reader)
        writer.write(answer)
        await writer.drain()
        if wait:
            await done.wait()

    return talk
