"""AlertmanagerSink: every member, resending, resolving, and what a 400 means."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager

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
from sluiceway.events import Alert, AlertStatus
from sluiceway.formats.webhook import rfc3339
from sluiceway.sinks.alertmanager import AlertmanagerSink
from sluiceway.sinks.firing import FiringAlerts
from sluiceway.testing import ManualClock, stage_context

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def firing(name="a", **more):
    return Alert(name=name, labels={"route": "/"}, starts_at_unix_nano=NOW, **more)


def resolved(name="a", **more):
    return firing(name, status=AlertStatus.RESOLVED, **more)


class Picky:
    """Refuses a post in which an alert is called ``bad``, and keeps the others."""

    def __init__(self):
        self.kept = set()

    def __call__(self, request, body):
        names = [alert["labels"]["alertname"] for alert in json.loads(body)]
        self.kept.update(name for name in names if not name.startswith("bad"))
        wrong = any(name.startswith("bad") for name in names)
        words = b'"invalid label set: bad is bad"'
        return status(400 if wrong else 200, words, Content_Type="application/json")(
            request, body
        )


@asynccontextmanager
async def cluster(*answers, clock=None, **options):
    """An open sink and the servers of its cluster."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(answering(a)) for a in answers]
        sink = AlertmanagerSink([server.url for server in servers], **options)
        await sink.open(stage_context(clock))
        try:
            yield sink, *servers
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


def bodies(server):
    return [json.loads(body) for body in server.bodies]


def names(server):
    return [[a["labels"]["alertname"] for a in body] for body in bodies(server)]


def test_every_member_of_a_cluster_gets_every_alert(run):
    async def scenario():
        async with cluster(status(200), status(200), status(200)) as (sink, *servers):
            assert await error_of(sink, firing("a"), firing("b")) is None
            return [names(server) for server in servers], servers[0].requests[0].path

    told, path = run(scenario())
    assert told == [[["a", "b"]]] * 3
    assert path == "/api/v2/alerts"


def test_one_member_that_takes_the_alerts_is_enough(run):
    async def scenario():
        async with cluster(status(500), status(200)) as (sink, *_):
            return await error_of(sink, firing())

    assert run(scenario()) is None


def test_no_member_that_takes_the_alerts_is_a_transient_failure(run):
    async def scenario():
        async with cluster(status(400), status(503)) as (sink, *_):
            return await error_of(sink, firing())

    error = run(scenario())
    assert (type(error), error.reason) == (TransientError, "http_503")


def test_a_member_that_did_not_answer_is_left_alone_for_a_while(run):
    async def scenario():
        clock = ManualClock()
        answers = [status(500), status(200)]
        async with cluster(*answers, clock=clock) as (sink, first, second):
            for _ in range(3):
                assert await error_of(sink, firing()) is None
            asked = len(first.requests), len(second.requests)
            clock.move(10)
            assert await error_of(sink, firing()) is None
            return asked, len(first.requests)

    assert run(scenario()) == ((1, 3), 2)


def test_members_that_all_rest_are_asked_all_the_same(run):
    async def scenario():
        async with cluster(status(500), clock=ManualClock()) as (sink, server):
            for _ in range(3):
                await error_of(sink, firing())
            return len(server.requests)

    assert run(scenario()) == 3


def test_a_member_that_stalls_does_not_keep_the_others_waiting_again(run):
    async def scenario():
        async with answering(status(200)) as server, speaking(stalls) as dead:
            sink = AlertmanagerSink([dead, server.url], timeout=0.3)
            await sink.open(stage_context())
            errors = [await error_of(sink, firing(name)) for name in "abc"]
            statistics = sink.statistics()
            await sink.close()
            return errors, names(server), statistics

    errors, told, statistics = run(scenario())
    assert errors == [None] * 3
    assert told == [["a"], ["b"], ["c"]]
    assert statistics.firing == 3


def test_after_a_400_only_the_wrong_alerts_are_rejected(run):
    async def scenario():
        picky = Picky()
        async with cluster(picky) as (sink, server):
            alerts = [firing(n) for n in ["a", "b", "bad1", "c", "d", "bad2", "e", "f"]]
            error = await error_of(sink, *alerts)
            return error, picky.kept, names(server), sink.statistics().firing

    error, kept, told, left = run(scenario())
    assert {i: e.reason for i, e in error.failed.items()} == {
        2: "http_400",
        5: "http_400",
    }
    assert "bad is bad" in str(error.failed[2])
    assert kept == set("abcdef")
    whole = [body for body in told if len(body) == 8]
    assert len(whole) == 1
    assert left == 6


def test_what_is_no_alert_fails_alone(run):
    async def scenario():
        async with cluster(status(200)) as (sink, server):
            far = firing("far", status=AlertStatus.RESOLVED)
            far.ends_at_unix_nano = -(10**30)
            return await error_of(sink, object(), firing(), far), names(server)

    error, told = run(scenario())
    assert reasons(error) == {0: "not_an_alert", 2: "not_an_alert"}
    assert told == [["a"]]


def test_while_it_fires_an_alert_is_told_again_and_lasts_four_intervals(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        async with cluster(status(200), clock=clock) as (sink, server):
            await sink.write([firing()])
            for count in (2, 3):
                await clock.advance(60)
                await until(lambda count=count: len(server.bodies) == count)
            return [body[0]["endsAt"] for body in bodies(server)]

    ends = run(scenario())
    assert ends == [rfc3339(NOW + n * SECOND) for n in (240, 300, 360)]


def test_a_resolved_alert_is_told_as_such_for_fifteen_minutes(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        options = {"clock": clock, "resend_interval": 300}
        async with cluster(status(200), **options) as (sink, server):
            await sink.write([firing()])
            await clock.advance(1)
            await sink.write([resolved(ends_at_unix_nano=NOW + SECOND)])
            for count in (3, 4, 5):
                await clock.advance(300)
                await until(lambda count=count: len(server.bodies) >= count)
            await clock.advance(3000)
            return [body[0]["endsAt"] for body in bodies(server)[1:]], sink.statistics()

    ends, statistics = run(scenario())
    assert ends == [rfc3339(NOW + SECOND)] * 4
    assert statistics.firing == 0


def test_a_member_that_was_away_gets_what_fires_with_the_next_resend(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        answer = {"with": status(503)}

        def away(request, body):
            return answer["with"](request, body)

        async with cluster(away, status(200), clock=clock) as (sink, first, second):
            await sink.write([firing()])
            answer["with"] = status(200)
            await clock.advance(60)
            await until(lambda: len(first.bodies) == len(second.bodies) == 2)
            return names(first)

    assert run(scenario()) == [["a"], ["a"]]


def test_what_no_member_took_is_not_told_again(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        async with cluster(status(503), clock=clock) as (sink, server):
            await error_of(sink, firing())
            await clock.advance(600)
            return len(server.requests)

    assert run(scenario()) == 1


def test_a_resolved_alert_that_cannot_be_told_does_not_fire_again(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        codes = [200, 503]

        def answer(request, body):
            return status(codes.pop(0))(request, body)

        async with cluster(answer, clock=clock) as (sink, server):
            await sink.write([firing()])
            await error_of(sink, resolved())
            await clock.advance(600)
            return len(server.requests)

    assert run(scenario()) == 2


def test_an_alert_whose_severity_changes_ends_as_what_it_was(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        async with cluster(status(200), clock=clock) as (sink, server):
            await sink.write([firing(severity="warning")])
            await sink.write([firing(severity="critical")])
            return bodies(server)[1], sink.statistics().firing

    (before, after), left = run(scenario())
    assert (before["labels"]["severity"], before["endsAt"]) == ("warning", rfc3339(NOW))
    assert after["labels"]["severity"] == "critical"
    assert after["endsAt"] > rfc3339(NOW)
    assert left == 1


def test_an_alert_whose_severity_changes_within_a_batch_ends_as_what_it_was(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        async with cluster(status(200), clock=clock) as (sink, server):
            await sink.write(
                [
                    firing(severity="warning"),
                    firing("b"),
                    firing(severity="critical"),
                    firing(severity="critical"),
                ]
            )
            return bodies(server)[0], sink.statistics().firing

    (before, _, *after), left = run(scenario())
    assert (before["labels"]["severity"], before["endsAt"]) == ("warning", rfc3339(NOW))
    assert {a["labels"]["severity"] for a in after} == {"critical"}
    assert all(alert["endsAt"] > rfc3339(NOW) for alert in after)
    assert left == 2


def test_what_it_was_ends_even_if_the_first_try_fails(run):
    async def scenario():
        codes = [200, 503, 200, 200]

        def answer(request, body):
            return status(codes.pop(0))(request, body)

        async with cluster(answer, clock=ManualClock(time_ns=NOW)) as (sink, server):
            await sink.write([firing(severity="warning")])
            changed = firing(severity="critical")
            await error_of(sink, changed)
            await sink.write([changed])
            await sink.write([changed])
            return [
                [alert["labels"]["severity"] for alert in body]
                for body in bodies(server)
            ]

    assert run(scenario()) == [
        ["warning"],
        ["warning", "critical"],
        ["warning", "critical"],
        ["critical"],
    ]


def test_a_resend_under_way_never_overtakes_a_resolution(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        release, asked = asyncio.Event(), asyncio.Event()

        async def answer(request, body):
            if len(server.bodies) == 2:
                asked.set()
                await release.wait()
            return web.Response()

        async with cluster(answer, clock=clock) as (sink, server):
            await sink.write([firing()])
            await clock.advance(60)
            await asked.wait()
            writing = asyncio.create_task(sink.write([resolved()]))
            await asyncio.sleep(0)
            release.set()
            await writing
            return [
                body[0]["endsAt"] > rfc3339(clock.time_ns()) for body in bodies(server)
            ]

    assert run(scenario()) == [True, True, False]


def test_an_alert_that_does_not_say_when_it_began_began_at_the_first_try(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        answers = iter([status(503), status(200), status(200), status(200)])
        one = Alert(name="a")

        def answer(*request):
            return next(answers)(*request)

        async with cluster(answer, clock=clock) as (sink, server):
            assert isinstance(await error_of(sink, one), TransientError)
            await clock.advance(30)
            assert await error_of(sink, one) is None
            await clock.advance(10)
            over = Alert(name="a", status=AlertStatus.RESOLVED)
            assert await error_of(sink, over) is None
            await clock.advance(10)
            assert await error_of(sink, one) is None
            return [body[0]["startsAt"] for body in bodies(server)]

    again = rfc3339(NOW + 50 * SECOND)
    assert run(scenario()) == [*[rfc3339(NOW)] * 3, again]


def test_what_is_remembered_has_a_bound():
    alerts = FiringAlerts(SECOND, most=3)
    for number in range(10):
        alert = firing(str(number))
        alerts.done(alert, alerts.begin(alert, NOW)[0], NOW)
    assert [a["labels"]["alertname"] for a in alerts.due(NOW)] == ["7", "8", "9"]
    assert alerts.forgotten == 7


def test_of_what_is_remembered_the_alerts_that_are_over_are_forgotten_first():
    alerts = FiringAlerts(SECOND, most=3)
    for alert in (firing("1"), firing("2"), *(resolved(f"x{n}") for n in range(9))):
        alerts.done(alert, alerts.begin(alert, NOW)[0], NOW)
    told = [a["labels"]["alertname"] for a in alerts.due(NOW)]
    assert told == ["1", "2", "x8"]
    assert (alerts.firing, alerts.forgotten, len(alerts)) == (2, 0, 3)


def test_that_too_many_fire_is_counted_and_logged(run, caplog):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        async with cluster(status(200), clock=clock) as (sink, server):
            for start in range(0, 10_002, 3_334):
                await sink.write([firing(str(start + n)) for n in range(3_334)])
            await clock.advance(60)
            await until(lambda: len(server.requests) == 3 + 40)
            return sink.statistics()

    statistics = run(scenario())
    assert (statistics.firing, statistics.forgotten) == (10_000, 2)
    lines = [r.getMessage() for r in caplog.records if "told again" in r.getMessage()]
    assert lines == ["2 alerts that fire are not told again: more than 10000 do"]


def test_the_ledger_says_what_became_of_the_alerts(run):
    async def scenario():
        async with answering(Picky()) as server:
            inlet = Inlet()
            pipeline = Pipeline(inlet >> AlertmanagerSink(server.url))
            async with pipeline:
                await inlet.emit_many([firing("a"), firing("bad"), firing("b")])
            return pipeline.ledger()

    ledger = run(scenario())
    assert ledger.balanced
    assert ledger["alertmanager_sink"].delivered == 2
    assert ledger["alertmanager_sink"].rejected == {"http_400": 1}


def test_no_secret_stands_in_an_error_a_repr_or_the_log(run, caplog):
    async def scenario():
        def echo(request, body):
            return web.Response(status=500, text=str(dict(request.headers)))

        async with answering(echo) as server:
            url = server.url.replace("://", "://user:swordfish@") + "/am?x=sesame"
            sink = AlertmanagerSink(url, headers={"X-Key": "mellon"})
            await sink.open(stage_context())
            error = await error_of(sink, firing())
            shown = f"{error} {error!r} {sink!r} {sink.statistics()}"
            await sink.close()
            return shown, server.requests[0].path_qs

    shown, path = run(scenario())
    shown += caplog.text
    assert path == "/am/api/v2/alerts?x=sesame"
    assert "answered 500" in shown
    for secret in ("swordfish", "mellon", "sesame"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("nowhere", {}, "AlertmanagerSink.url is 'nowhere'"),
        ([], {}, "AlertmanagerSink.url is empty"),
        (["http://a", "htp://b"], {}, "'htp://b'"),
        (["http://a", 7], {}, "'7'"),
        (7, {}, "AlertmanagerSink.url is a int; expected an address"),
        ("am1", {}, "expected an address such as 'http://localhost:9093'"),
        ({"http://a": 1}, {}, "AlertmanagerSink.url is a dict; expected an address"),
        ("http://us:pa/ss@a", {}, "AlertmanagerSink.url is 'http://***@a'; expected"),
        ("http://us:p ss@a", {}, "AlertmanagerSink.url is 'http://***@a'; expected"),
        ("http://us:p?ss@a:x", {}, "AlertmanagerSink.url is 'http://***'; expected"),
        ("http://a:x?key=a@b", {}, "AlertmanagerSink.url is 'http://***'; expected"),
        ("http://a", {"timeout": 0}, "AlertmanagerSink.timeout is 0; expected seconds"),
        ("http://a", {"timeout": "1"}, "AlertmanagerSink.timeout is '1'; expected"),
        ("http://a", {"refuse_private": "no"}, "refuse_private is 'no'; expected True"),
        ("http://a", {"resend_interval": 0}, "resend_interval is 0"),
        ("http://a", {"headers": {"a b": "c"}}, "AlertmanagerSink.headers"),
    ],
)
def test_what_cannot_be_used_is_refused(url, options, words):
    with pytest.raises(ConfigurationError) as caught:
        AlertmanagerSink(url, **options)
    assert words in str(caught.value)


def test_a_member_that_is_named_twice_is_one_member():
    sink = AlertmanagerSink(["http://a", "http://a/", "http://b"])
    assert list(sink.statistics().members) == ["http://a", "http://b"]
