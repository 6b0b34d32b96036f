"""WebhookSource, row by row of the table at its head."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from sluiceway import Inlet, Pipeline
from sluiceway.delivery import Delivery, DeliveryStatus
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus
from sluiceway.formats.verifying import any_same, refusal_of
from sluiceway.formats.webhook import alert_object, signing_key
from sluiceway.formats.webhook_body import read_alerts
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.sources.webhook import WebhookSource
from sluiceway.testing import CollectingSink, ManualClock, stage_context

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
NOW = 1_700_000_000
ALERT = Alert(name="errors", labels={"route": "/pay"}, starts_at_unix_nano=10**18)
BODY = json.dumps([alert_object(ALERT)]).encode()
D, R, E, X = (
    DeliveryStatus.DELIVERED,
    DeliveryStatus.REJECTED,
    DeliveryStatus.ERRORED,
    DeliveryStatus.DROPPED,
)


class Taker:
    """The pipeline's side: takes events, or does not, or loses them."""

    def __init__(self, endings=(), *, room=True):
        self.events = []
        self.asked = asyncio.Event()
        self._endings = endings
        self.room = asyncio.Event()
        if room:
            self.room.set()

    async def __call__(self, events):
        self.asked.set()
        await self.room.wait()
        self.events += events
        delivery = Delivery(len(events))
        for status, count in self._endings or [(D, len(events))]:
            delivery.settle(status, count, RuntimeError("the sink's words"))
        return delivery


@asynccontextmanager
async def serving(taker, *, clock=None, **options):
    """An open source whose ``run`` is under way, and a client's session."""
    source = WebhookSource(port=0, **options)
    await source.open(stage_context(clock))
    running = asyncio.create_task(source.run(taker))
    await asyncio.sleep(0)
    try:
        base = f"http://127.0.0.1:{source.port}"
        async with aiohttp.ClientSession(base) as session:
            yield source, session
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await source.close()


async def post(session, body=BODY, path="/", **headers):
    """One request's status, headers and text."""
    names = {"Content-Type": "application/json"}
    names |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.post(path, data=body, headers=names) as answer:
        return answer.status, answer.headers, await answer.text()


def exchange(body=BODY, path="/", *, endings=(), options=None, **headers):
    """One request to a source of its own: the answer, and what the pipeline got."""

    async def scenario():
        taker = Taker(endings)
        async with serving(taker, **(options or {})) as (_, session):
            return *await post(session, body, path, **headers), taker.events

    return asyncio.run(scenario())


def signed(secret, *, body=BODY, message="msg_1", at=NOW):
    """The headers of Standard Webhooks, written down from the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook_id": message,
        "webhook_timestamp": str(at),
        "webhook_signature": "v1," + base64.b64encode(digest).decode(),
    }


def test_alerts_in_our_own_words_are_taken():
    status, _, _, events = exchange()
    assert (status, events) == (200, [ALERT])


def test_one_object_is_one_alert():
    body = b'{"name":"a","status":"resolved","ends_at":"1970-01-01T00:00:01Z","x":1}'
    expected = Alert(name="a", status=AlertStatus.RESOLVED, ends_at_unix_nano=10**9)
    assert exchange(body)[3] == [expected]


def test_alertmanagers_notification_becomes_alerts():
    told = {
        "version": "4",
        "status": "firing",
        "truncatedAlerts": 0,
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "a", "severity": "page", "x": "y"},
                "annotations": {"summary": "s"},
                "startsAt": "1970-01-01T00:00:01Z",
                "endsAt": "0001-01-01T00:00:00Z",
            }
        ],
    }
    expected = Alert(
        name="a",
        severity="page",
        message="s",
        labels={"x": "y"},
        starts_at_unix_nano=10**9,
    )
    status, _, _, events = exchange(json.dumps(told).encode())
    assert (status, events) == (200, [expected])


@pytest.mark.parametrize(("truncated", "lines"), [(0, 0), (3, 1)])
def test_that_alertmanager_has_left_alerts_out_is_logged(truncated, lines, caplog):
    told = {"version": "4", "alerts": [], "truncatedAlerts": truncated}
    assert exchange(json.dumps(told).encode())[0] == 200
    assert caplog.text.count("left 3 alerts out") == lines


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"1",
        b'"text"',
        b"[" * 100_000,
        b'[{"name":7}]',
        b'[{"severity":"no name"}]',
        b'[{"name":"a","status":"burning"}]',
        b'[{"name":"a","starts_at":"yesterday"}]',
        b'{"version":"5","alerts":[]}',
        b'{"alerts":[]}',
        b'{"version":"4","alerts":[{"labels":{"a":1}}]}',
        b'{"version":"4","alerts":[{"labels":{"a":"b"},"status":"?"}]}',
    ],
)
def test_what_is_no_alert_is_answered_400(body):
    status, _, words, events = exchange(body)
    assert (status, events) == (400, [])
    assert words.startswith("no alerts: ")


@pytest.mark.parametrize(
    ("wrong", "right", "whole"),
    [
        ({"name": 7}, {"name": "a"}, list),
        ({"name": "b", "status": "burning"}, {"name": "a"}, list),
        ("text", {"name": "a"}, list),
        (
            {"status": "?", "labels": {"alertname": "b"}},
            {"status": "firing", "labels": {"alertname": "a"}},
            lambda alerts: {"version": "4", "alerts": alerts},
        ),
        (
            {"status": "firing", "labels": {"code": 500}},
            {"status": "firing", "labels": {"alertname": "a"}},
            lambda alerts: {"version": "4", "alerts": alerts},
        ),
    ],
)
def test_a_malformed_alert_costs_none_of_its_neighbours(
    run, caplog, wrong, right, whole
):
    body = json.dumps(whole([right, wrong, right])).encode()

    async def scenario():
        source, end = WebhookSource(port=0), CollectingSink()
        async with Pipeline(source >> end) as pipeline:
            base = f"http://127.0.0.1:{source.port}"
            async with aiohttp.ClientSession(base) as session:
                code = (await post(session, body))[0]
            await pipeline.flush()
            return code, end.events, pipeline.ledger()

    code, events, ledger = run(scenario())
    assert code == 200
    assert [alert.name for alert in events] == ["a", "a"]
    assert caplog.text.count("1 of 3 alerts of a request were none") == 1
    assert ledger.stages["webhook_source"].dropped == {"malformed": 1}
    assert ledger.balanced


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["alerts", "version", "labels", "name", "status"])
        | st.text(max_size=3), inner, max_size=4),
))  # fmt: skip
def test_whatever_json_comes_it_is_alerts_or_a_value_error(told):
    with suppress(ValueError):
        assert all(isinstance(alert, Alert) for alert in read_alerts(told))


def test_a_function_of_the_users_reads_other_bodies():
    def read(told):
        return [Alert(name=title) for title in told["titles"]]

    options = {"options": {"read": read}}
    assert exchange(b'{"titles":["a","b"]}', **options)[3] == [
        Alert(name="a"),
        Alert(name="b"),
    ]
    assert exchange(b"{}", **options)[0] == 400


def test_other_paths_methods_and_forms_are_refused():
    assert exchange(path="/else")[0] == 404
    assert exchange(path="/in", options={"path": "/in"})[0] == 200
    assert exchange(Content_Type="text/plain")[0] == 415
    assert exchange(Content_Type="application/vnd.alerts+json; charset=utf-8")[0] == 200
    assert exchange(Content_Encoding="gzip")[0] == 415

    async def scenario():
        async with serving(Taker()) as (_, session), session.get("/") as answer:
            return answer.status

    assert asyncio.run(scenario()) == 405


def test_a_body_that_is_too_large_is_refused_however_it_comes(run):
    async def scenario():
        async def endless():
            while True:
                yield b"x" * 1000

        async with serving(Taker(), max_body=2000) as (_, session):
            told = await post(session, b"x" * 2001)
            chunked = await post(session, endless())
            return told[0], chunked[0]

    assert run(scenario()) == (413, 413)


def test_what_is_no_http_is_a_400_that_fills_no_log(run, caplog):
    head = b"POST / HTTP/1.1\r\nAuthorization: Bearer to\x01ken\r\n\r\n"

    async def scenario():
        async with serving(Taker()) as (source, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(head)
            answer = await reader.read(12)
            writer.close()
            return answer

    assert run(scenario()) == b"HTTP/1.0 400"
    assert caplog.records == []


def test_a_body_that_drips_is_given_up(run):
    async def scenario():
        async def dripping():
            while True:
                yield b"["
                await asyncio.sleep(0.01)

        async with serving(Taker(), read_timeout=0.1) as (_, session):
            return (await post(session, dripping()))[0]

    assert run(scenario()) == 408


@pytest.mark.parametrize(
    "begun", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: h\r\n"]
)
def test_a_client_that_never_finishes_its_head_is_cut_off(run, begun):
    async def scenario():
        async with serving(Taker(), idle_timeout=0.1) as (source, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(begun)
            told = await reader.read()
            writer.close()
            return told

    assert run(scenario()) == b""


def test_a_client_that_goes_away_leaves_nothing_behind(run):
    async def scenario():
        async with serving(Taker()) as (source, session):
            _, writer = await asyncio.open_connection("127.0.0.1", source.port)
            head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: 99\r\n\r\n[".encode())
            await writer.drain()
            writer.transport.abort()
            return (await post(session))[0]

    assert run(scenario()) == 200


# Who may speak.


def test_a_message_signed_by_any_of_the_keys_is_taken():
    options = {"secret": [OTHER, SECRET], "clock": ManualClock(time_ns=NOW * 10**9)}
    for secret in (SECRET, OTHER):
        assert exchange(options=options, **signed(secret))[0] == 200


def test_one_right_signature_among_several_is_enough():
    headers = signed(SECRET)
    headers["webhook_signature"] = f"v1a,xx v1,bad {headers['webhook_signature']}"
    options = {"secret": SECRET, "clock": ManualClock(time_ns=NOW * 10**9)}
    assert exchange(options=options, **headers)[0] == 200


@pytest.mark.parametrize(("away", "code"), [(0, 200), (300, 200), (301, 401)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_timestamp_is_believed_within_five_minutes(away, sign, code):
    clock = ManualClock(time_ns=(NOW + sign * away) * 10**9)
    options = {"secret": SECRET, "clock": clock}
    assert exchange(options=options, **signed(SECRET))[0] == code


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_id": "msg_2"},
        {"webhook_timestamp": str(NOW + 1)},
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": "-5"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1,ÄÖ"},
        {"webhook_signature": " "},
        {"webhook_id": ""},
        {"body": BODY + b" "},
        {"secret": OTHER},
    ],
)
def test_a_message_that_is_not_rightly_signed_is_refused(change):
    headers = signed(change.pop("secret", SECRET))
    body = change.pop("body", BODY)
    options = {"secret": SECRET, "clock": ManualClock(time_ns=NOW * 10**9)}
    status, _, words, events = exchange(body, options=options, **(headers | change))
    assert (status, events) == (401, [])
    assert SECRET[6:] not in words


def test_what_is_not_signed_is_refused_before_its_body_is_read(run):
    async def scenario():
        async with serving(Taker(), secret=SECRET) as (source, _):
            talk = await asyncio.open_connection("127.0.0.1", source.port)
            head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            talk[1].write(f"{head}Content-Length: 99\r\n\r\n".encode())
            line = await talk[0].readline()
            talk[1].close()
            return line

    assert b" 401 " in run(scenario())


def test_the_specifications_example_is_verified():
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    keys = [signing_key("secret", SECRET)]
    body = b'{"test": 2432232314}'
    assert refusal_of(keys, headers, body, 1614265330) is None
    assert refusal_of(keys, headers, body + b"x", 1614265330) == "wrong signature"


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_texts_are_the_same_if_one_is_in_both(given_texts, expected):
    assert any_same(given_texts, expected) == bool({*given_texts} & {*expected})


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer new", 200),
        ("bearer old", 200),
        ("Bearer older", 401),
        ("Bearer", 401),
        ("", 401),
        ("Basic new", 401),
        ("Basic " + base64.b64encode(b"am:pass word").decode(), 200),
        ("Basic " + base64.b64encode(b"am:wrong").decode(), 401),
        ("Basic ÄÖ", 401),
    ],
)
def test_a_token_or_a_password_lets_in(header, code):
    options = {"token": ["new", "old"], "basic_auth": ("am", "pass word")}
    status, headers, *_ = exchange(options=options, Authorization=header)
    assert status == code
    assert ("WWW-Authenticate" in headers) == (code == 401)


def test_any_of_the_ways_that_are_set_lets_in():
    options = {"token": "t", "secret": SECRET}
    options["clock"] = ManualClock(time_ns=NOW * 10**9)
    assert exchange(options=options, Authorization="Bearer t")[0] == 200
    assert exchange(options=options, **signed(SECRET))[0] == 200
    assert exchange(options=options)[0] == 401


def test_a_signed_message_that_comes_twice_is_taken_once(run):
    async def scenario():
        clock, taker = ManualClock(time_ns=NOW * 10**9), Taker()
        async with serving(taker, clock=clock, secret=SECRET) as (_, session):
            codes = [(await post(session, **signed(SECRET)))[0] for _ in range(3)]
            other = await post(session, **signed(SECRET, message="msg_2"))
            return codes, other[0], len(taker.events)

    assert run(scenario()) == ([200] * 3, 200, 2)


def test_a_message_that_was_not_taken_may_come_again(run):
    async def scenario():
        clock, taker = ManualClock(time_ns=NOW * 10**9), Taker(room=False)
        options = {"secret": SECRET, "accept_timeout": 0.05, "clock": clock}
        async with serving(taker, **options) as (_, session):
            first = await post(session, **signed(SECRET))
            taker.room.set()
            second = await post(session, **signed(SECRET))
            return first[0], second[0], taker.events

    assert run(scenario()) == (503, 200, [ALERT])


def test_a_signed_message_that_comes_again_while_it_is_handled_is_taken_once(run):
    """As from a sender whose own time-out is shorter than the pipeline."""

    async def scenario():
        clock, taker = ManualClock(time_ns=NOW * 10**9), Taker(room=False)
        async with serving(taker, clock=clock, secret=SECRET) as (_, session):
            first = asyncio.create_task(post(session, **signed(SECRET)))
            await taker.asked.wait()
            second = await post(session, **signed(SECRET))
            other = asyncio.create_task(
                post(session, **signed(SECRET, message="msg_2"))
            )
            taker.room.set()
            codes = [second[0], (await first)[0], (await other)[0]]
            third = await post(session, **signed(SECRET))
            return codes, third[0], len(taker.events)

    assert run(scenario()) == ([503, 200, 200], 200, 2)


# What becomes of the events.


@pytest.mark.parametrize(
    ("endings", "code", "words"),
    [
        ([(D, 1)], 200, ""),
        ([(R, 1)], 400, "rejected: the sink's words"),
        ([(E, 1)], 503, "not delivered: the sink's words"),
        ([(X, 1)], 503, "not delivered: the sink's words"),
    ],
)
def test_with_ack_delivered_the_answer_is_the_outcome(endings, code, words):
    options = {"ack": "delivered"}
    status, headers, text, _ = exchange(endings=endings, options=options)
    assert (status, text) == (code, words)
    assert ("Retry-After" in headers) == (code == 503)


def test_with_ack_delivered_some_that_were_rejected_are_told():
    body = json.dumps([alert_object(ALERT)] * 3).encode()
    options = {"ack": "delivered"}
    status, _, text, _ = exchange(body, endings=[(D, 2), (R, 1)], options=options)
    assert (status, text) == (200, "1 rejected: the sink's words")


def test_a_full_pipeline_is_answered_503(run):
    async def scenario():
        options = {"accept_timeout": 0.05}
        async with serving(Taker(room=False), **options) as (source, session):
            status, headers, _ = await post(session)
            return status, headers["Retry-After"], source.statistics()

    status, wait, statistics = run(scenario())
    assert (status, wait) == (503, "1")
    assert (statistics.answers, statistics.events) == ({503: 1}, 0)


def test_from_the_stop_on_it_answers_503_and_hands_over_what_it_took(run):
    async def scenario():
        taker = Taker(room=False)
        async with serving(taker) as (source, session):
            first = asyncio.create_task(post(session))
            await taker.asked.wait()
            source.stop()
            late = await post(session)
            assert "stopping" in repr(source)
            taker.room.set()
            return late[0], (await first)[0], taker.events

    assert run(scenario()) == (503, 200, [ALERT])


def test_before_it_runs_it_answers_503(run):
    async def scenario():
        source = WebhookSource(port=0)
        await source.open(stage_context())
        base = f"http://127.0.0.1:{source.port}"
        async with aiohttp.ClientSession(base) as session:
            status = (await post(session))[0]
        await source.close()
        return status

    assert run(scenario()) == 503


def test_a_read_function_that_breaks_is_a_500_and_the_source_goes_on(run, caplog):
    async def scenario():
        def read(told):
            raise OSError(str(told))

        async with serving(Taker(), read=read) as (_, session):
            return [(await post(session, b"1"))[:3:2] for _ in range(2)]

    assert run(scenario()) == [(500, "the receiver failed")] * 2
    assert "a request to / failed" in caplog.text


def test_what_a_webhook_sink_sends_a_webhook_source_receives(run):
    async def scenario():
        source = WebhookSource(port=0, secret=[OTHER, SECRET])
        received = CollectingSink()
        async with Pipeline(source >> received):
            inlet = Inlet()
            url = f"http://127.0.0.1:{source.port}/"
            sending = Pipeline(inlet >> WebhookSink(url, secret=SECRET))
            async with sending:
                await inlet.emit_many([ALERT, ALERT.copy()])
            await received.wait_for(2)
        return received.events, sending.ledger().lost

    assert run(scenario()) == ([ALERT, ALERT], 0)


def test_it_listens_on_loopback_unless_it_is_told_otherwise():
    assert WebhookSource().host == "127.0.0.1"


def test_a_port_that_is_taken_is_told_of(run):
    async def scenario():
        async with serving(Taker()) as (source, _):
            second = WebhookSource(port=source.port)
            with pytest.raises(ConfigurationError, match="WebhookSource cannot listen"):
                await second.open(stage_context())

    run(scenario())


def test_no_secret_stands_in_a_repr():
    options = {"secret": SECRET, "token": "sesame", "basic_auth": ("u", "swordfish")}
    shown = repr(WebhookSource(**options)) + str(WebhookSource(**options).statistics())
    assert not [s for s in (SECRET[6:], "sesame", "swordfish") if s in shown]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port": 70000}, "WebhookSource.port is 70000"),
        ({"path": "alerts"}, "WebhookSource.path is 'alerts'"),
        ({"path": "/{x}"}, "WebhookSource.path"),
        ({"secret": "sesame"}, "24 to 64 bytes"),
        ({"secret": []}, "WebhookSource.secret is empty"),
        ({"token": ()}, "WebhookSource.token is empty"),
        ({"token": "ses ame"}, "WebhookSource.token"),
        ({"token": ""}, "WebhookSource.token"),
        ({"basic_auth": "sesame"}, "WebhookSource.basic_auth"),
        ({"basic_auth": ("a:b", "sesame")}, "WebhookSource.basic_auth"),
        ({"read": 7}, "WebhookSource.read is 7"),
        ({"ack": "acepted"}, "did you mean 'accepted'"),
        ({"max_body": 0}, "WebhookSource.max_body is 0"),
        ({"read_timeout": 0}, "WebhookSource.read_timeout is 0"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_secrets(options, words):
    with pytest.raises(ConfigurationError) as caught:
        WebhookSource(**options)
    assert words in str(caught.value)
    assert "ses" not in str(caught.value)


def test_many_at_a_time_are_all_taken(run):
    async def scenario():
        taker = Taker()
        async with serving(taker) as (_, session):
            answers = await asyncio.gather(*(post(session) for _ in range(50)))
            await until(lambda: len(taker.events) == 50)
            return {answer[0] for answer in answers}

    assert run(scenario()) == {200}
