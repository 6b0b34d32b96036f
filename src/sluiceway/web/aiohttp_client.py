"""Tracing of aiohttp's client: a span and a duration for each call of a session.

Law: a call is never changed but for the headers that carry its trace on, and no failure
to measure it reaches the caller. One span stands for a call with all its redirects; it
ends when the head of the last response is there. Source: as ``conventions``.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp import ClientSession, TraceConfig
from opentelemetry.context import get_current
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from yarl import URL

from .. import __version__
from ..instrument import Telemetry
from .already import Already, checked
from .conventions import (
    BUCKETS,
    CLIENT_ERROR,
    SCOPE,
    error_name,
    known_method,
    span_name,
    without_secrets,
)
from .propagation import Propagation

# Beginnings of keys: some have a random end. The work of a pipeline has the first one.
SUPPRESSED: Final = ("suppress_instrumentation", "suppress_http_instrumentation")


def aiohttp_trace_config(telemetry: Telemetry, *, query: bool = False) -> TraceConfig:
    """For a session whose calls are to be measured and whose servers go on the trace.

    ``aiohttp.ClientSession(trace_configs=[aiohttp_trace_config(telemetry)])``. Calls
    where OpenTelemetry's instrumentation is suppressed, as in the stages that deliver
    spans, are not measured. Those that OpenTelemetry's instrumentation measures for the
    same telemetry are left to that, with a warning.

    Args:
        telemetry: gets the spans and ``http.client.request.duration`` (seconds).
        query: keep the query string in ``url.full``, without the values of what sounds
            secret; by default it is left out. Credentials always are.

    Raises:
        ConfigurationError: ``telemetry`` is something else.
    """
    calls = ClientCalls(telemetry, query=query)
    config = TraceConfig()
    config.on_request_start.append(calls.on_start)
    config.on_request_redirect.append(calls.on_redirect)
    config.on_request_end.append(calls.on_end)
    config.on_request_exception.append(calls.on_exception)
    return config


class ClientCalls:
    """Follows the calls of any number of sessions.

    Args:
        telemetry: gets the spans and the metric.
        query: keep query strings, without secrets.
    """

    def __init__(self, telemetry: Telemetry, *, query: bool) -> None:
        self._tracer = checked(telemetry).tracer(SCOPE, __version__)
        self._propagation = Propagation(telemetry)
        self._now = telemetry.clock.now
        self._query = query
        self._already = Already(telemetry)
        self._duration = telemetry.meter(SCOPE, __version__).create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )

    async def on_start(
        self,
        session: ClientSession,
        call: SimpleNamespace,
        params: aiohttp.TraceRequestStartParams,
    ) -> None:
        """Start the span and tell the server of it."""
        call.span = None
        if is_suppressed() or self._already.calls(session):
            return
        method = known_method(params.method)
        call.measured = {"http.request.method": method, **server_of(params.url)}
        call.redirects = 0
        told = {**call.measured, "url.full": shown(params.url, query=self._query)}
        if method != params.method:
            told["http.request.method_original"] = params.method
        call.began = self._now()
        call.span = self._tracer.start_span(
            span_name(method), kind=SpanKind.CLIENT, attributes=told
        )
        call.context = set_span_in_context(call.span)
        self._propagation.inject(params.headers, call.context)

    async def on_redirect(
        self,
        session: ClientSession,  # noqa: ARG002 - aiohttp's
        call: SimpleNamespace,
        params: aiohttp.TraceRequestRedirectParams,  # noqa: ARG002 - aiohttp's
    ) -> None:
        """Count the requests that a call has become."""
        if call.span is not None:
            call.redirects += 1

    async def on_end(
        self,
        session: ClientSession,  # noqa: ARG002 - aiohttp's
        call: SimpleNamespace,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        """The head of the last response is there."""
        response = params.response
        told = outcome(response.status, None)
        version = response.version
        if version is not None:
            told["network.protocol.version"] = f"{version.major}.{version.minor}"
        self._end(call, told, None)

    async def on_exception(
        self,
        session: ClientSession,  # noqa: ARG002 - aiohttp's
        call: SimpleNamespace,
        params: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        """There was no response, or one that the session does not take."""
        error: BaseException = params.exception
        status = error.status if isinstance(error, aiohttp.ClientResponseError) else 0
        self._end(call, outcome(status, error), error)

    def _end(
        self, call: SimpleNamespace, told: dict[str, Any], error: BaseException | None
    ) -> None:
        span: Span | None = call.span
        if span is None:
            return
        span.set_attributes(told)
        if call.redirects:
            span.set_attribute("http.request.resend_count", call.redirects)
        if error is None or isinstance(error, Exception):
            if error is not None:
                span.record_exception(error)
            if "error.type" in told:
                span.set_status(StatusCode.ERROR)
        span.end()
        seconds = self._now() - call.began
        self._duration.record(seconds, {**call.measured, **told}, call.context)


def is_suppressed() -> bool:
    """Whether OpenTelemetry's instrumentation, all or HTTP's, is suppressed here."""
    context = get_current().items()
    return any(value and key.startswith(SUPPRESSED) for key, value in context)


def outcome(status: int, error: BaseException | None) -> dict[str, Any]:
    """What span and metric tell of the end of a call; a status of 0 is none."""
    told: dict[str, Any] = {}
    if status:
        told["http.response.status_code"] = status
    if status >= CLIENT_ERROR:
        told["error.type"] = str(status)
    elif error is not None:
        told["error.type"] = error_name(error)
    return told


def server_of(url: URL) -> dict[str, Any]:
    """Whom a call goes to."""
    told: dict[str, Any] = {"server.address": url.host or ""}
    if url.port is not None:
        told["server.port"] = url.port
    return told


def shown(url: URL, *, query: bool) -> str:
    """The URL without credentials and fragment, and with as much as may be shown."""
    text = str(url.with_user(None).with_query(None).with_fragment(None))
    asked: Final = url.raw_query_string
    return f"{text}?{without_secrets(asked)}" if query and asked else text
