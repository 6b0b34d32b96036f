"""Just enough of HTTP/1.1 to read what a client sends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from attrs import evolve, field, frozen


@frozen
class ReceivedRequest:
    """A request that a server of this kit has received.

    Attributes:
        method: such as ``"POST"``.
        target: path and query, as they were sent.
        headers: by lower-case name; of equal names the last.
        body: as it was sent, packed if it was; empty where it was not read.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


async def read_head(reader: asyncio.StreamReader) -> ReceivedRequest:
    """The next request without its body.

    Raises:
        IncompleteReadError: the client has left.
        ValueError: it does not speak HTTP/1.1.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ValueError(str(error)) from error
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return ReceivedRequest(method, target, headers)


async def read_body(
    request: ReceivedRequest, reader: asyncio.StreamReader
) -> ReceivedRequest:
    """The same request with its body, which has a length or comes in chunks."""
    if request.headers.get("transfer-encoding") == "chunked":
        return evolve(request, body=await read_chunks(reader))
    length = int(request.headers.get("content-length", "0"))
    return evolve(request, body=await reader.readexactly(length))


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, put together."""
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:size]
        if size == 0:
            return body
