"""WebhookSink beyond the plain list: payloads, key rotation, limits, and being gone."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from logging import ERROR

import pytest
from aiohttp import web
from servers.http_peers import answering, speaking, stalls, status
from waiting import until

from sluiceway import Inlet, Pipeline
from sluiceway.errors import (
    ConfigurationError,
    PartialError,
    PermanentError,
    TransientError,
)
from sluiceway.events import Alert
from sluiceway.formats.complaints import any_complaint, json_complaint
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.testing import ManualClock, stage_context

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
FIRING = Alert(name="errors", labels={"route": "/pay"})


@asynccontextmanager
async def posting(answer, *, clock=None, **options):
    """An open sink and the server that it posts to."""
    async with answering(answer) as server:
        sink = WebhookSink(server.url + "/hook/sesame", **options)
        await sink.open(stage_context(clock))
        try:
            yield sink, server
        finally:
            await sink.close()


async def error_of(sink, *events):
    try:
        await sink.write(list(events))
    except (TransientError, PermanentError, PartialError) as error:
        return error
    return None


def reasons(error):
    return {index: each.reason for index, each in error.failed.items()}


def in_turn(*answers):
    left = list(answers)

    def answer(request, body):
        return left.pop(0)(request, body)

    return answer


def test_while_keys_are_changed_each_message_is_signed_by_all(run):
    async def scenario():
        async with posting(status(200), secret=[NEW, OLD]) as (sink, server):
            assert await error_of(sink, FIRING) is None
            return server.requests[0].headers, server.bodies[0]

    headers, body = run(scenario())
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for secret, told in zip(
        [NEW, OLD], headers["webhook-signature"].split(" "), strict=True
    ):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        assert told == "v1," + base64.b64encode(digest).decode()


def test_with_a_payload_each_event_is_a_message_of_its_own(run):
    async def scenario():
        def payload(alert):
            return {"text": f"{alert.name}!"}

        async with posting(status(200), payload=payload, secret=OLD) as (sink, server):
            assert await error_of(sink, FIRING, Alert(name="b")) is None
            ids = [request.headers["webhook-id"] for request in server.requests]
            return [json.loads(body) for body in server.bodies], ids

    bodies, ids = run(scenario())
    assert bodies == [{"text": "errors!"}, {"text": "b!"}]
    assert len(set(ids)) == 2


def test_a_payload_that_raises_or_is_no_json_fails_its_event_alone(run):
    async def scenario():
        def payload(event):
            return {"text": 1 / event} if event < 2 else object()

        async with posting(status(200), payload=payload) as (sink, server):
            error = await error_of(sink, 1, 0, 2, -1)
            return error, server.bodies

    error, bodies = run(scenario())
    assert reasons(error) == {
        1: "not_json",
        2: "not_json",
    }
    assert bodies == [b'{"text":1.0}', b'{"text":-1.0}']


def test_one_message_that_is_refused_takes_no_other_with_it(run):
    async def scenario():
        answers = in_turn(status(200), status(400), status(500), status(200))
        async with posting(answers, payload=str) as (sink, server):
            return await error_of(sink, 1, 2, 3, 4), len(server.requests)

    error, requests = run(scenario())
    assert requests == 4
    assert reasons(error) == {
        1: "http_400",
        2: "http_500",
    }


def test_who_does_not_answer_is_not_asked_for_the_other_events(run):
    connections = 0

    async def scenario():
        async def talk(reader, writer, done):
            nonlocal connections
            connections += 1
            await stalls(reader, writer, done)

        async with speaking(talk) as url:
            sink = WebhookSink(url, payload=str, timeout=0.2)
            await sink.open(stage_context())
            error = await error_of(sink, 1, 2, 3)
            await sink.close()
            return error

    error = run(scenario())
    assert (type(error).retryable, error.reason, connections) == (True, "timeout", 1)


def test_a_batch_that_is_too_large_is_sent_in_halves(run):
    async def scenario():
        def answer(request, body):
            events = json.loads(body)
            too_large = len(events) > 2 or 7 in events
            return web.Response(status=413 if too_large else 200)

        async with posting(answer) as (sink, server):
            error = await error_of(sink, 1, 2, 3, 4, 5, 6, 7)
            return error, [json.loads(body) for body in server.bodies]

    error, bodies = run(scenario())
    assert reasons(error) == {6: "http_413"}
    taken = [body for body in bodies if len(body) <= 2 and 7 not in body]
    assert sorted(event for body in taken for event in body) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("code", [429, 503])
def test_who_asks_to_be_left_alone_is_left_alone_until_then(run, code, form):
    async def scenario():
        clock = ManualClock()
        date = email.utils.formatdate(clock.time_ns() // 10**9 + 30, usegmt=True)
        asked = {"seconds": "30", "date": date}[form]
        answers = in_turn(status(code, Retry_After=asked), status(200))
        async with posting(answers, clock=clock) as (sink, server):
            first = await error_of(sink, FIRING)
            clock.move(10)
            second = await error_of(sink, FIRING)
            assert len(server.requests) == 1
            clock.move(20)
            third = await error_of(sink, FIRING)
            return first, second, third, len(server.requests)

    first, second, third, requests = run(scenario())
    assert (first.reason, first.retry_after) == (f"http_{code}", 30.0)
    assert (second.reason, second.retry_after) == (f"http_{code}", 20.0)
    assert (third, requests) == (None, 2)


def test_who_is_gone_is_asked_no_more_and_that_is_said_once(run, caplog):
    async def scenario():
        async with posting(status(410)) as (sink, server):
            errors = [await error_of(sink, FIRING) for _ in range(3)]
            assert "disabled" in repr(sink)
            assert sink.statistics().disabled
            return errors, len(server.requests)

    errors, requests = run(scenario())
    assert [error.reason for error in errors] == ["http_410", "disabled", "disabled"]
    assert requests == 1
    lines = [record for record in caplog.records if record.levelno >= ERROR]
    assert len(lines) == 1
    assert "answered 410" in lines[0].getMessage()
    assert "sesame" not in caplog.text


def test_the_ledger_tells_what_was_rejected_after_a_410(run):
    async def scenario():
        async with answering(status(410)) as server:
            inlet = Inlet()
            sink = WebhookSink(server.url, payload=str, batch=None)
            pipeline = Pipeline(inlet >> sink)
            async with pipeline:
                await inlet.emit(1)
                await until(lambda: server.requests)
                await inlet.emit_many([2, 3])
            return pipeline.ledger()["webhook_sink"].rejected

    assert run(scenario()) == {"http_410": 1, "disabled": 2}


NOT_FOUND = b'{"ok":false,"error":"channel_not_found"}'
TEAMS = b"Webhook message delivery failed with error: Microsoft Teams endpoint "


def failing(body, code=200):
    return status(code, body, Content_Type="application/json")


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (NOT_FOUND, PermanentError, "channel_not_found"),
        (b'{"ok":false,"error":"rate_limited"}', TransientError, "rate_limited"),
        (b'{"ok":false,"error":"Free text, long"}', PermanentError, "not_ok"),
        (b'{"ok":false}', PermanentError, "not_ok"),
        (TEAMS + b"returned HTTP error 429 with ContextId", TransientError, "http_429"),
        (TEAMS + b"returned HTTP error 413", PermanentError, "http_413"),
    ],
)
def test_a_success_whose_body_complains_is_a_failure(run, body, kind, reason):
    async def scenario():
        answer = failing(body)
        async with posting(answer, payload=str, complain=any_complaint) as (sink, _):
            return await error_of(sink, 1)

    error = run(scenario())
    assert (type(error), error.reason) == (kind, reason)
    assert "answered 200, but failed: " in str(error)


@pytest.mark.parametrize(
    "body",
    [b"ok", b"", b"1", b'{"ok":true}', b"{", b"\xff", b'{"ok":null}', b"[" * 9999],
)
def test_a_body_that_says_nothing_clear_is_no_complaint(run, body):
    async def scenario():
        async with posting(failing(body), complain=any_complaint) as (sink, _):
            return await error_of(sink, 1)

    assert run(scenario()) is None


@pytest.mark.parametrize(
    ("told", "wait"), [(3, 3.0), (0.5, 0.5), ("3", None), (-1, None), (True, None)]
)
def test_a_wait_can_stand_in_the_body(told, wait):
    body = json.dumps({"ok": False, "error": "rate_limited", "retry_after": told})
    complaint = json_complaint(body.encode())
    assert (complaint.retryable, complaint.retry_after) == (True, wait)


def test_a_wait_asked_for_in_a_complaint_is_honoured(run):
    async def scenario():
        clock = ManualClock()
        body = b'{"ok":false,"error":"rate_limited"}'
        answer = status(200, body, Retry_After="7")
        options = {"complain": json_complaint, "clock": clock}
        async with posting(answer, **options) as (sink, server):
            first, second = await error_of(sink, 1), await error_of(sink, 1)
            return first.retry_after, second.retry_after, len(server.requests)

    assert run(scenario()) == (7.0, 7.0, 1)


def test_private_addresses_are_refused_where_that_is_asked_for(run):
    async def scenario():
        async with posting(status(200), refuse_private=True) as (sink, server):
            return await error_of(sink, FIRING), server.requests

    error, requests = run(scenario())
    assert (type(error), error.reason) == (PermanentError, "private_address")
    assert requests == []
    assert "sesame" not in str(error)


def test_no_secret_that_a_server_repeats_stands_in_an_error(run):
    def echo(request, body):
        words = f"bad {request.path} {NEW} {OLD} {request.headers['X-Key']}"
        return web.Response(status=400, text=words)

    async def scenario():
        options = {"secret": [NEW, OLD], "headers": {"X-Key": "swordfish"}}
        async with posting(echo, **options) as (sink, _):
            return f"{await error_of(sink, FIRING)!r} {sink!r} {sink.statistics()!r}"

    shown = run(scenario())
    assert "bad" in shown
    for secret in (NEW[6:], OLD[6:], "swordfish", "sesame"):
        assert secret not in shown


@pytest.mark.parametrize("setting", ["payload", "complain"])
def test_what_is_no_function_is_refused(setting):
    with pytest.raises(ConfigurationError, match=rf"WebhookSink\.{setting} is 7"):
        WebhookSink("http://h/", **{setting: 7})


def test_a_loop_is_not_kept_waiting_by_a_server_that_is_slow(run):
    """Two writes at the same time are two messages."""

    async def scenario():
        release = asyncio.Event()

        async def slow(request, body):
            await release.wait()
            return web.Response()

        async with posting(slow, max_in_flight=2) as (sink, server):
            writes = [asyncio.create_task(error_of(sink, n)) for n in (1, 2)]
            await until(lambda: len(server.requests) == 2)
            release.set()
            return await asyncio.gather(*writes)

    assert run(scenario()) == [None, None]
