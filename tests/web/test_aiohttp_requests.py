"""Requests to aiohttp applications through its own server on a real socket."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from opentelemetry import baggage, context
from servers.web_servers import aiohttp_serving, telling

from sluiceway import ConfigurationError
from sluiceway.events import SpanKind, StatusCode
from sluiceway.instrument import Telemetry
from sluiceway.web import aiohttp_middleware

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"


async def item(request):
    return web.Response(text=request.match_info["id"])


def application(told, *routes, **settings):
    app = web.Application(middlewares=[aiohttp_middleware(told.telemetry, **settings)])
    app.add_routes([web.get("/items/{id}", item), *routes])
    return app


async def get(client, url, **settings):
    async with client.get(url, **settings) as answer:
        return answer.status, await answer.text()


def asked(*routes, paths, method="GET", headers=None, **settings):
    """What was told of requests for these paths, one after the other."""

    async def main():
        async with telling() as told:
            app = application(told, *routes, **settings)
            async with aiohttp_serving(app) as at, aiohttp.ClientSession() as client:
                for path in paths:
                    url = f"http://{at}{path}"
                    async with client.request(method, url, headers=headers) as answer:
                        await answer.read()
        return told

    return main()


def test_a_request_is_a_server_span_with_the_conventions_attributes(run):
    told = run(asked(paths=["/items/4?x=1"], headers={"User-Agent": "probe/1"}))
    span = told.span()
    assert span.name == "GET /items/{id}"
    assert span.kind is SpanKind.SERVER
    assert span.status_code is StatusCode.UNSET
    port = span.attributes.pop("server.port")
    assert 0 < port < 65536
    assert span.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/items/{id}",
        "url.path": "/items/4",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "probe/1",
    }


def test_both_kinds_of_server_count_durations_alike(run):
    told = run(asked(paths=["/items/1", "/items/2", "/nowhere/4711"]))
    points = {
        dict(key).get("http.route"): v for key, v in told.points(DURATION).items()
    }
    assert {route: value.count for route, value in points.items()} == {
        "/items/{id}": 2,
        None: 1,
    }
    assert points[None].explicit_bounds[:3] == [0.005, 0.01, 0.025]
    (key,) = [
        key for key in told.points(DURATION) if ("http.route", "/items/{id}") in key
    ]
    assert dict(key) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/items/{id}",
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    }
    assert [*told.points(ACTIVE).values()] == [0]


def test_a_query_string_is_kept_without_secrets_if_it_is_asked_for(run):
    told = run(asked(paths=["/items/4?page=2&token=abc"], query=True))
    assert told.span().attributes["url.query"] == "page=2&token=REDACTED"


def test_an_unknown_method_and_an_unknown_path_give_no_name(run):
    told = run(asked(paths=["/items/4", "/secret"], method="PROPFIND"))
    names = [
        (span.name, span.attributes["http.response.status_code"]) for span in told.spans
    ]
    assert names == [("HTTP", 405), ("HTTP", 404)]
    original = told.spans[0].attributes["http.request.method_original"]
    assert original == "PROPFIND"


def test_a_route_of_a_sub_application_has_its_whole_template(run):
    async def main():
        async with telling() as told:
            middleware = aiohttp_middleware(told.telemetry)
            app = web.Application(middlewares=[middleware])
            inner = web.Application(middlewares=[middleware])
            inner.add_routes([web.get("/users/{user}", item_of_user)])
            app.add_subapp("/v1/", inner)
            async with aiohttp_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/v1/users/7")
        return told

    async def item_of_user(request):
        return web.Response()

    told = run(main())
    assert told.span().name == "GET /v1/users/{user}"
    ((_, value),) = told.points(DURATION).items()
    assert value.count == 1


@pytest.mark.parametrize("raised", [True, False])
@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        (web.HTTPNoContent, False),
        (web.HTTPNotFound, False),
        (web.HTTPServiceUnavailable, True),
    ],
)
def test_a_raised_http_exception_is_an_answer(run, kind, failed, raised):
    async def endpoint(request):
        if raised:
            raise kind
        return web.Response(status=kind.status_code)

    span = run(asked(web.get("/x", endpoint), paths=["/x"])).span()
    status = kind.status_code
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes.get("error.type") == (str(status) if failed else None)
    assert span.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
    assert span.events == []


class ShopError(Exception):
    """A bug of the shop."""


@pytest.mark.parametrize(
    ("error", "status"), [(ShopError("out of stock"), 500), (TimeoutError("late"), 504)]
)
def test_an_exception_is_recorded_and_passes_unchanged(run, error, status):
    passed = []

    @web.middleware
    async def outside(request, handler):
        try:
            return await handler(request)
        except Exception as caught:
            passed.append(caught)
            raise

    async def broken(request):
        raise error

    async def main():
        async with telling() as told:
            middlewares = [outside, aiohttp_middleware(told.telemetry)]
            app = web.Application(middlewares=middlewares)
            app.add_routes([web.get("/broken", broken)])
            async with aiohttp_serving(app) as at, aiohttp.ClientSession() as client:
                answer, _ = await get(client, f"http://{at}/broken")
        return answer, told

    answer, told = run(main())
    assert answer == status
    assert passed == [error]
    span = told.span()
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes["error.type"].endswith(type(error).__name__)
    assert span.events[0].attributes["exception.message"] == str(error)
    assert span.status_code is StatusCode.ERROR


def test_a_handler_that_returns_no_response_is_a_500(run):
    async def forgetful(request):
        """It returns None."""

    span = run(asked(web.get("/x", forgetful), paths=["/x"])).span()
    assert span.attributes["http.response.status_code"] == 500
    assert span.status_code is StatusCode.ERROR


def test_a_parent_comes_from_the_headers_and_spans_inside_are_children(run):
    seen = {}

    async def main():
        async with telling() as told:
            tracer = told.telemetry.tracer("shop")

            async def endpoint(request):
                seen["user"] = baggage.get_baggage("user")
                with tracer.span("inside"):
                    return web.Response()

            app = application(told, web.get("/x", endpoint))
            headers = {"traceparent": REMOTE, "baggage": "user=7"}
            async with aiohttp_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/x", headers=headers)
        return told

    told = run(main())
    span = told.span("GET /x")
    assert span.trace_id.hex() == REMOTE[3:35]
    assert span.parent_span_id.hex() == REMOTE[36:52]
    assert told.span("inside").parent_span_id == span.span_id
    assert seen["user"] == "7"


def test_a_traceparent_that_comes_twice_begins_a_new_trace(run):
    headers = [("traceparent", REMOTE), ("traceparent", REMOTE)]
    span = run(asked(paths=["/items/4"], headers=headers)).span()
    assert span.parent_span_id == b""


def test_no_context_leaks_from_one_request_of_a_connection_to_the_next(run):
    """aiohttp serves a connection in one task, and so in one context."""
    seen = []

    async def careless(request):
        seen.append((baggage.get_baggage("left"), id(request.transport)))
        context.attach(baggage.set_baggage("left", "behind"))
        return web.Response()

    told = run(asked(web.get("/x", careless), paths=["/x", "/x", "/x"]))
    assert [left for left, _ in seen] == [None, None, None]
    assert len({connection for _, connection in seen}) == 1
    assert len({span.trace_id for span in told.spans}) == 3


def test_a_server_that_was_started_inside_a_span_does_not_make_it_a_parent(run):
    async def main():
        async with telling() as told:
            with told.telemetry.tracer("shop").span("start-up"):
                async with (
                    aiohttp_serving(application(told)) as at,
                    aiohttp.ClientSession() as client,
                ):
                    await get(client, f"http://{at}/items/4")
        return told

    assert run(main()).span("GET /items/{id}").parent_span_id == b""


def test_a_response_that_its_handler_streams_ends_the_span_when_it_ends(run):
    seen = {}

    async def main():
        async with telling() as told:

            async def stream(request):
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"one")
                await told.flush()
                seen["during"] = [*told.spans]
                await response.write(b"two")
                return response

            app = application(told, web.get("/stream", stream))
            async with aiohttp_serving(app) as at, aiohttp.ClientSession() as client:
                assert await get(client, f"http://{at}/stream") == (200, "onetwo")
        return told

    assert run(main()).span().name == "GET /stream"
    assert seen["during"] == []


def test_an_exception_in_the_middle_of_a_body_tells_no_status_that_was_not_sent(run):
    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        raise ShopError("half way")

    async def main():
        async with telling() as told:
            app = application(told, web.get("/stream", stream))
            async with aiohttp_serving(app) as at, aiohttp.ClientSession() as client:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await get(client, f"http://{at}/stream")
        return told

    span = run(main()).span()
    assert "http.response.status_code" not in span.attributes
    assert span.attributes["error.type"].endswith("ShopError")
    assert span.status_code is StatusCode.ERROR


@pytest.mark.parametrize("cancels", [True, False])
def test_a_client_that_leaves_is_no_error_of_the_server(run, cancels):
    """Whether the handler is cancelled for it, or finds out as it writes."""

    async def main():
        gone = asyncio.Event()

        async def stream(request):
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b"more")
                    await asyncio.sleep(0)
            finally:
                gone.set()

        async with telling() as told:
            app = application(told, web.get("/stream", stream))
            async with (
                aiohttp_serving(app, handler_cancellation=cancels) as at,
                aiohttp.ClientSession() as client,
            ):
                async with client.get(f"http://{at}/stream") as answer:
                    await answer.content.read(4)
                    answer.close()
                await gone.wait()
        return told

    told = run(main())
    span = told.span()
    assert span.attributes["error.type"] == "client_disconnected"
    assert span.status_code is StatusCode.UNSET
    assert span.events == []
    ((key, value),) = told.points(DURATION).items()
    assert ("error.type", "client_disconnected") in key
    assert value.count == 1
    assert [*told.points(ACTIVE).values()] == [0]


def test_a_websocket_session_is_one_span_and_no_duration(run):
    async def main():
        async with telling() as told:

            async def talk(request):
                session = web.WebSocketResponse()
                await session.prepare(request)
                async for message in session:
                    with told.telemetry.tracer("shop").span("message"):
                        await session.send_str(message.data)
                return session

            app = application(told, web.get("/rooms/{room}", talk))
            async with (
                aiohttp_serving(app) as at,
                aiohttp.ClientSession() as client,
                client.ws_connect(f"ws://{at}/rooms/7") as session,
            ):
                for word in ("one", "two"):
                    await session.send_str(word)
                    assert await session.receive_str() == word
        return told

    told = run(main())
    session = told.span("GET /rooms/{room}")
    assert session.attributes["http.response.status_code"] == 101
    assert session.attributes["url.scheme"] == "ws"
    assert session.attributes["network.protocol.name"] == "websocket"
    inside = [span for span in told.spans if span.name == "message"]
    assert [span.parent_span_id for span in inside] == [session.span_id] * 2
    assert told.points(DURATION) == told.points(ACTIVE) == {}


def test_excluded_paths_are_served_and_not_measured(run):
    async def ok(request):
        return web.Response()

    routes = [web.get("/healthz", ok), web.get("/ops/x", ok)]
    paths = ["/healthz", "/ops/x"]
    assert run(asked(*routes, paths=paths)).span().name == "GET /ops/x"
    told = run(asked(*routes, paths=paths, excluded=["/ops"]))
    assert told.span().name == "GET /healthz"


def test_what_is_no_list_of_paths_is_refused():
    with pytest.raises(ConfigurationError, match="excluded is 'x'"):
        aiohttp_middleware(Telemetry("shop"), excluded="x")
