"""Calls of aiohttp's client to real servers, good and bad."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.instrumentation.utils import (
    suppress_http_instrumentation,
    suppress_instrumentation,
)
from servers.http_peers import answering, closes, speaking, stalls, status
from servers.processes import free_port
from servers.web_servers import aiohttp_serving, telling

from sluiceway import Pipeline, sink
from sluiceway.events import SpanKind, StatusCode
from sluiceway.instrument import Telemetry
from sluiceway.samplers import ProbabilitySampler
from sluiceway.web import aiohttp_middleware, aiohttp_trace_config

DURATION = "http.client.request.duration"


@asynccontextmanager
async def calling(told, *, query=False, **settings):
    """A session whose calls are traced."""
    config = aiohttp_trace_config(told.telemetry, query=query)
    async with aiohttp.ClientSession(trace_configs=[config], **settings) as session:
        yield session


def called(path="/", *, answer=None, method="GET", query=False, **settings):
    """What was told of one call, and what the server was sent."""

    async def main():
        async with (
            telling() as told,
            answering(answer or status(200)) as peer,
            calling(told, query=query) as session,
            session.request(method, peer.url + path, **settings) as got,
        ):
            await got.read()
        return told, peer

    return main()


def test_a_call_is_a_client_span_with_the_conventions_attributes(run):
    told, peer = run(called("/carts/7?page=2#top"))
    span = told.span()
    port = int(peer.url.rpartition(":")[2])
    assert span.name == "GET"
    assert span.kind is SpanKind.CLIENT
    assert span.status_code is StatusCode.UNSET
    assert span.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": f"{peer.url}/carts/7",
    }


def test_durations_are_counted_by_server_and_status(run):
    told, peer = run(called("/carts/7"))
    ((key, value),) = told.points(DURATION).items()
    assert dict(key) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": int(peer.url.rpartition(":")[2]),
    }
    assert value.count == 1
    assert value.explicit_bounds[:3] == [0.005, 0.01, 0.025]
    assert told.measured.events[0].unit == "s"


def test_the_server_is_told_the_trace(run):
    told, peer = run(called())
    span = told.span()
    (sent,) = peer.requests
    _, trace_id, span_id, flags = sent.headers["traceparent"].split("-")
    assert (trace_id, span_id) == (span.trace_id.hex(), span.span_id.hex())
    assert int(flags, 16) & 1


def test_a_trace_that_is_not_sampled_is_carried_on_and_measured(run):
    async def main():
        async with (
            telling(sampler=ProbabilitySampler(0.0)) as told,
            answering(status(200)) as peer,
            calling(told) as session,
        ):
            await session.get(peer.url)
        return told, peer

    told, peer = run(main())
    assert told.spans == []
    assert int(peer.requests[0].headers["traceparent"][-2:], 16) & 1 == 0
    assert len(told.points(DURATION)) == 1


def test_the_current_span_is_the_parent_and_stays_current(run):
    async def main():
        async with (
            telling() as told,
            answering(status(200)) as peer,
            calling(told) as session,
        ):
            tracer = told.telemetry.tracer("shop")
            with tracer.span("checkout"):
                await session.get(peer.url)
                with tracer.span("after"):
                    pass
        return told

    told = run(main())
    checkout = told.span("checkout")
    assert told.span("GET").parent_span_id == checkout.span_id
    assert told.span("after").parent_span_id == checkout.span_id


def test_one_trace_goes_through_client_and_server(run):
    async def main():
        async with telling() as told:
            middleware = aiohttp_middleware(told.telemetry)
            app = web.Application(middlewares=[middleware])

            async def item(request):
                return web.Response()

            app.add_routes([web.get("/items/{id}", item)])
            async with aiohttp_serving(app) as at, calling(told) as session:
                await session.get(f"http://{at}/items/4")
        return told

    told = run(main())
    client, server = told.span("GET"), told.span("GET /items/{id}")
    assert server.trace_id == client.trace_id
    assert server.parent_span_id == client.span_id


def test_credentials_and_secrets_are_not_shown(run):
    async def main():
        async with (
            telling() as told,
            answering(status(200)) as peer,
            calling(told, query=True) as session,
        ):
            url = peer.url.replace("//", "//alice:wonder@")
            await session.get(f"{url}/x?page=2&api_key=abc")
        return told, peer

    told, peer = run(main())
    shown = told.span().attributes["url.full"]
    assert shown == f"{peer.url}/x?page=2&api_key=REDACTED"
    assert "wonder" not in str(told.span())


@pytest.mark.parametrize("code", [400, 404, 500])
def test_a_status_from_400_is_an_error_for_a_client(run, code):
    told, _ = run(called(answer=status(code)))
    span = told.span()
    assert span.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == str(code)
    assert span.events == []
    ((key, _),) = told.points(DURATION).items()
    assert ("error.type", str(code)) in key


def test_a_status_that_the_session_raises_is_told_as_such(run):
    async def main():
        async with (
            telling() as told,
            answering(status(404)) as peer,
            calling(told, raise_for_status=True) as session,
        ):
            with pytest.raises(aiohttp.ClientResponseError):
                await session.get(peer.url)
        return told

    span = run(main()).span()
    assert span.attributes["http.response.status_code"] == 404
    assert span.attributes["error.type"] == "404"
    assert span.status_code is StatusCode.ERROR


def redirecting(request, body):
    goal = {"/a": "/b", "/b": "/c"}.get(request.path)
    if goal is None:
        return web.Response(text="there")
    return web.Response(status=302, headers={"Location": goal})


def test_redirects_are_one_span_with_their_count(run):
    told, peer = run(called("/a", answer=redirecting))
    span = told.span()
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.request.resend_count"] == 2
    assert span.attributes["url.full"] == f"{peer.url}/a"
    parents = {request.headers["traceparent"] for request in peer.requests}
    assert len(peer.requests) == 3
    assert len(parents) == 1


def test_too_many_redirects_are_an_error(run):
    def answer(request, body):
        return web.Response(status=302, headers={"Location": "/"})

    async def main():
        async with (
            telling() as told,
            answering(answer) as peer,
            calling(told) as session,
        ):
            with pytest.raises(aiohttp.TooManyRedirects):
                await session.get(peer.url, max_redirects=3)
        return told

    span = run(main()).span()
    assert span.attributes["error.type"].endswith("TooManyRedirects")
    assert span.status_code is StatusCode.ERROR


def test_a_method_that_nobody_knows_becomes_other(run):
    told, _ = run(called(method="PROPFIND"))
    span = told.span()
    assert span.name == "HTTP"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert span.attributes["http.request.method_original"] == "PROPFIND"


def failing(url, error, **settings):
    """What was told of a call that cannot succeed."""

    async def main():
        async with telling() as told, calling(told, **settings) as session:
            with pytest.raises(error):
                await session.get(url)
        return told

    return main()


def test_a_refused_connection_is_an_error_without_status(run):
    url = f"http://127.0.0.1:{free_port()}/x"
    told = run(failing(url, aiohttp.ClientConnectorError))
    span = told.span()
    assert span.attributes["error.type"].endswith("ClientConnectorError")
    assert "http.response.status_code" not in span.attributes
    assert span.status_code is StatusCode.ERROR
    assert span.events[0].name == "exception"
    assert len(told.points(DURATION)) == 1


def test_a_connection_that_breaks_is_an_error(run):
    async def main():
        async with speaking(closes) as url:
            return await failing(url, aiohttp.ServerDisconnectedError)

    span = run(main()).span()
    assert span.attributes["error.type"].endswith("ServerDisconnectedError")


def test_a_call_that_takes_too_long_is_an_error(run):
    async def main():
        async with speaking(stalls) as url:
            patience = aiohttp.ClientTimeout(total=0.05)
            return await failing(url, TimeoutError, timeout=patience)

    span = run(main()).span()
    assert span.attributes["error.type"].endswith("TimeoutError")
    assert span.status_code is StatusCode.ERROR


def test_a_call_that_its_caller_cancels_ends_and_is_no_error(run):
    async def main():
        asked = asyncio.Event()

        async def stall(reader, writer, done):
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await done.wait()

        async with telling() as told, speaking(stall) as url, calling(told) as session:
            call = asyncio.create_task(session.get(url))
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        return told

    span = run(main()).span()
    assert span.attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert span.status_code is StatusCode.UNSET
    assert span.events == []


@pytest.mark.parametrize(
    "suppress", [suppress_instrumentation, suppress_http_instrumentation]
)
def test_calls_where_instrumentation_is_suppressed_make_no_spans(run, suppress):
    async def main():
        async with (
            telling() as told,
            answering(redirecting) as peer,
            calling(told) as session,
        ):
            with suppress():
                await session.get(f"{peer.url}/a")
            await session.get(f"{peer.url}/shop")
        return told, peer

    told, peer = run(main())
    assert told.span().attributes["url.full"].endswith("/shop")
    assert "traceparent" not in peer.requests[0].headers


def test_calls_that_deliver_spans_make_no_spans(run):
    """A sink may use a traced session, and does not feed itself."""
    delivered = []

    async def main():
        telemetry = Telemetry("shop", export_interval=3600.0)
        config = aiohttp_trace_config(telemetry)

        async with (
            answering(redirecting) as peer,
            aiohttp.ClientSession(trace_configs=[config]) as session,
        ):

            @sink
            async def deliver(spans):
                delivered.extend(spans)
                async with session.post(f"{peer.url}/a") as got:
                    assert got.status == 200
                with pytest.raises(aiohttp.ClientConnectorError):
                    await session.get(f"http://127.0.0.1:{free_port()}")

            async with Pipeline(telemetry.spans >> deliver) as pipeline:
                await session.get(f"{peer.url}/shop")
                for _ in range(3):
                    await pipeline.flush()
        return peer

    peer = run(main())
    assert [span.name for span in delivered] == ["GET"]
    assert [request.path for request in peer.requests] == ["/shop", "/a", "/b", "/c"]
    assert "traceparent" not in peer.requests[1].headers
