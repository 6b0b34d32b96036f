"""Whatever a client sends, the middleware changes nothing and raises nothing."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import Inlet, Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink
from sluiceway.web import AsgiMiddleware, Pages

NAMES = st.sampled_from(
    [b"host", b"traceparent", b"tracestate", b"baggage", b"user-agent", b"Host"]
)
HEADERS = st.lists(st.tuples(NAMES | st.binary(max_size=20), st.binary(max_size=80)))
SCOPES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["http", "websocket"]),
        "path": st.text(),
        "headers": HEADERS,
    },
    optional={
        "method": st.text(),
        "scheme": st.text(),
        "http_version": st.text(),
        "query_string": st.binary(),
        "root_path": st.text(),
        "client": st.none() | st.tuples(st.text(), st.integers()),
        "server": st.none() | st.tuples(st.text(), st.none() | st.integers()),
        "route": st.none() | st.integers(),
        "endpoint": st.none() | st.integers(),
        "path_params": st.none() | st.dictionaries(st.text(), st.text()),
    },
)
MESSAGES = st.lists(
    st.sampled_from(
        [
            {"type": "http.response.start", "status": 200},
            {"type": "http.response.start", "status": 503, "trailers": True},
            {"type": "http.response.start", "status": "200"},
            {"type": "http.response.start", "status": "well"},
            {"type": "http.response.start"},
            {"type": "http.response.body", "more_body": True},
            {"type": "http.response.body"},
            {"type": "http.response.trailers"},
            {"type": "websocket.accept"},
            {"type": "websocket.close"},
            {"type": "of.some.extension"},
        ]
    )
)


class AppError(Exception):
    """What an application raises."""


@given(SCOPES, MESSAGES, st.booleans())
def test_messages_and_exceptions_pass_unchanged(scope, messages, raises):
    telemetry, sent, raised = Telemetry("shop"), [], []

    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        if raises:
            raise AppError

    async def send(message):
        sent.append(message)

    async def main():
        middleware = AsgiMiddleware(app, telemetry, query=True)
        try:
            await middleware(scope, None, send)
        except AppError as error:
            raised.append(error)

    asyncio.run(main())
    assert sent == messages
    assert len(raised) == raises
    active = [p for p in telemetry.collect() if p.name == "http.server.active_requests"]
    assert [point.value for point in active if point.value] == []
    assert len(telemetry.spans) <= 1


def answered(path, root_path, **message):
    """A telemetry that was told of one request, and what was sent."""
    telemetry, sent = Telemetry("shop"), []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "headers": [], **message})
        await send({"type": "http.response.body"})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "root_path": root_path, "headers": []}
    asyncio.run(AsgiMiddleware(app, telemetry)(scope, None, send))
    assert len(sent) == 2
    return telemetry


@pytest.mark.parametrize("status", ["204", 204.0])
def test_a_status_that_is_a_text_ends_the_request_all_the_same(status):
    telemetry = answered("/", "", status=status)
    points = {point.name: point for point in telemetry.collect()}
    assert points["http.server.active_requests"].value == 0
    duration = points["http.server.request.duration"]
    assert duration.attributes["http.response.status_code"] == 204


@pytest.mark.parametrize("root_path", ["", "/", "/api", "/api/", None])
def test_a_path_is_excluded_below_any_spelling_of_the_root(root_path):
    path = "/api/healthz" if root_path not in {"", "/", None} else "/healthz"
    assert len(answered(path, root_path, status=200).spans) == 0


def test_a_page_is_found_below_a_root_with_a_slash_at_its_end():
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/ops/healthz", "root_path": "/ops/"}
    scope |= {"method": "GET", "headers": []}
    pages = Pages(Pipeline(Inlet() >> CollectingSink()))
    asyncio.run(pages(scope, None, send))
    assert sent[0]["status"] != 404


def test_the_path_of_a_unix_socket_has_no_port(run):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async def send(message):
        del message

    async def main():
        telemetry, finished = Telemetry("shop"), CollectingSink()
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        scope["server"] = ("/run/shop.sock", None)
        async with Pipeline(telemetry.spans >> finished):
            await AsgiMiddleware(app, telemetry)(scope, None, send)
        return finished.events[0].attributes

    told = run(main())
    assert told["server.address"] == "/run/shop.sock"
    assert "server.port" not in told
