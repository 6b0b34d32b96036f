"""What PushgatewaySink says of a gateway that misbehaves."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from servers.contexts import opened, stage_context
from servers.processes import free_port

from sluiceway.errors import (
    ConfigurationError,
    DeliveryError,
    PermanentError,
    TransientError,
)
from sluiceway.events import MetricKind, MetricPoint, Resource, Temporality
from sluiceway.formats.retry_after import seconds_asked
from sluiceway.sinks.pushgateway import PushgatewaySink

POINT = MetricPoint(name="a", value=1)


@asynccontextmanager
async def serving(answer):
    """A gateway whose every request is answered by ``answer(request)``."""
    server = web.Server(answer, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def answering(status, text="", **headers):
    async def answer(request):
        await request.read()
        return web.Response(status=status, text=text, headers=headers)

    return answer


def outcome_of(answer, *, make=PushgatewaySink, events=(POINT,), **options):
    """What a write to such a gateway raises, or None."""

    async def scenario():
        async with serving(answer) as url, opened(make(url, **options)) as sink:
            try:
                await sink.write(list(events))
            except DeliveryError as error:
                return error

    return asyncio.run(scenario())


@pytest.mark.parametrize("status", [200, 202])
def test_a_success_is_delivered(status):
    assert outcome_of(answering(status)) is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_gateway_is_worth_another_try(status):
    error = outcome_of(answering(status, "busy", **{"Retry-After": "7"}))
    assert isinstance(error, TransientError)
    assert (error.reason, error.retry_after) == (f"http_{status}", 7.0)
    assert str(error).startswith("http://127.0.0.1:")
    assert str(error).endswith(f"answered {status}: busy")


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413])
def test_a_refusal_is_final_and_no_redirect_is_followed(status):
    error = outcome_of(answering(status, "no\n way", Location="/elsewhere"))
    assert isinstance(error, PermanentError)
    assert (error.reason, str(error)[-6:]) == (f"http_{status}", "no way")


def test_an_endless_answer_is_cut():
    async def endless(request):
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"word " * 1000)
        except ConnectionError:
            return response

    error = outcome_of(endless)
    assert isinstance(error, PermanentError)
    assert len(str(error)) < 300


def test_a_connection_that_breaks_is_worth_another_try():
    async def broken(request):
        request.transport.abort()
        return web.Response()

    error = outcome_of(broken)
    assert isinstance(error, TransientError)
    assert error.reason == "connection"


def test_a_gateway_that_is_not_there_is_worth_another_try():
    async def scenario():
        url = f"http://127.0.0.1:{free_port()}"
        async with opened(PushgatewaySink(url)) as sink:
            with pytest.raises(TransientError) as caught:
                await sink.write([POINT])
        return url, caught.value

    url, error = asyncio.run(scenario())
    assert error.reason == "connection"
    assert str(error).startswith(f"no answer from {url}/metrics/job/sluiceway/")
    assert str(error).endswith("the connection failed (Connection refused)")


@pytest.mark.parametrize(
    "fields",
    [
        {"resource": None},
        {"scope": None},
        {"name": ["x"]},
        {"resource": Resource(10**99)},
    ],
)
def test_a_point_of_wrong_types_is_rejected_alone(fields):
    bad = MetricPoint(**{"name": "bad", "value": 1, **fields})
    negative = MetricPoint(name="n", value=-1, kind=MetricKind.SUM, is_monotonic=True)
    error = outcome_of(answering(200), events=[POINT, bad, negative, POINT])
    assert {at: each.reason for at, each in error.failed.items()} == {
        1: "malformed_point",
        2: "not_exportable",
    }


def test_a_delta_that_is_pushed_again_after_an_error_is_added_once():
    bodies = []

    async def answer(request):
        bodies.append(await request.text())
        return web.Response(status=503 if len(bodies) == 2 else 200)

    def delta(value):
        return MetricPoint(
            name="d", value=value, kind=MetricKind.SUM, temporality=Temporality.DELTA
        )

    async def scenario():
        async with serving(answer) as url, opened(PushgatewaySink(url)) as sink:
            await sink.write([delta(1)])
            with pytest.raises(TransientError):
                await sink.write([delta(2)])
            await sink.write([delta(2)])

    asyncio.run(scenario())
    assert [body.splitlines()[-1] for body in bodies] == ["d 1.0", "d 3.0", "d 3.0"]


def test_the_password_is_sent_and_shown_nowhere():
    seen = []

    async def echo(request):
        seen.append(request.headers["Authorization"])
        return web.Response(status=400, text=f"hunter2 {dict(request.headers)}")

    def make(url):
        return PushgatewaySink(
            url.replace("//", "//me:hunter2@"), headers={"X-Key": "abc123"}
        )

    token = b64encode(b"me:hunter2").decode()
    error = outcome_of(echo, make=make)
    assert seen == [f"Basic {token}"]
    texts = str(error) + repr(error) + repr(make("http://h"))
    assert not any(secret in texts for secret in ("hunter2", token, "abc123"))


def test_a_bearer_token_that_the_gateway_repeats_is_shown_nowhere():
    headers = {"Authorization": "Bearer hunter2secret"}
    error = outcome_of(answering(401, "no token hunter2secret"), headers=headers)
    assert str(error).endswith("answered 401: no token ***")


def test_groups_that_cannot_be_deleted_are_logged_and_close_goes_on(caplog):
    async def answer(request):
        return web.Response(status=200 if request.method == "PUT" else 500)

    with caplog.at_level(logging.WARNING):
        error = outcome_of(answer, delete_on_close=True)
    assert error is None
    assert "groups were not deleted: http://127.0.0.1:" in caplog.text
    assert "answered 500" in caplog.text


def test_a_closed_sink_says_so_and_can_open_again():
    async def scenario():
        async with serving(answering(200)) as url:
            sink = PushgatewaySink(url, job="again", grouping={})
            with pytest.raises(PermanentError, match="is not open"):
                await sink.write([POINT])
            for _ in range(2):
                await sink.open(stage_context())
                await sink.write([POINT])
                await sink.close()
            return sink.statistics()

    statistics = asyncio.run(scenario())
    assert statistics.pushes == 2
    assert statistics.series == {"/metrics/job/again": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "PATCH"}, "method is 'PATCH'; expected one of 'PUT', 'POST'"),
        ({"job": ""}, "job is ''"),
        ({"grouping": {"a-b": "1"}}, "'a-b'"),
        ({"grouping": {"job": "1"}}, "expected it as job=..."),
        ({"url": "ftp://x"}, "url is 'ftp://x'"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(settings, words):
    with pytest.raises(ConfigurationError) as caught:
        PushgatewaySink(**settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nonsense_is_ignored(header, seconds):
    assert seconds_asked(header, 10 * 10**9) == seconds
