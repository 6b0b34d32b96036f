"""One request as a server sees it: its span, its duration, and how it ended.

Law: every request ends exactly once, whatever its application does. Statuses below 500
are no errors of the server. What the application raises is recorded and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from .. import __version__
from ..instrument import Telemetry
from .already import Already, checked
from .conventions import (
    BUCKETS,
    SCOPE,
    SERVER_ERROR,
    error_name,
    known_method,
    span_name,
)
from .propagation import Propagation

CLIENT_LEFT: Final = "client_disconnected"


class ServerInstruments:
    """What all requests to a server share.

    Args:
        telemetry: gets the spans and the metrics.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.tracer = checked(telemetry).tracer(SCOPE, __version__)
        self.propagation = Propagation(telemetry)
        self.now = telemetry.clock.now
        self.already = Already(telemetry)
        meter = telemetry.meter(SCOPE, __version__)
        self.duration = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self.active = meter.create_up_down_counter(
            "http.server.active_requests",
            unit="{request}",
            description="Number of active HTTP server requests.",
        )


class ServerRequest:
    """A request from its head to the end of its response.

    The span is current from ``enter`` to ``leave``; it ends with ``end``.

    Args:
        instruments: of the server.
        method: as the client sent it.
        attributes: of the span, as far as they are known when it starts.
        context: what the client told of its trace.
        session: a WebSocket: it gets a span and no duration, which would be that of
            the session.

    Attributes:
        ended: whether its end has been told.
    """

    __slots__ = (
        "_attributes",
        "_began",
        "_context",
        "_instruments",
        "_method",
        "_session",
        "_span",
        "_token",
        "ended",
    )

    def __init__(
        self,
        instruments: ServerInstruments,
        method: str,
        attributes: dict[str, Any],
        context: Context,
        *,
        session: bool = False,
    ) -> None:
        self._instruments = instruments
        self._method = known_method(method)
        self._session = session
        self.ended = False
        attributes["http.request.method"] = self._method
        if self._method != method:
            attributes["http.request.method_original"] = method
        self._attributes = {
            "http.request.method": self._method,
            "url.scheme": attributes["url.scheme"],
        }
        self._began = instruments.now()
        self._span = instruments.tracer.start_span(
            span_name(self._method), context, SpanKind.SERVER, attributes
        )
        self._context = set_span_in_context(self._span, context)

    def enter(self) -> None:
        """Make the span current, and the baggage that came with the request."""
        self._token = attach(self._context)
        if not self._session:
            self._instruments.active.add(1, self._attributes)

    def leave(self) -> None:
        """Make current what was so before, whatever the application left behind."""
        detach(self._token)

    def end(
        self,
        status: int | None,
        *,
        route: str | None = None,
        version: str | None = None,
        error: BaseException | None = None,
        client_left: bool = False,
    ) -> None:
        """The response has been sent, or will never be; to be told once.

        Args:
            status: the response's, None if there was none.
            route: the template of the path.
            version: of HTTP.
            error: what the application raised instead of answering.
            client_left: it did not wait for the end of the response.
        """
        self.ended = True
        told = outcome(status, error, client_left=client_left)
        if route:
            told["http.route"] = route
        self._end_span(told, route, error, client_left=client_left)
        if not self._session:
            self._measure(told, version)

    def _end_span(
        self,
        told: Mapping[str, Any],
        route: str | None,
        error: BaseException | None,
        *,
        client_left: bool,
    ) -> None:
        span = self._span
        if route:
            span.update_name(span_name(self._method, route))
        span.set_attributes(told)
        if client_left:
            error = None
        if isinstance(error, Exception):
            span.record_exception(error)
            span.set_status(StatusCode.ERROR, told["error.type"])
        elif told.get("http.response.status_code", 0) >= SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end()

    def _measure(self, told: dict[str, Any], version: str | None) -> None:
        instruments = self._instruments
        instruments.active.add(-1, self._attributes)
        seconds = instruments.now() - self._began
        attributes = {**self._attributes, **told}
        if version:
            attributes["network.protocol.version"] = version
        instruments.duration.record(seconds, attributes, self._context)


def outcome(
    status: int | None, error: BaseException | None, *, client_left: bool
) -> dict[str, Any]:
    """What span and metric tell of the end of a request."""
    told: dict[str, Any] = {}
    if status is not None:
        told["http.response.status_code"] = status
    if client_left:
        told["error.type"] = CLIENT_LEFT
    elif error is not None:
        told["error.type"] = error_name(error)
    elif status is not None and status >= SERVER_ERROR:
        told["error.type"] = str(status)
    return told


def assumed_status(error: BaseException | None) -> int | None:
    """What a server answers for an application that has not begun its response.

    Args:
        error: what it raised; None if it just returned.

    Returns:
        500, or None where there is nobody left to answer for: it was cancelled.
    """
    cancelled = error is not None and not isinstance(error, Exception)
    return None if cancelled else SERVER_ERROR


def status_of(told: Any) -> int | None:
    """A status as a number; None if what an application gave for one is none."""
    try:
        return int(told)
    except (TypeError, ValueError, OverflowError):
        return None
