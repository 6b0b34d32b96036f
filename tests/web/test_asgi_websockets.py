"""WebSocket sessions through a real uvicorn: one span each, and no duration."""

from __future__ import annotations

import aiohttp
import pytest
from fastapi import FastAPI, Response, WebSocket
from servers.web_servers import telling, uvicorn_serving

from sluiceway.events import StatusCode
from sluiceway.web import AsgiMiddleware


def application(told):
    app = FastAPI()
    tracer = told.telemetry.tracer("shop")

    @app.websocket("/rooms/{room}")
    async def talk(websocket: WebSocket, room: str):
        await websocket.accept()
        async for text in websocket.iter_text():
            with tracer.span("message"):
                await websocket.send_text(f"{room}: {text}")
            await told.flush()

    @app.websocket("/closed")
    async def refuse(websocket: WebSocket):
        await websocket.close()

    @app.websocket("/denied")
    async def deny(websocket: WebSocket):
        await websocket.send_denial_response(Response(status_code=401))

    @app.websocket("/listening")
    async def listen(websocket: WebSocket):
        await websocket.accept()
        while True:
            await websocket.receive_text()

    @app.websocket("/broken")
    async def fail(websocket: WebSocket):
        await websocket.accept()
        raise LookupError("no such room")

    app.add_middleware(AsgiMiddleware, telemetry=told.telemetry)
    return app


def test_a_session_is_one_span_from_its_handshake_to_its_end(run):
    names = []

    async def main():
        async with (
            telling() as told,
            uvicorn_serving(application(told)) as at,
            aiohttp.ClientSession() as client,
            client.ws_connect(f"ws://{at}/rooms/7") as session,
        ):
            for word in ("one", "two"):
                await session.send_str(word)
                assert await session.receive_str() == f"7: {word}"
            names.extend(span.name for span in told.spans)
        return told

    told = run(main())
    assert set(names) == {"message"}
    session = told.span("GET /rooms/{room}")
    assert session.attributes["http.response.status_code"] == 101
    assert session.attributes["url.scheme"] == "ws"
    assert session.attributes["network.protocol.name"] == "websocket"
    assert session.status_code is StatusCode.UNSET
    inside = [span for span in told.spans if span.name == "message"]
    assert [span.parent_span_id for span in inside] == [session.span_id] * 2
    assert told.points("http.server.request.duration") == {}
    assert told.points("http.server.active_requests") == {}


@pytest.mark.parametrize(("path", "status"), [("/closed", 403), ("/denied", 401)])
def test_a_refused_handshake_has_the_status_of_its_refusal(run, path, status):
    async def main():
        async with (
            telling() as told,
            uvicorn_serving(application(told)) as at,
            aiohttp.ClientSession() as client,
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(f"ws://{at}{path}")
        return told

    span = run(main()).span()
    assert span.attributes["http.response.status_code"] == status
    assert span.status_code is StatusCode.UNSET


def test_a_session_that_breaks_is_an_error(run):
    async def main():
        async with (
            telling() as told,
            uvicorn_serving(application(told)) as at,
            aiohttp.ClientSession() as client,
            client.ws_connect(f"ws://{at}/broken") as session,
        ):
            await session.receive()
            assert session.closed
        return told

    span = run(main()).span()
    assert span.name == "GET /broken"
    assert span.attributes["error.type"] == "LookupError"
    assert span.attributes["http.response.status_code"] == 101
    assert span.status_code is StatusCode.ERROR


@pytest.mark.parametrize("code", [1000, 1001, 1011])
def test_a_session_that_its_client_ends_is_an_error_unless_it_ends_normally(run, code):
    """Starlette raises WebSocketDisconnect in a handler that goes on listening."""

    async def main():
        async with (
            telling() as told,
            uvicorn_serving(application(told)) as at,
            aiohttp.ClientSession() as client,
            client.ws_connect(f"ws://{at}/listening") as session,
        ):
            await session.close(code=code)
        return told

    span = run(main()).span()
    failed = span.attributes.get("error.type", "").endswith("WebSocketDisconnect")
    assert failed is (span.status_code is StatusCode.ERROR) is (code == 1011)
