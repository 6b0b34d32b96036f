"""WebhookSink: what it sends, how it is signed, and what it makes of an answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.http_peers import answering, status

from sluiceway.errors import (
    ConfigurationError,
    PartialError,
    PermanentError,
    TransientError,
)
from sluiceway.events import Alert, AlertStatus
from sluiceway.formats.webhook import rfc3339, signature, signing_key
from sluiceway.layers.retry import RetryLayer
from sluiceway.settings import Retry
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.testing import ManualClock, stage_context

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the specification's example
FIRING = Alert(
    name="errors",
    severity="critical",
    message="5 % fail",
    labels={"route": "/pay"},
    annotations={"runbook": "x"},
    starts_at_unix_nano=1_700_000_000_500_000_000,
    generator_url="http://here",
)
OBJECT = {
    "name": "errors",
    "severity": "critical",
    "status": "firing",
    "message": "5 % fail",
    "labels": {"route": "/pay"},
    "annotations": {"runbook": "x"},
    "starts_at": "2023-11-14T22:13:20.5Z",
    "ends_at": None,
    "generator_url": "http://here",
}


async def write_to(server, *batches, clock=None, **options):
    """What the writes of one sink raise (None if nothing)."""
    sink = WebhookSink(server.url + "/hook/sesame", **options)
    await sink.open(stage_context(clock))
    errors = []
    for events in batches:
        try:
            errors.append(await sink.write(events))
        except (TransientError, PermanentError, PartialError) as error:
            errors.append(error)
    await sink.close()
    return errors


def outcome(answer, *batches, **options):
    async def scenario():
        async with answering(answer) as server:
            return await write_to(server, *batches, **options), server

    return asyncio.run(scenario())


def test_alerts_are_sent_as_a_json_list():
    resolved = Alert(
        name="errors", status=AlertStatus.RESOLVED, ends_at_unix_nano=10**18
    )
    errors, server = outcome(status(204), [FIRING, resolved])
    first, second = json.loads(server.bodies[0])
    assert errors == [None]
    assert first == OBJECT
    assert (second["status"], second["ends_at"]) == ("resolved", "2001-09-09T01:46:40Z")
    assert server.requests[0].headers["Content-Type"] == "application/json"
    assert server.requests[0].path == "/hook/sesame"


def test_other_events_are_sent_as_the_json_they_are():
    events = [{"deploy": 7}, "text", [1, None]]
    _, server = outcome(status(200), events)
    assert json.loads(server.bodies[0]) == events


def test_an_event_that_is_no_json_fails_alone():
    errors, server = outcome(status(200), [{"a": 1}, object(), {"b": 2}], [object()])
    assert json.loads(server.bodies[0]) == [{"a": 1}, {"b": 2}]
    assert {i: e.reason for i, e in errors[0].failed.items()} == {1: "not_json"}
    assert (errors[1].reason, len(server.bodies)) == ("not_json", 1)


def test_an_event_that_is_no_json_and_a_failure_are_both_told():
    errors, _ = outcome(status(503), [{"a": 1}, object()])
    reasons = {i: e.reason for i, e in errors[0].failed.items()}
    assert reasons == {0: "http_503", 1: "not_json"}


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(code):
    assert outcome(status(code), [FIRING])[0] == [None]


@pytest.mark.parametrize("code", [429, 500, 501, 502, 503, 504, 599])
def test_overload_and_server_errors_are_transient(code):
    errors, _ = outcome(status(code, Retry_After="9"), [FIRING])
    assert type(errors[0]) is TransientError
    assert (errors[0].reason, errors[0].retry_after) == (f"http_{code}", 9.0)


@pytest.mark.parametrize("code", [301, 302, 307, 308, 400, 401, 404, 408, 410, 422])
def test_redirects_and_refusals_are_permanent(code):
    errors, server = outcome(status(code, Location="/else"), [FIRING])
    assert type(errors[0]) is PermanentError
    assert errors[0].reason == f"http_{code}"
    assert len(server.requests) == 1


def test_the_signature_is_the_specifications_example():
    key = signing_key("secret", SECRET)
    sent = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    message = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert signature(key, message, 1614265330, b'{"test": 2432232314}') == sent


def test_what_is_sent_can_be_verified_by_its_headers():
    clock = ManualClock(time_ns=1_700_000_000_999_999_999)
    _, server = outcome(status(200), [FIRING], secret=SECRET, clock=clock)
    headers, body = server.requests[0].headers, server.bodies[0]
    message, seconds = headers["webhook-id"], headers["webhook-timestamp"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{message}.{seconds}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    assert seconds == "1700000000"
    assert headers["webhook-signature"] == f"v1,{expected.decode()}"


def test_without_a_secret_nothing_is_signed_but_messages_have_ids():
    _, server = outcome(status(200), [FIRING])
    headers = server.requests[0].headers
    assert "webhook-signature" not in headers
    assert headers["webhook-id"].startswith("msg_")


def test_a_message_keeps_its_id_while_it_is_tried_again_and_is_signed_anew():
    codes = [503, 429, 200, 200]

    async def scenario():
        def answer(request, body):
            return status(codes.pop(0))(request, body)

        async with answering(answer) as server:
            clock = ManualClock(time_ns=1_700_000_000_000_000_000)
            context = stage_context(clock)
            sink = WebhookSink(server.url, secret=SECRET)
            await sink.open(context)
            patience = MovingPatience(clock)
            layer = RetryLayer(sink.write, Retry(), clock, patience, chance=lambda: 1.0)
            await layer([FIRING])
            await layer([FIRING])
            await sink.close()
            return [dict(r.headers) for r in server.requests]

    sent = asyncio.run(scenario())
    ids = [headers["webhook-id"] for headers in sent]
    times = [int(headers["webhook-timestamp"]) for headers in sent]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert [time - times[0] for time in times] == [0, 1, 3, 3]
    assert len({headers["webhook-signature"] for headers in sent}) == 4


class MovingPatience:
    """Waits by moving the clock's hands."""

    def __init__(self, clock):
        self._clock = clock

    async def wait(self, seconds):
        self._clock.move(seconds)
        return True


def test_a_message_that_is_refused_for_good_gets_a_new_id_when_sent_again():
    _, server = outcome(status(400), [FIRING], [FIRING])
    ids = [request.headers["webhook-id"] for request in server.requests]
    assert ids[0] != ids[1]


def test_a_message_is_known_by_its_very_events_even_with_bad_ones_beside():
    _, server = outcome(status(503), [FIRING, object()], [FIRING], [FIRING.copy()])
    ids = [request.headers["webhook-id"] for request in server.requests]
    assert ids[0] == ids[1]
    assert ids[2] != ids[0]


def test_no_secret_stands_in_an_error_or_a_repr():
    def echo(request, body):
        words = f"{request.path_qs} {request.headers['X-Key']}".encode()
        return status(403, words, Content_Type="text/plain")(request, body)

    async def scenario():
        async with answering(echo) as server:
            options = {"secret": SECRET, "headers": {"X-Key": "swordfish"}}
            (error,) = await write_to(server, [FIRING], **options)
            sink = WebhookSink(server.url + "/hook/sesame", **options)
            return f"{error} {error!r} {sink!r}"

    shown = asyncio.run(scenario())
    assert "answered 403" in shown
    for secret in ("sesame", "swordfish", SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in shown


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("hooks.example.com/sesame", {}, "WebhookSink.url"),
        ("htp://hooks.example.com/sesame", {}, "'htp://hooks.example.com'"),
        ("http://h/x", {"secret": "whsec_sesame"}, "24 to 64 bytes"),
        ("http://h/x", {"secret": "sesame!"}, "whsec_"),
        ("http://h/x", {"secret": 7}, "whsec_"),
        ("http://h/x", {"secret": []}, "WebhookSink.secret is empty"),
        ("http://h/x", {"timeout": 0}, "WebhookSink.timeout is 0; expected seconds"),
        ("http://us:ses/w@h/x", {}, "'http://***@h'"),
        ("http://h/x", {"headers": {"a": "sesame\r\nb"}}, "WebhookSink.headers['a']"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_secrets(url, options, words):
    with pytest.raises(ConfigurationError) as caught:
        WebhookSink(url, **options)
    assert words in str(caught.value)
    assert "sesame" not in str(caught.value)


@given(st.integers(1, 4_102_444_800 * 10**9))
def test_a_time_survives_being_written(time_unix_nano):
    text = rfc3339(time_unix_nano)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    nanos = int(fraction.ljust(9, "0") or 0)
    assert seconds * 10**9 + nanos == time_unix_nano
    assert not fraction.endswith("0")


def test_an_unknown_time_is_null():
    assert rfc3339(0) is None
