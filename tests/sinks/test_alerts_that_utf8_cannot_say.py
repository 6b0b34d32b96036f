"""An alert about a file whose name is no UTF-8 reaches whoever is to know of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from sluiceway.events import Alert
from sluiceway.formats.pagerduty import dedup_key
from sluiceway.formats.valid_json import encoded
from sluiceway.sinks import AlertmanagerSink, PagerDutySink, SlackSink, WebhookSink
from sluiceway.testing import MisbehavingServer, run

FILE = b"/srv/\xff".decode("utf-8", "surrogateescape")
ALERT = Alert(
    name="disk",
    message=f"cannot read {FILE}",
    labels={"file": FILE},
    annotations={FILE: "unreadable"},
    starts_at_unix_nano=1,
)


def message_of(alert):
    return {"text": alert.message, "share": float("nan")}


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (WebhookSink, 200),
        (lambda url: WebhookSink(url, payload=message_of), 200),
        (AlertmanagerSink, 200),
        (SlackSink, 200),
        (lambda url: PagerDutySink("R0UT1NG", url=url), 202),
    ],
)
def test_what_utf8_cannot_say_is_a_question_mark_in_the_message(make, status):
    async def main():
        async with MisbehavingServer() as server:
            await server.behave("answers", status=status)
            result = await run(make(f"{server.url}/hook"), [ALERT])
            return result, [request.body for request in server.requests]

    result, (body,) = asyncio.run(main())
    assert result.failures == {}
    assert "/srv/?" in str(json.loads(body))
    assert b"NaN" not in body


def test_an_alert_has_the_same_key_at_its_end():
    assert dedup_key(ALERT) == dedup_key(ALERT.copy())


def test_only_the_texts_that_need_it_are_changed():
    value = {"a": ["é", FILE, (1, None, True)], FILE: float("inf"), "b": b"\xff"}
    assert json.loads(encoded(value)) == {
        "a": ["é", "/srv/?", [1, None, True]],
        "/srv/?": None,
        "b": "/w==",
    }


def test_what_json_has_nothing_for_is_still_an_error():
    with pytest.raises(TypeError):
        encoded([FILE, object()])
