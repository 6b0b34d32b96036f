"""SlackSink and PagerDutySink: what they send, and what they make of an answer."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
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
from sluiceway.formats import pagerduty, slack
from sluiceway.sinks.pagerduty import PagerDutySink
from sluiceway.sinks.slack import SlackSink
from sluiceway.testing import stage_context

ALERT = Alert(
    name="HighErrorRate",
    severity="critical",
    message="5 % of /pay fail",
    labels={"route": "/pay", "host": "web-1"},
    annotations={"runbook": "http://wiki"},
    starts_at_unix_nano=1_700_000_000_500_000_000,
    generator_url="http://here/graph",
)
OVER = ALERT.copy()
OVER.status = AlertStatus.RESOLVED
OVER.ends_at_unix_nano = 1_700_000_060_000_000_000
KEY = "R0UT1NGKEY"


@asynccontextmanager
async def posting(make, answer):
    async with answering(answer) as server:
        sink = make(server.url + "/services/T0/B0/sesame")
        await sink.open(stage_context())
        try:
            yield sink, server
        finally:
            await sink.close()


def pager(url):
    return PagerDutySink(KEY, url=url)


def web_api(url):
    return SlackSink(url, token="xoxb-swordfish", channel="#ops")


async def error_of(sink, *events):
    try:
        await sink.write(list(events))
    except (TransientError, PermanentError, PartialError) as error:
        return error
    return None


def outcome(run, make, answer, *events):
    async def scenario():
        async with posting(make, answer) as (sink, server):
            return await error_of(sink, *(events or (ALERT,))), server

    return run(scenario())


def test_an_alert_is_a_message_of_slack(run):
    error, server = outcome(run, SlackSink, status(200, b"ok"), ALERT, OVER)
    first, second = (json.loads(body) for body in server.bodies)
    assert error is None
    assert first == {
        "text": "[CRITICAL] HighErrorRate",
        "mrkdwn": False,
        "attachments": [
            {
                "color": "danger",
                "fallback": "[CRITICAL] HighErrorRate",
                "title": "[CRITICAL] HighErrorRate",
                "title_link": "http://here/graph",
                "text": "5 % of /pay fail",
                "fields": [
                    {"title": "route", "value": "/pay", "short": True},
                    {"title": "host", "value": "web-1", "short": True},
                    {"title": "runbook", "value": "http://wiki", "short": True},
                ],
                "mrkdwn_in": [],
                "ts": 1_700_000_000,
            }
        ],
    }
    assert second["text"] == "[RESOLVED] HighErrorRate"
    assert second["attachments"][0]["color"] == "good"
    assert second["attachments"][0]["ts"] == 1_700_000_060


def test_a_chat_is_told_that_somebody_has_taken_an_alert_on():
    known = Alert(name="Down", status=AlertStatus.ACKNOWLEDGED)
    assert slack.slack_message(known)["text"] == "[ACKNOWLEDGED] Down"


@given(st.builds(Alert, name=st.text(), severity=st.text(), message=st.text(),
                 labels=st.dictionaries(st.text(), st.text())))  # fmt: skip
def test_nothing_that_an_alert_says_is_obeyed_by_slack(alert):
    shown = json.dumps(slack.slack_message(alert))
    assert "<" not in shown
    assert ">" not in shown


def test_a_long_alert_is_shortened():
    alert = Alert(name="n" * 9999, message="m" * 99_999, labels={"a": "x" * 9999})
    message = slack.slack_message(alert)
    assert len(json.dumps(message)) < 10_000
    assert message["attachments"][0]["text"].endswith("m…")


def test_the_web_api_is_told_the_channel_and_the_token(run):
    error, server = outcome(run, web_api, status(200, b'{"ok":true}'))
    assert error is None
    assert json.loads(server.bodies[0])["channel"] == "#ops"
    assert server.requests[0].headers["Authorization"] == "Bearer xoxb-swordfish"


@pytest.mark.parametrize(
    ("make", "answer", "kind", "reason"),
    [
        (SlackSink, status(400, b"invalid_payload"), PermanentError, "http_400"),
        (SlackSink, status(403, b"action_prohibited"), PermanentError, "http_403"),
        (SlackSink, status(404, b"channel_not_found"), PermanentError, "http_404"),
        (SlackSink, status(410, b"channel_is_archived"), PermanentError, "http_410"),
        (SlackSink, status(500, b"rollup_error"), TransientError, "http_500"),
        (SlackSink, status(429, Retry_After="1"), TransientError, "http_429"),
        (SlackSink, status(302, Location="/"), PermanentError, "http_302"),
        (SlackSink, status(200, b'{"ok":false}'), PermanentError, "not_ok"),
        (web_api, status(200, b"ok"), TransientError, "not_ok"),
        (web_api, status(200, b"{}"), PermanentError, "not_ok"),
        (
            web_api,
            status(200, b'{"ok":false,"error":"invalid_auth"}'),
            PermanentError,
            "invalid_auth",
        ),
        (
            web_api,
            status(200, b'{"ok":false,"error":"ratelimited"}', Retry_After="9"),
            TransientError,
            "ratelimited",
        ),
        (pager, status(400, b'{"status":"x"}'), PermanentError, "http_400"),
        (pager, status(429), TransientError, "http_429"),
        (pager, status(500), TransientError, "http_500"),
        (
            pager,
            status(200, b'{"status":"invalid event","message":"no"}'),
            PermanentError,
            "invalid_event",
        ),
        (
            pager,
            status(200, b'{"status":"throttle exceeded"}'),
            TransientError,
            "throttled",
        ),
    ],
)
def test_what_an_answer_means(run, make, answer, kind, reason):
    error, _ = outcome(run, make, answer)
    assert (type(error), error.reason) == (kind, reason)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status":"success"}', b"no json"])
def test_an_event_that_pagerduty_has_taken_is_delivered(run, body):
    assert outcome(run, pager, status(202, body))[0] is None


def test_an_alert_triggers_an_incident_and_its_end_resolves_it(run):
    _, server = outcome(run, pager, status(202), ALERT, OVER)
    first, second = (json.loads(body) for body in server.bodies)
    key = first["dedup_key"]
    assert first == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": "HighErrorRate: 5 % of /pay fail",
            "source": "web-1",
            "severity": "critical",
            "class": "HighErrorRate",
            "custom_details": {**ALERT.labels, **ALERT.annotations},
            "timestamp": "2023-11-14T22:13:20.5Z",
        },
        "client": "sluiceway",
        "client_url": "http://here/graph",
        "links": [{"href": "http://here/graph", "text": "where it was found"}],
    }
    assert second == {"routing_key": KEY, "event_action": "resolve", "dedup_key": key}


def test_a_function_says_what_acknowledges(run):
    def action(alert):
        return {"1": "acknowledge", "2": "shout"}.get(alert.message, "trigger")

    def make(url):
        return PagerDutySink(KEY, url=url, action=action)

    alerts = [Alert(name="a", message=str(n)) for n in range(3)]
    error, server = outcome(run, make, status(202), *alerts)
    sent = [json.loads(body)["event_action"] for body in server.bodies]
    assert sent == ["trigger", "acknowledge"]
    assert {i: e.reason for i, e in error.failed.items()} == {2: "not_an_alert"}
    assert "expected one of 'trigger'" in str(error.failed[2])


@given(
    st.builds(
        Alert,
        name=st.text(),
        severity=st.text(),
        message=st.text(max_size=3000),
        labels=st.dictionaries(st.text(), st.text()),
    )
)
def test_whatever_an_alert_says_its_event_is_within_the_limits(alert):
    event = pagerduty.pagerduty_event(alert, KEY, "trigger")
    payload = event["payload"]
    assert 0 < len(event["dedup_key"]) <= pagerduty.LONGEST_KEY
    assert 0 < len(payload["summary"]) <= pagerduty.LONGEST_SUMMARY
    assert payload["source"]
    assert payload["severity"] in {"critical", "error", "warning", "info"}


def test_the_key_is_of_the_name_and_the_labels_alone():
    other = Alert(name=ALERT.name, labels=dict(reversed(ALERT.labels.items())))
    assert pagerduty.dedup_key(other) == pagerduty.dedup_key(ALERT)
    assert pagerduty.dedup_key(Alert(name="b")) != pagerduty.dedup_key(Alert(name="c"))


def test_details_that_are_too_large_are_left_out():
    alert = Alert(name="a", labels={"log": "x" * 600_000})
    event = json.loads(pagerduty.encode_event(alert, KEY, "trigger"))
    assert event["payload"]["custom_details"] == pagerduty.TOO_LARGE


@pytest.mark.parametrize("make", [SlackSink, web_api, pager])
def test_what_is_no_alert_fails_alone(run, make):
    answer = status(200, b'{"ok":true}')
    error, server = outcome(run, make, answer, object(), ALERT, 7)
    reasons = {index: each.reason for index, each in error.failed.items()}
    assert reasons == {0: "not_an_alert", 2: "not_an_alert"}
    assert len(server.requests) == 1


@pytest.mark.parametrize("make", [SlackSink, web_api, pager])
def test_no_secret_stands_in_an_error_a_repr_or_the_log(run, make, caplog):
    def echo(request, body):
        token = request.headers.get("Authorization", "")
        words = f"bad {request.path} {token} {KEY}"
        return web.Response(status=410, text=words)

    async def scenario():
        async with posting(make, echo) as (sink, _):
            return f"{await error_of(sink, ALERT)!r} {sink!r} {sink.statistics()!r}"

    shown = run(scenario()) + caplog.text
    assert "answered 410" in shown
    hidden = ["sesame", "swordfish"] + ([KEY] if make is pager else [])
    assert not [secret for secret in hidden if secret in shown]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (SlackSink, "neither url nor token"),
        (lambda: SlackSink("sesame"), "SlackSink.url"),
        (lambda: SlackSink(token="sesame"), "has a token and no channel"),
        (lambda: SlackSink("http://h/sesame", channel="x"), "a channel and no token"),
        (lambda: SlackSink(token="ses\name", channel="x"), "SlackSink.headers"),
        (lambda: SlackSink(token=3, channel="x"), "SlackSink.token cannot be used"),
        (lambda: SlackSink(token="", channel="x"), "SlackSink.token cannot be used"),
        (lambda: SlackSink(token="sesame", channel=[]), "SlackSink.channel cannot be"),
        (
            lambda: SlackSink("http://h", payload=3),
            "SlackSink.payload is 3; expected a",
        ),
        (
            lambda: SlackSink("http://h", timeout=-1),
            "SlackSink.timeout is -1; expected",
        ),
        (lambda: SlackSink("http://h", timeout=True), "SlackSink.timeout is True"),
        (lambda: PagerDutySink("k", action="trigger"), "PagerDutySink.action is 'trig"),
        (lambda: PagerDutySink("sesame\n"), "PagerDutySink.routing_key cannot be used"),
        (lambda: PagerDutySink("k", refuse_private=1), "refuse_private is 1; expected"),
        (lambda: PagerDutySink(""), "PagerDutySink.routing_key"),
        (lambda: PagerDutySink(None), "PagerDutySink.routing_key"),
        (lambda: PagerDutySink("sesame", url="x"), "PagerDutySink.url is 'x'"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_secrets(make, words):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert words in str(caught.value)
    assert "ses" not in str(caught.value).replace("SlackSink.url is 'sesame'", "")
