"""Requests to ASGI applications through a real uvicorn."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from fastapi import FastAPI
from opentelemetry import baggage, context, trace
from opentelemetry.trace import TracerProvider
from servers.web_servers import telling, uvicorn_serving
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from sluiceway import ConfigurationError
from sluiceway.events import SpanKind, StatusCode
from sluiceway.instrument import Telemetry
from sluiceway.web import AsgiMiddleware

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = REMOTE[:-2] + "00"
DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"


async def item(request):
    return PlainTextResponse(request.path_params["id"])


def application(told, *routes, **settings):
    """A Starlette application of such routes, and of ``/items/{id}``."""
    app = Starlette(routes=[*routes, Route("/items/{id}", item)])
    app.add_middleware(AsgiMiddleware, telemetry=told.telemetry, **settings)
    return app


async def get(client, url, **settings):
    async with client.get(url, **settings) as answer:
        return answer.status, await answer.text()


def asked(*routes, paths, method="GET", headers=None, told_settings=None, **settings):
    """What was told of requests for these paths, one after the other."""

    async def main():
        async with telling(**told_settings or {}) as told:
            app = application(told, *routes, **settings)
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                for path in paths:
                    url = f"http://{at}{path}"
                    async with client.request(method, url, headers=headers) as answer:
                        await answer.read()
        return told

    return main()


def test_a_request_is_a_server_span_with_the_conventions_attributes(run):
    told = run(asked(paths=["/items/4"], headers={"User-Agent": "probe/1"}))
    span = told.span()
    assert span.name == "GET /items/{id}"
    assert span.kind is SpanKind.SERVER
    assert span.parent_span_id == b""
    assert span.status_code is StatusCode.UNSET
    assert span.scope.name == "sluiceway.web"
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


def test_durations_are_counted_in_seconds_by_route_and_status(run):
    told = run(asked(paths=["/items/1", "/items/2", "/nowhere"]))
    common = (
        ("http.request.method", "GET"),
        ("network.protocol.version", "1.1"),
        ("url.scheme", "http"),
    )
    points = told.points(DURATION)
    of_items = (
        ("http.response.status_code", 200),
        ("http.route", "/items/{id}"),
        *common,
    )
    of_none = (("http.response.status_code", 404), *common)
    assert {key: value.count for key, value in points.items()} == {
        tuple(sorted(of_items)): 2,
        tuple(sorted(of_none)): 1,
    }
    value = points[tuple(sorted(of_items))]
    assert value.explicit_bounds[:3] == [0.005, 0.01, 0.025]
    assert 0 < value.sum < 60
    point = next(p for p in told.measured.events if p.name == DURATION)
    assert point.unit == "s"


def test_active_requests_are_counted_while_they_are_served(run):
    seen = {}

    async def look(request):
        await seen["told"].flush()
        seen["points"] = seen["told"].points(ACTIVE)
        return Response()

    async def main():
        async with telling() as told:
            seen["told"] = told
            app = application(told, Route("/look", look))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/look")
            await told.flush()
            return told

    told = run(main())
    key = (("http.request.method", "GET"), ("url.scheme", "http"))
    assert seen["points"] == {key: 1}
    assert told.points(ACTIVE) == {key: 0}


def test_a_path_that_no_route_serves_gives_no_name(run):
    told = run(asked(paths=["/secret-4711"]))
    assert told.span().name == "GET"
    assert "http.route" not in told.span().attributes
    assert told.span().status_code is StatusCode.UNSET


def test_a_method_that_nobody_knows_becomes_other(run):
    told = run(asked(paths=["/items/4"], method="BREW"))
    span = told.span()
    assert span.name == "HTTP /items/{id}"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert span.attributes["http.request.method_original"] == "BREW"
    assert span.attributes["http.response.status_code"] == 405
    (key,) = told.points(DURATION)
    assert ("http.request.method", "_OTHER") in key


def test_a_query_string_is_left_out_unless_it_is_asked_for(run):
    query = "?page=2&access_token=abc&Signature=def&api_key=ghi&flag"
    told = run(asked(paths=[f"/items/4{query}"]))
    assert "abc" not in str(told.span().attributes)
    assert "url.query" not in told.span().attributes
    told = run(asked(paths=[f"/items/4{query}"], query=True))
    assert told.span().attributes["url.query"] == (
        "page=2&access_token=REDACTED&Signature=REDACTED&api_key=REDACTED&flag"
    )


def test_a_status_from_500_is_an_error_and_one_below_is_none(run):
    def answer(status):
        async def endpoint(request):
            return Response(status_code=status)

        return Route(f"/{status}", endpoint)

    routes = [answer(status) for status in (400, 499, 500, 503)]
    told = run(asked(*routes, paths=["/400", "/499", "/500", "/503"]))
    codes = {span.name: (span.status_code, span.attributes) for span in told.spans}
    for name in ("GET /400", "GET /499"):
        assert codes[name][0] is StatusCode.UNSET
        assert "error.type" not in codes[name][1]
    for status in ("500", "503"):
        code, attributes = codes[f"GET /{status}"]
        assert code is StatusCode.ERROR
        assert attributes["error.type"] == status
    errors = [dict(key).get("error.type") for key in told.points(DURATION)]
    assert sorted(filter(None, errors)) == ["500", "503"]


class ShopError(Exception):
    """A bug of the shop."""


async def broken(request):
    raise ShopError("out of stock")


def test_an_exception_is_recorded_and_passes_unchanged(run):
    passed = []

    def outside(app):
        async def watch(scope, receive, send):
            try:
                await app(scope, receive, send)
            except ShopError as error:
                passed.append(error)
                raise

        return watch

    async def main():
        async with telling() as told:
            app = Starlette(routes=[Route("/broken", broken)])
            app.add_middleware(AsgiMiddleware, telemetry=told.telemetry)
            async with (
                uvicorn_serving(outside(app)) as at,
                aiohttp.ClientSession() as client,
            ):
                status, _ = await get(client, f"http://{at}/broken")
        return status, told

    status, told = run(main())
    assert status == 500
    assert [str(error) for error in passed] == ["out of stock"]
    span = told.span()
    assert span.name == "GET /broken"
    assert span.status_code is StatusCode.ERROR
    assert span.attributes["http.response.status_code"] == 500
    assert span.attributes["error.type"].endswith("test_asgi_requests.ShopError")
    assert span.events[0].attributes["exception.message"] == "out of stock"
    assert told.points(ACTIVE).popitem()[1] == 0


def test_an_application_that_answers_nothing_is_a_500(run):
    async def silent(scope, receive, send):
        """It forgets its response."""

    async def main():
        async with telling() as told:
            app = AsgiMiddleware(silent, told.telemetry)
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                status, _ = await get(client, f"http://{at}/")
                assert status == 500
        return told

    span = run(main()).span()
    assert span.attributes["http.response.status_code"] == 500
    assert span.status_code is StatusCode.ERROR


def test_a_parent_comes_from_the_headers(run):
    headers = {"traceparent": REMOTE, "tracestate": "vendor=1"}
    span = run(asked(paths=["/items/4"], headers=headers)).span()
    assert span.trace_id.hex() == REMOTE[3:35]
    assert span.parent_span_id.hex() == REMOTE[36:52]
    assert span.trace_state == "vendor=1"


def test_a_trace_that_its_caller_does_not_sample_is_measured_and_not_recorded(run):
    told = run(asked(paths=["/items/4"], headers={"traceparent": UNSAMPLED}))
    assert told.spans == []
    assert len(told.points(DURATION)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "00-zz"},
        {"traceparent": "ff" + REMOTE[2:]},
        {"traceparent": "\xe9" * 55, "baggage": "=;=,,%zz"},
        [("traceparent", REMOTE), ("traceparent", REMOTE)],
    ],
    ids=["garbage", "version ff", "not ASCII", "twice"],
)
def test_headers_that_are_no_parent_begin_a_new_trace(run, headers):
    told = run(asked(paths=["/items/4"], headers=headers))
    assert told.span().parent_span_id == b""
    assert told.span().trace_id.hex() != REMOTE[3:35]


def test_spans_inside_are_children_and_baggage_is_current(run):
    seen = {}

    async def main():
        async with telling() as told:
            tracer = told.telemetry.tracer("shop")

            async def endpoint(request):
                seen["user"] = baggage.get_baggage("user")
                with tracer.span("inside"):
                    return Response()

            app = application(told, Route("/x", endpoint))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/x", headers={"baggage": "user=7"})
        return told

    told = run(main())
    assert seen["user"] == "7"
    assert told.span("inside").parent_span_id == told.span("GET /x").span_id


def test_no_context_leaks_from_one_request_of_a_connection_to_the_next(run):
    """Even when a handler attaches a context and forgets to detach it."""
    seen = []

    async def careless(request):
        seen.append(baggage.get_baggage("left"))
        context.attach(baggage.set_baggage("left", "behind"))
        return Response()

    async def main():
        async with telling() as told:
            app = application(told, Route("/x", careless))
            connector = aiohttp.TCPConnector(limit=1)
            async with (
                uvicorn_serving(app) as at,
                aiohttp.ClientSession(connector=connector) as client,
            ):
                for headers in ({"traceparent": REMOTE}, {}, {}):
                    await get(client, f"http://{at}/x", headers=headers)
        assert not trace.get_current_span().get_span_context().is_valid
        return told

    told = run(main())
    assert seen == [None, None, None]
    assert len({span.trace_id for span in told.spans}) == 3


def test_requests_at_the_same_time_keep_their_own_context(run):
    async def main():
        async with telling() as told:
            tracer = told.telemetry.tracer("shop")
            here = asyncio.Barrier(20)

            async def meet(request):
                await here.wait()
                with tracer.span(request.path_params["id"]):
                    await here.wait()
                return Response()

            app = application(told, Route("/meet/{id}", meet))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                await asyncio.gather(
                    *(get(client, f"http://{at}/meet/{n}") for n in range(20))
                )
        return told

    told = run(main())
    requests = {s.span_id: s for s in told.spans if s.kind is SpanKind.SERVER}
    inside = [span for span in told.spans if span.kind is not SpanKind.SERVER]
    assert len(requests) == len(inside) == 20
    for span in inside:
        path = requests[span.parent_span_id].attributes["url.path"]
        assert path == f"/meet/{span.name}"


def test_a_streamed_response_ends_the_span_when_the_body_ends(run):
    seen = {}

    async def main():
        async with telling() as told:

            async def parts():
                yield b"one"
                await told.flush()
                seen["during"] = [*told.spans]
                yield b"two"

            async def stream(request):
                return StreamingResponse(parts())

            app = application(told, Route("/stream", stream))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                assert await get(client, f"http://{at}/stream") == (200, "onetwo")
        return told

    assert run(main()).span().name == "GET /stream"
    assert seen["during"] == []


def test_an_exception_in_the_middle_of_a_body_keeps_the_status_that_was_sent(run):
    async def parts():
        yield b"one"
        raise ShopError("half way")

    async def stream(request):
        return StreamingResponse(parts())

    async def main():
        async with telling() as told:
            app = application(told, Route("/stream", stream))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await get(client, f"http://{at}/stream")
        return told

    span = run(main()).span()
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["error.type"].endswith("ShopError")
    assert span.status_code is StatusCode.ERROR


def test_a_client_that_leaves_is_no_error_of_the_server(run):
    async def main():
        gone = asyncio.Event()

        async def parts():
            try:
                while True:
                    yield b"more"
                    await asyncio.sleep(0)
            finally:
                gone.set()

        async def stream(request):
            return StreamingResponse(parts())

        async with telling() as told:
            app = application(told, Route("/stream", stream))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                async with client.get(f"http://{at}/stream") as answer:
                    await answer.content.read(4)
                    answer.close()
                await gone.wait()
        return told

    told = run(main())
    span = told.span()
    assert span.attributes["error.type"] == "client_disconnected"
    assert span.attributes["http.response.status_code"] == 200
    assert span.status_code is StatusCode.UNSET
    assert span.events == []
    ((key, value),) = told.points(DURATION).items()
    assert ("error.type", "client_disconnected") in key
    assert value.count == 1


def test_a_background_task_belongs_to_the_trace_and_not_to_the_duration(run):
    seen = {}

    async def main():
        async with telling() as told:
            tracer = told.telemetry.tracer("shop")

            async def later():
                await told.flush()
                seen["before"] = [span.name for span in told.spans]
                with tracer.span("mail"):
                    pass

            async def order(request):
                return Response(background=BackgroundTask(later))

            app = application(told, Route("/order", order))
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/order")
        return told

    told = run(main())
    assert seen["before"] == ["GET /order"]
    assert told.span("mail").parent_span_id == told.span("GET /order").span_id


def test_excluded_paths_are_served_and_not_measured(run):
    async def ok(request):
        return PlainTextResponse("ok")

    routes = [
        Route("/healthz", ok),
        Route("/healthzz", ok),
        Mount("/ops", routes=[Route("/readyz", ok), Route("/x", ok)]),
    ]
    told = run(asked(*routes, paths=["/healthz", "/healthzz"]))
    assert [span.name for span in told.spans] == ["GET /healthzz"]
    paths = ["/healthz", "/ops/readyz", "/ops/x"]
    told = run(asked(*routes, paths=paths, excluded=["/ops"]))
    assert [span.name for span in told.spans] == ["GET /healthz"]
    assert len(told.points(DURATION)) == 1


def test_an_excluded_path_is_looked_for_below_the_applications_root(run):
    async def main():
        async with telling() as told:
            app = application(told)
            async with (
                uvicorn_serving(app, root_path="/shop") as at,
                aiohttp.ClientSession() as client,
            ):
                await get(client, f"http://{at}/healthz")
                await get(client, f"http://{at}/items/4")
        return told

    assert run(main()).span().name == "GET /shop/items/{id}"


@pytest.mark.parametrize("excluded", ["/healthz", ["healthz"], [None], None, 5])
def test_what_is_no_list_of_paths_is_refused(excluded):
    with pytest.raises(ConfigurationError, match="excluded is"):
        AsgiMiddleware(item, Telemetry("shop"), excluded=excluded)


def test_a_request_through_two_middlewares_is_measured_once(run):
    async def main():
        async with telling() as told:
            app = AsgiMiddleware(application(told), told.telemetry)
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/items/4")
        return told

    told = run(main())
    assert told.span().name == "GET /items/{id}"
    ((_, value),) = told.points(DURATION).items()
    assert value.count == 1


def test_a_request_that_fastapi_measures_for_us_is_measured_once(run):
    """As it does of itself once a tracer provider is there."""

    class Provider(TracerProvider):
        def __init__(self, telemetry):
            self.telemetry = telemetry

        def get_tracer(self, name, *_, **__):
            return self.telemetry.tracer(name)

    async def main():
        async with telling() as told:
            provider = Provider(told.telemetry)
            app = FastAPI(telemetry={"tracer_provider": provider})
            app.add_api_route("/items/{item_id}", lambda item_id: item_id)
            app.add_middleware(AsgiMiddleware, telemetry=told.telemetry)
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                await get(client, f"http://{at}/items/4")
        return told

    servers = [span for span in run(main()).spans if span.kind is SpanKind.SERVER]
    assert [span.name for span in servers] == ["GET /items/{item_id}"]


def test_requests_are_served_when_telemetry_is_switched_off(run, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    seen = []

    async def look(request):
        seen.append(trace.get_current_span().get_span_context().trace_id)
        return Response()

    headers = {"traceparent": REMOTE}
    told = run(asked(Route("/x", look), paths=["/x"], headers=headers))
    assert told.spans == []
    assert told.points(DURATION) == {}
    assert seen == [int(REMOTE[3:35], 16)]


def test_a_lifespan_passes_through(run):
    told = []

    async def app(scope, receive, send):
        told.append((scope["type"], await receive()))
        await send({"type": "lifespan.startup.complete"})

    async def main():
        sent = []

        async def receive():
            return {"type": "lifespan.startup"}

        async def send(message):
            sent.append(message["type"])

        middleware = AsgiMiddleware(app, Telemetry("shop"))
        await middleware({"type": "lifespan"}, receive, send)
        return sent

    assert run(main()) == ["lifespan.startup.complete"]
    assert told == [("lifespan", {"type": "lifespan.startup"})]


def test_a_server_that_raises_as_it_sends_has_lost_its_client(run):
    """As ASGI has it since version 2.4."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        raise ConnectionResetError("gone")

    async def main():
        async with telling() as told:
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            with pytest.raises(ConnectionResetError, match="gone"):
                await AsgiMiddleware(app, told.telemetry)(scope, None, send)
        return told

    span = run(main()).span()
    assert span.attributes["error.type"] == "client_disconnected"
    assert "http.response.status_code" not in span.attributes
    assert span.status_code is StatusCode.UNSET


def test_trailers_end_a_response_that_announces_them(run):
    order = []

    async def main():
        async with telling() as told:

            async def app(scope, receive, send):
                start = {"type": "http.response.start", "status": 200, "headers": []}
                await send({**start, "trailers": True})
                await send({"type": "http.response.body", "body": b""})
                await told.flush()
                order.append(len(told.spans))
                await send({"type": "http.response.trailers", "headers": []})
                await told.flush()
                order.append(len(told.spans))

            async def send(message):
                """A server that takes everything."""

            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            await AsgiMiddleware(app, told.telemetry)(scope, None, send)

    run(main())
    assert order == [0, 1]
