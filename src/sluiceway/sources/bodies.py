"""The bodies of requests, read within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web


async def read_body(
    request: web.Request,
    most: int,
    seconds: float,
    refused: Callable[[int, str], Exception],
) -> bytes:
    """A request's body as it was sent.

    Args:
        request: of which nothing but the head was read.
        most: bytes that it may have.
        seconds: for all of it to arrive.
        refused: makes the error of a status and its reason.

    Raises:
        Exception: what ``refused`` has made of 400, 408 or 413.
    """
    too_large = refused(413, f"a body of more than {most} bytes")
    if (request.content_length or 0) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise refused(408, f"the body took more than {seconds:g} s") from None
    except (OSError, web.RequestPayloadError):
        raise refused(400, "the body did not arrive") from None
    return bytes(body)
