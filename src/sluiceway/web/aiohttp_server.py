"""A middleware of aiohttp's server: a span and a duration for each request.

Law: answers and exceptions pass unchanged; a raised ``HTTPException`` is an answer. A
response that its handler writes is measured to its end, one that aiohttp writes after
the handler has returned, such as a file's, to that return.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDictProxy
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

from ..instrument import Telemetry
from .conventions import (
    DEFAULT_PORTS,
    EXCLUDED,
    Excluded,
    host_and_port,
    without_secrets,
)
from .server import ServerInstruments, ServerRequest, assumed_status, status_of

TIMED_OUT: Final = 504  # what aiohttp answers for a TimeoutError
WEBSOCKET: Final = {"http": "ws", "https": "wss"}

# aiohttp warns of other keys since it has these
SEEN: Final[Any] = (
    web.RequestKey("sluiceway.web.seen", bool)
    if hasattr(web, "RequestKey")
    else "sluiceway.web.seen"
)


class MultiDictGetter(Getter[CIMultiDictProxy[str]]):
    """Reads aiohttp's headers; repeated ones are joined by commas."""

    def get(self, carrier: CIMultiDictProxy[str], key: str) -> list[str] | None:
        """The header's value, as the only one of a list."""
        values = carrier.getall(key, None)
        return None if values is None else [",".join(values)]

    def keys(self, carrier: CIMultiDictProxy[str]) -> list[str]:
        """The names of the headers."""
        return [*carrier]


GETTER: Final = MultiDictGetter()


def aiohttp_middleware(
    telemetry: Telemetry,
    *,
    excluded: Collection[str] = EXCLUDED,
    query: bool = False,
) -> Middleware:
    """A middleware that measures requests by OpenTelemetry's HTTP conventions.

    ``web.Application(middlewares=[aiohttp_middleware(telemetry)])``, as the first one.
    It serves sub-applications too; a request that goes through two of them is measured
    by the outer one, and one that OpenTelemetry's instrumentation measures for the same
    telemetry is left to that, with a warning.

    Args:
        telemetry: gets the spans, ``http.server.request.duration`` (seconds) and
            ``http.server.active_requests``.
        excluded: paths that are not measured; by default ``/metrics``, ``/healthz``
            and ``/readyz``.
        query: keep the query string in ``url.query``, without the values of what sounds
            secret; by default it is left out.

    Raises:
        ConfigurationError: no ``telemetry``, or ``excluded`` holds what is no path.
    """
    instruments = ServerInstruments(telemetry)
    left_out = Excluded(excluded)

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        if SEEN in request or request.path in left_out:
            return await handler(request)
        context = instruments.propagation.extract(request.headers, GETTER)
        if instruments.already.serves(context, request.path):
            return await handler(request)
        request[SEEN] = True
        return await measured(instruments, request, handler, context, query=query)

    return measure


async def measured(
    instruments: ServerInstruments,
    request: web.Request,
    handler: Handler,
    context: Context,
    *,
    query: bool,
) -> web.StreamResponse:
    """What the handler answers or raises."""
    session = is_handshake(request)
    span = ServerRequest(
        instruments,
        request.method,
        attributes_of(request, session=session, query=query),
        context,
        session=session,
    )
    span.enter()
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        end(span, request, answer.status)
        raise
    except BaseException as error:
        end_with(span, request, error)
        raise
    else:
        # a handler that returns something else is a bug, which aiohttp answers with 500
        status = status_of(getattr(response, "status", None))
        end(span, request, assumed_status(None) if status is None else status)
        return response
    finally:
        span.leave()


def is_handshake(request: web.Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def end(
    span: ServerRequest,
    request: web.Request,
    status: int | None,
    *,
    error: BaseException | None = None,
    client_left: bool = False,
) -> None:
    """Tell the end of a request."""
    span.end(
        status,
        route=route_of(request),
        version=version_of(request),
        error=error,
        client_left=client_left,
    )


def end_with(span: ServerRequest, request: web.Request, error: BaseException) -> None:
    """Tell the end of a request whose handler has raised, or was cancelled."""
    unconnected = request.transport is None or request.transport.is_closing()
    left = unconnected and isinstance(error, ConnectionError | asyncio.CancelledError)
    begun = request.writer.output_size > 0
    status = None if left or begun else assumed_status(error)
    if status is not None and isinstance(error, TimeoutError):
        status = TIMED_OUT
    end(span, request, status, error=error, client_left=left)


def route_of(request: web.Request) -> str | None:
    """The template of the path, sub-applications included; None if there is none."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


def version_of(request: web.Request) -> str:
    """The version of HTTP."""
    return f"{request.version.major}.{request.version.minor}"


def attributes_of(
    request: web.Request, *, session: bool, query: bool
) -> dict[str, Any]:
    """What is known of a request before it is served."""
    scheme = request.scheme
    attributes: dict[str, Any] = {
        "url.path": request.path,
        "url.scheme": WEBSOCKET.get(scheme, scheme) if session else scheme,
        "network.protocol.version": version_of(request),
    }
    if session:
        attributes["network.protocol.name"] = "websocket"
    headers = request.headers
    authority = headers.get("Host")
    if authority:
        host, port = host_and_port(authority)
        attributes["server.address"] = host
        attributes["server.port"] = port or DEFAULT_PORTS.get(scheme, 80)
    if request.remote:
        attributes["client.address"] = request.remote
    agent = headers.get("User-Agent")
    if agent:
        attributes["user_agent.original"] = agent
    if query and request.rel_url.raw_query_string:
        attributes["url.query"] = without_secrets(request.rel_url.raw_query_string)
    return attributes
