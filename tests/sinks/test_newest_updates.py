"""Updates of an alert supersede each other while they must wait, and only then."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest
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
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.testing import ManualClock

F, R = AlertStatus.FIRING, AlertStatus.RESOLVED


def update(name, number, state=F):
    return Alert(name=name, message=str(number), status=state)


def test_an_update_is_superseded_while_the_receiver_wants_to_be_left_alone():
    newest = Newest()
    updates = [newest.begin(key, limited=True) for key in "aba"]
    assert [update.superseded for update in updates] == [True, False, False]


def test_no_update_is_superseded_that_can_be_sent_at_once():
    newest = Newest()
    first = newest.begin("a", limited=False)
    newest.begin("a", limited=False)
    assert not first.superseded


def test_an_update_that_waits_is_superseded_by_the_next_one():
    newest = Newest()
    first = newest.begin("a", limited=False)
    assert newest.postpone(first)
    assert not first.superseded
    newest.begin("a", limited=False)
    assert first.superseded


def test_an_update_that_fails_after_a_later_one_came_is_not_needed():
    newest = Newest()
    first, second = (newest.begin("a", limited=False) for _ in range(2))
    assert not newest.postpone(first)
    assert newest.postpone(second)


def test_what_is_no_alert_supersedes_nothing():
    newest = Newest()
    updates = [newest.begin(alert_key(event), limited=True) for event in "xyx"]
    assert not any(update.superseded for update in updates)
    assert len(newest) == 0


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
    newest = Newest()
    waiting, sent = {"a": [], "b": []}, {"a": [], "b": []}
    for number, (name, step) in enumerate(steps):
        line = waiting[name]
        if step == "begin":
            line.append((number, newest.begin(name, limited=limited)))
        elif line:  # one at a time, and the oldest of those that wait first
            first, begun = line.pop(0)
            if begun.superseded:
                newest.end(begun)
            elif step == "send":
                sent[name].append(first)
                newest.end(begun)
            elif newest.postpone(begun):
                line.append((first, begun))
            else:
                newest.end(begun)
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


def test_an_alert_that_was_given_up_is_sent_when_it_is_emitted_again(run):
    """The very object: an application may keep one for each state of an alert."""

    async def scenario():
        codes = [500, 202, 202]
        firing, over = update("a", 1), update("a", 2, R)
        async with answering(lambda r, b: web.Response(status=codes.pop(0))) as server:
            inlet = Inlet()
            sink = PagerDutySink("key", url=server.url, batch=None, retry=None)
            async with Pipeline(inlet >> sink) as pipeline:
                for event in (firing, over, firing):
                    await inlet.emit(event)
                    await pipeline.flush()
            told = [json.loads(body)["event_action"] for body in server.bodies]
            return pipeline.ledger()["pager_duty_sink"], told

    books, actions = run(scenario())
    assert actions == ["trigger", "resolve", "trigger"]
    assert (books.delivered, books.merged, books.lost) == (2, 0, 1)


def test_one_object_that_is_emitted_while_it_waits_is_the_newest_update_again(run):
    async def scenario():
        clock, left = ManualClock(), [429]

        def answer(request, body):
            code = left.pop() if left else 202
            return web.Response(status=code, headers={"Retry-After": "30"})

        firing, over = update("a", 1), update("a", 2, R)
        async with answering(answer) as server:
            inlet = Inlet()
            sink = PagerDutySink("key", url=server.url, batch=None, name="pager")
            pipeline = Pipeline(inlet >> sink, clock=clock)
            async with pipeline:
                await inlet.emit(firing)
                await until(lambda: sink.statistics().answers)
                await inlet.emit(over)
                await inlet.emit(firing)
                await until(lambda: pipeline.ledger()[sink.name].received == 3)
                await turns(50)  # all are written, and wait
                await clock.advance(31)
                await until(lambda: len(server.requests) == 2)
            told = [json.loads(body)["event_action"] for body in server.bodies]
            return pipeline.ledger()["pager"], told

    books, actions = run(scenario())
    assert actions == ["trigger", "trigger"]
    assert (books.delivered, books.merged, books.lost) == (1, 2, 0)


@pytest.mark.parametrize("make", [WebhookSink, SlackSink])
def test_alerts_that_were_given_up_are_not_held(run, make):
    async def scenario():
        async with answering(status(500)) as server:
            inlet = Inlet()
            sink = make(server.url, retry=None, max_in_flight=2)
            async with Pipeline(inlet >> sink) as pipeline:
                await inlet.emit_many([update(f"a{n}", 1) for n in range(100)])
                await pipeline.flush()
                await turns(5)
                gc.collect()
                held = [e for e in gc.get_objects() if isinstance(e, Alert)]
                return pipeline.ledger().lost, len(held)

    lost, held = run(scenario())
    assert lost == 100
    assert held <= 20  # the batch of the error that was logged
