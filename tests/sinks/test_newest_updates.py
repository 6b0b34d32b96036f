"""Updates of an alert supersede each other while they must wait, and only then."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from servers.http_peers import answering, status
from waiting import turns, until

from sluiceway import Inlet, Pipeline, Retry
from sluiceway.events import Alert, AlertStatus
from sluiceway.sinks.newest import Newest, alert_key
from sluiceway.sinks.pagerduty import PagerDutySink
from sluiceway.sinks.slack import SlackSink
from sluiceway.testing import ManualClock

F, R = AlertStatus.FIRING, AlertStatus.RESOLVED


def update(name, number, state=F):
    return Alert(name=name, message=str(number), status=state)


def test_an_update_is_superseded_while_the_receiver_wants_to_be_left_alone():
    newest = Newest(alert_key)
    first, second, other = update("a", 1), update("a", 2), update("b", 1)
    for event in (first, other, second):
        newest.begin(event, limited=True)
    assert [newest.is_superseded(e) for e in (first, other, second)] == [
        True,
        False,
        False,
    ]


def test_no_update_is_superseded_that_can_be_sent_at_once():
    newest = Newest(alert_key)
    first, second = update("a", 1), update("a", 2)
    newest.begin(first, limited=False)
    newest.begin(second, limited=False)
    assert not newest.is_superseded(first)


def test_an_update_that_waits_is_superseded_by_the_next_one():
    newest = Newest(alert_key)
    first, second = update("a", 1), update("a", 2)
    newest.begin(first, limited=False)
    assert newest.postpone(first)
    newest.begin(first, limited=False)
    assert not newest.is_superseded(first)
    newest.begin(second, limited=False)
    assert newest.is_superseded(first)


def test_an_update_that_fails_after_a_later_one_came_is_not_needed():
    newest = Newest(alert_key)
    first, second = update("a", 1), update("a", 2)
    newest.begin(first, limited=False)
    newest.begin(second, limited=False)
    assert not newest.postpone(first)
    assert newest.postpone(second)


def test_what_is_no_alert_supersedes_nothing():
    newest = Newest(alert_key)
    for event in ("x", "y", "x"):
        newest.begin(event, limited=True)
    assert not newest.is_superseded("x")


def test_updates_that_were_given_up_are_forgotten_in_the_end():
    newest = Newest(alert_key, most=3)
    for number in range(9):
        newest.begin(update(str(number), 1), limited=False)
    assert len(newest) == 3


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["begin", "fail", "send"])),
        max_size=40,
    ),
    st.booleans(),
)
def test_what_is_sent_of_an_alert_is_never_older_than_what_was_sent_before(
    steps, limited
):
    newest = Newest(alert_key)
    waiting, sent = {"a": [], "b": []}, {"a": [], "b": []}
    for number, (name, step) in enumerate(steps):
        line = waiting[name]
        if step == "begin":
            line.append(update(name, number))
            newest.begin(line[-1], limited=limited)
        elif line:  # one at a time, and the oldest of those that wait first
            event = line.pop(0)
            if newest.is_superseded(event):
                newest.end(event)
            elif step == "send":
                sent[name].append(int(event.message))
                newest.end(event)
            elif newest.postpone(event):
                line.append(event)
            else:
                newest.end(event)
    assert all(numbers == sorted(numbers) for numbers in sent.values())


def told(body):
    message = json.loads(body)["attachments"][0]
    return message["text"] + message["title"][:2]


def test_while_limited_only_the_newest_update_of_each_alert_is_sent(run):
    async def scenario():
        clock, left = ManualClock(), [429]

        def answer(request, body):
            code = left.pop() if left else 200
            return web.Response(status=code, headers={"Retry-After": "30"})

        async with answering(answer) as server:
            inlet = Inlet()
            sink = SlackSink(server.url, batch=None)
            pipeline = Pipeline(inlet >> sink, clock=clock)
            async with pipeline:
                await inlet.emit(update("a", 1))
                await until(lambda: server.requests)
                for number in (2, 3, 4):
                    await inlet.emit(update("a", number))
                await inlet.emit(update("b", 1))
                await inlet.emit(update("a", 5, R))
                await until(lambda: pipeline.ledger()["slack_sink"].received == 6)
                await turns(50)  # all are written, and wait
                await clock.advance(29)
                assert len(server.requests) == 1
                await clock.advance(2)
                await until(lambda: len(server.requests) == 3)
            return pipeline.ledger(), [told(body) for body in server.bodies]

    ledger, texts = run(scenario())
    assert texts[0] == "1[W"
    assert sorted(texts[1:]) == ["1[W", "5[R"]
    assert ledger.balanced
    assert ledger.lost == 0
    assert (ledger["slack_sink"].merged, ledger["slack_sink"].delivered) == (4, 2)


def test_unlimited_every_update_is_sent_in_order(run):
    async def scenario():
        async with answering(status(202)) as server:
            inlet = Inlet()
            pipeline = Pipeline(inlet >> PagerDutySink("key", url=server.url))
            async with pipeline:
                for _ in range(5):
                    await inlet.emit_many([update("a", 1), update("a", 1, R)])
            told = [json.loads(body)["event_action"] for body in server.bodies]
            return pipeline.ledger()["pager_duty_sink"].delivered, told

    assert run(scenario()) == (10, ["trigger", "resolve"] * 5)


def test_a_resolution_overtakes_the_update_that_failed_before_it(run):
    async def scenario():
        clock, codes = ManualClock(), [500, 202, 202]
        async with answering(lambda r, b: web.Response(status=codes.pop(0))) as server:
            inlet = Inlet()
            sink = PagerDutySink("key", url=server.url, batch=None, retry=Retry())
            pipeline = Pipeline(inlet >> sink, clock=clock)
            async with pipeline:
                await inlet.emit(update("a", 1))
                await until(lambda: server.requests)
                await asyncio.sleep(0)
                await inlet.emit(update("a", 2, R))
                await until(lambda: len(server.requests) == 2)
                await clock.advance(60)
            told = [json.loads(body)["event_action"] for body in server.bodies]
            return pipeline.ledger()["pager_duty_sink"], told

    books, actions = run(scenario())
    assert actions == ["trigger", "resolve"]
    assert (books.merged, books.delivered, books.lost) == (1, 1, 0)
