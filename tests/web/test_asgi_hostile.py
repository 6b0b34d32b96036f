"""Whatever a client sends, the middleware changes nothing and raises nothing."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from sluiceway.instrument import Telemetry
from sluiceway.web import AsgiMiddleware

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
