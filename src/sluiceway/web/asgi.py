"""AsgiMiddleware: a span and a duration for each request to an ASGI application.

Law: messages and exceptions pass unchanged. The span ends with the body's last part, so
that background tasks are not measured; a WebSocket is one span from handshake to end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from logging import getLogger
from typing import Any, Final

from opentelemetry.trace import get_tracer_provider

from ..instrument import Telemetry
from .conventions import (
    DEFAULT_PORTS,
    EXCLUDED,
    SWITCHING_PROTOCOLS,
    Excluded,
    host_and_port,
    path_below_root,
    without_secrets,
)
from .propagation import HeadersGetter
from .routes import StarletteRoutes
from .server import ServerInstruments, ServerRequest, assumed_status, status_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RouteOf = Callable[[Scope], str | None]

SEEN: Final = "sluiceway.web.seen"
FASTAPI: Final = "fastapi"  # by which FastAPI asks for its tracer and its meter
FASTAPI_SPAN: Final = "fastapi.telemetry"  # where it keeps a span of its own making
REFUSED_HANDSHAKE: Final = 403
CLOSED_NORMALLY: Final = frozenset({1000, 1001})  # what frameworks raise a code for
GETTER: Final = HeadersGetter()


class AsgiMiddleware:
    """Measures the requests to an application by OpenTelemetry's HTTP conventions.

    ``app.add_middleware(AsgiMiddleware, telemetry=telemetry)`` in FastAPI and
    Starlette, ``AsgiMiddleware(app, telemetry)`` round any other. A request that goes
    through two of them is measured by the outer one, and one that OpenTelemetry's
    instrumentation measures for the same telemetry is left to that, with a warning:
    then neither ``excluded`` nor ``query`` counts. What FastAPI itself would measure
    since ``telemetry.install()`` is left out from the first request on: it would double
    all, ignore ``excluded`` and show secrets of the query.

    Args:
        app: the application.
        telemetry: gets the spans, ``http.server.request.duration`` (seconds) and
            ``http.server.active_requests``.
        excluded: paths that are not measured, below the application's root; by default
            ``/metrics``, ``/healthz`` and ``/readyz``.
        query: keep the query string in ``url.query``, without the values of what sounds
            secret; by default it is left out.
        route_of: finds the template of the path in the scope, once the application has
            answered; by default Starlette's and FastAPI's.

    Raises:
        ConfigurationError: no ``telemetry``, or ``excluded`` holds what is no path.
    """

    def __init__(
        self,
        app: AsgiApp,
        telemetry: Telemetry,
        *,
        excluded: Collection[str] = EXCLUDED,
        query: bool = False,
        route_of: RouteOf | None = None,
    ) -> None:
        self.app = app
        self.route_of = route_of or StarletteRoutes()
        self._telemetry = telemetry
        self._instruments = ServerInstruments(telemetry)
        self._excluded = Excluded(excluded)
        self._query = query
        telemetry.tracer_provider.leave_out(FASTAPI)
        telemetry.meter_provider.leave_out(FASTAPI)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope of any kind; a lifespan just passes."""
        if not self._measures(scope):
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope["headers"])
        context = self._instruments.propagation.extract(headers, GETTER)
        if self._instruments.already.serves(context, scope["path"]):
            await self.app(scope, receive, send)
            return
        scope[SEEN] = True
        if get_tracer_provider() is self._telemetry.tracer_provider:
            scope.setdefault(FASTAPI_SPAN, None)  # or it would measure for us once more
        request = ServerRequest(
            self._instruments,
            scope.get("method", "GET"),
            attributes_of(scope, headers, query=self._query),
            context,
            session=scope["type"] == "websocket",
        )
        exchange = Exchange(request, scope, receive, send, self.route_of)
        request.enter()
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.end(error)
            raise
        else:
            exchange.end()
        finally:
            request.leave()

    def _measures(self, scope: Scope) -> bool:
        if scope["type"] not in {"http", "websocket"} or SEEN in scope:
            return False
        return path_below_root(scope) not in self._excluded


class Exchange:
    """Watches what one request's application receives and sends."""

    __slots__ = (
        "_client_left",
        "_closing",
        "_receive",
        "_request",
        "_route_of",
        "_scope",
        "_send",
        "_status",
        "_trailers",
    )

    def __init__(
        self,
        request: ServerRequest,
        scope: Scope,
        receive: Receive,
        send: Send,
        route_of: RouteOf,
    ) -> None:
        self._request = request
        self._scope = scope
        self._receive = receive
        self._send = send
        self._route_of = route_of
        self._status: int | None = None
        self._trailers = False
        self._client_left = False
        self._closing = 0

    async def receive(self) -> Message:
        """What the server tells."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._client_left = True
        elif message["type"] == "websocket.disconnect":
            self._closing = message.get("code", 0)
        return message

    async def send(self, message: Message) -> None:
        """What the application answers."""
        try:
            await self._send(message)
        except OSError:
            self._client_left = True
            raise
        kind = message["type"]
        if kind == "http.response.start":
            self._status = status_of(message.get("status"))
            self._trailers = message.get("trailers", False)
        elif self._is_last(kind, message):
            self.end()
        elif kind.startswith("websocket."):
            self._note_handshake(kind, message)

    def _is_last(self, kind: str, message: Message) -> bool:
        """Whether the response is complete."""
        if kind in {"http.response.body", "http.response.zerocopysend"}:
            return not self._trailers and not message.get("more_body", False)
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return kind == "http.response.pathsend" and not self._trailers

    def _note_handshake(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            self._status = SWITCHING_PROTOCOLS
        elif kind == "websocket.http.response.start":
            self._status = status_of(message.get("status"))
        elif kind == "websocket.close" and self._status is None:
            self._status = REFUSED_HANDSHAKE

    def end(self, error: BaseException | None = None) -> None:
        """The response is complete, or the application has returned or raised."""
        if self._request.ended:
            return
        if self._closing in CLOSED_NORMALLY and hasattr(error, "code"):
            error = None
        status = self._status
        if status is None and not self._client_left:
            status = assumed_status(error)
        self._request.end(
            status,
            route=self._route(),
            version=self._scope.get("http_version"),
            error=error,
            client_left=self._client_left,
        )

    def _route(self) -> str | None:
        try:
            return self._route_of(self._scope)
        except Exception:
            getLogger(__name__).exception("route_of failed; the span has no route")
            return None


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by lower-case name; repeated ones are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def attributes_of(
    scope: Scope, headers: dict[str, str], *, query: bool
) -> dict[str, Any]:
    """What is known of a request before it is served."""
    session = scope["type"] == "websocket"
    scheme = scope.get("scheme") or ("ws" if session else "http")
    attributes: dict[str, Any] = {"url.path": scope["path"], "url.scheme": scheme}
    version = scope.get("http_version")
    if version:
        attributes["network.protocol.version"] = version
    if session:
        attributes["network.protocol.name"] = "websocket"
    host, port = addressed(scope, headers)
    if host:
        attributes["server.address"] = host
        if not host.startswith("/"):  # the path of a Unix socket
            attributes["server.port"] = port or DEFAULT_PORTS.get(scheme, 80)
    client = scope.get("client")
    if client:
        attributes["client.address"] = client[0]
    agent = headers.get("user-agent")
    if agent:
        attributes["user_agent.original"] = agent
    if query and scope.get("query_string"):
        attributes["url.query"] = without_secrets(
            scope["query_string"].decode("latin-1")
        )
    return attributes


def addressed(scope: Scope, headers: dict[str, str]) -> tuple[str, int | None]:
    """Whom the client has called, by its word or by the server's."""
    host = headers.get("host")
    if host:
        return host_and_port(host)
    server = scope.get("server")
    return (server[0], server[1]) if server else ("", None)
