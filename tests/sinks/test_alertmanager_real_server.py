"""AlertmanagerSink and WebhookSource against Debian's real Alertmanager."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, asynccontextmanager
from textwrap import dedent

import pytest
from servers.contexts import opened
from servers.polling import eventually_async
from servers.processes import alertmanager

from sluiceway import Inlet, Pipeline
from sluiceway.clock import SYSTEM_CLOCK
from sluiceway.errors import PartialError
from sluiceway.events import Alert, AlertStatus
from sluiceway.formats import alertmanager as words
from sluiceway.sinks.alertmanager import AlertmanagerSink
from sluiceway.sinks.members import Member
from sluiceway.sources.webhook import WebhookSource
from sluiceway.testing import CollectingSink, stage_context

pytestmark = pytest.mark.servers

MINUTE = 60_000_000_000
LINKS = [
    "http://[bad",
    "http://x/%zz",
    "http://x:port/",
    "http:///path",
    "http://a%b/",
    "http://us er@x/",
    "http://wäre/ü?q=%#%",
    "https://user:word@[::1]:80/a%20b?c=<>",
    "http://x:99999999/",
    "http://",
    "http://?",
    "http://a/\x7f",
    "http://a\\b/^`{|}",
]


def config(port):
    """Groups by name, sends on at once, and shows a token."""
    return dedent(f"""\
    route:
      receiver: sluiceway
      group_by: [alertname]
      group_wait: 1s
      group_interval: 1s
      repeat_interval: 1h
    receivers:
    - name: sluiceway
      webhook_configs:
      - url: 'http://127.0.0.1:{port}/alerts'
        http_config: {{authorization: {{credentials: mellon}}}}
    """)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as running:
        yield running


def shown(server, *, of="alerts", **labels):
    """What the server shows of alerts that have these labels."""
    told = json.loads(server.get(f"/api/v2/{of}"))
    return [each for each in told if labels.items() <= each["labels"].items()]


def firing(name, route="/", **more):
    return Alert(
        name=name,
        message=f"{name} at {route}",
        labels={"route": route},
        starts_at_unix_nano=SYSTEM_CLOCK.time_ns() - MINUTE,
        **more,
    )


def test_an_alert_shows_as_it_was_sent_and_is_gone_once_it_is_resolved(run, server):
    alert = firing(
        "Shown",
        severity="critical",
        annotations={"run book": "http://wiki"},
        generator_url="http://here/graph?g0.expr=up",
    )
    alert.labels |= {"http.route": "/pay", "1st": "x", "empty": "", "zone": "é花"}

    async def scenario():
        async with opened(AlertmanagerSink(server.url)) as sink:
            await sink.write([alert])
            told = shown(server, alertname="Shown")
            over = alert.copy()
            over.status = AlertStatus.RESOLVED
            await sink.write([over])

            async def gone():
                return not shown(server, alertname="Shown")

            assert await eventually_async(gone)
            return told, sink.statistics().firing

    (told,), left = run(scenario())
    assert told["labels"] == {
        "alertname": "Shown",
        "severity": "critical",
        "route": "/",
        "http_route": "/pay",
        "key_1st": "x",
        "zone": "é花",
    }
    assert told["annotations"] == {
        "run_book": "http://wiki",
        "summary": "Shown at /",
    }
    assert told["generatorURL"] == alert.generator_url
    assert told["status"]["state"] in {"active", "unprocessed"}
    assert left == 0


@asynccontextmanager
async def receiving():
    source = WebhookSource(port=0, path="/alerts", token="mellon")
    received = CollectingSink()
    pipeline = Pipeline(source >> received)
    async with pipeline:
        yield source, received
    assert pipeline.ledger().balanced
    assert pipeline.ledger().lost == 0


def test_it_fires_is_grouped_is_sent_on_and_resolves(run, tmp_path):
    names = ["Down", "Down", "Slow"]
    alerts = [firing(name, f"/{n}") for n, name in enumerate(names)]

    async def scenario():
        async with receiving() as (source, received):
            with alertmanager(tmp_path, config=config(source.port)) as server:
                inlet = Inlet()
                sink = AlertmanagerSink(server.url, resend_interval=1.0)
                async with Pipeline(inlet >> sink) as pipeline:
                    await inlet.emit_many(alerts)
                    await received.wait_for(3, timeout=20)
                    first = list(received.events)
                    groups = shown(server, of="alerts/groups")
                    over = [alert.copy() for alert in alerts]
                    for alert in over:
                        alert.status = AlertStatus.RESOLVED
                    await inlet.emit_many(over)

                    async def resolved():
                        told = received.events[3:]
                        ended = [a for a in told if a.status is AlertStatus.RESOLVED]
                        return ended if len(ended) >= 3 else None

                    ended = await eventually_async(resolved, seconds=20)
                return first, groups, ended, pipeline.ledger(), sink, source

    first, groups, ended, ledger, sink, source = run(scenario(), timeout=90)
    by_route = {alert.labels["route"]: alert for alert in first}
    assert [by_route[alert.labels["route"]] for alert in alerts] == alerts
    sizes = {g["labels"]["alertname"]: len(g["alerts"]) for g in groups}
    assert sizes == {"Down": 2, "Slow": 1}
    assert {alert.labels["route"] for alert in ended} == {"/0", "/1", "/2"}
    assert all(alert.ends_at_unix_nano for alert in ended)
    assert ledger.balanced
    assert ledger["alertmanager_sink"].delivered == 6
    assert {*source.statistics().answers} == {200}
    assert sink.statistics().firing == 0


def test_it_goes_on_firing_while_it_is_told_again_and_ends_by_itself_after(run, server):
    async def scenario():
        name = "Lasting"
        async with opened(AlertmanagerSink(server.url, resend_interval=0.5)) as sink:
            await sink.write([firing(name)])
            (before,) = shown(server, alertname=name)

            async def told_again():
                (alert,) = shown(server, alertname=name)
                later = alert["endsAt"] > before["endsAt"]
                return later and sink.statistics().resent

            assert await eventually_async(told_again)

        async def gone():
            return not shown(server, alertname=name)

        assert await eventually_async(gone)

    run(scenario())


def test_every_member_has_the_alert_and_one_that_was_away_gets_it_later(
    run, server, tmp_path
):
    async def scenario():
        with ExitStack() as stack:
            folder = tmp_path / "second"
            folder.mkdir()
            second = stack.enter_context(alertmanager(folder))
            urls = [server.url, second.url]
            async with opened(AlertmanagerSink(urls, resend_interval=1.0)) as sink:
                await sink.write([firing("Both")])
                both = [len(shown(each, alertname="Both")) for each in (server, second)]
                stack.close()
                await sink.write([firing("Later")])
                assert len(shown(server, alertname="Later")) == 1
                again = stack.enter_context(alertmanager(folder, port=second.port))

                async def later():
                    return shown(again, alertname="Later")

                assert await eventually_async(later)
            return both

    assert run(scenario(), timeout=90) == [1, 1]


def test_the_server_keeps_the_valid_ones_of_a_post_and_names_the_wrong_ones(
    run, server
):
    """What the sink never lets out, so that the halves are tried on a real 400."""

    async def scenario():
        now = SYSTEM_CLOCK.time_ns()
        told = {n: words.posted(firing(f"V{n}"), now, MINUTE) for n in range(8)}
        told[3]["labels"] = {"bad-name": "x"}
        told[6]["startsAt"] = "2999-01-01T00:00:00Z"
        url = server.url + "/api/v2/alerts"
        member = Member(url, server.url, {}, timeout=5, refuse_private=False)
        await member.open(stage_context())
        failed = await member.tell(told)
        await member.close()
        kept = {alert["labels"].get("alertname") for alert in shown(server)}
        return failed, kept

    failed, kept = run(scenario())
    assert {*failed} == {3, 6}
    assert "bad-name" in str(failed[3])
    assert "start time" in str(failed[6])
    assert {"V0", "V1", "V2", "V4", "V5", "V7"} <= kept


def test_no_alert_that_the_sink_sends_is_one_that_the_server_refuses(run, server):
    odd = [
        Alert(name="", severity="", labels={"": "", "a b": "x"}),
        Alert(name="😱", labels={"__name__": "x", "ключ": "значение"}),
        Alert(name="surrogate \ud800", annotations={"a-b": "\ud800"}),
        Alert(name="far", starts_at_unix_nano=2**62, generator_url="no url"),
        Alert(name="bell \x07\x00", message="\x00"),
        Alert(name="numbers", labels={"n": 7}),
        *[
            Alert(name=f"link {number}", generator_url=url)
            for number, url in enumerate(LINKS)
        ],
    ]

    async def scenario():
        async with opened(AlertmanagerSink(server.url)) as sink:
            try:
                await sink.write(odd)
            except PartialError as error:
                return dict(error.failed)
            return {}

    assert run(scenario()) == {}


def test_asyncio_is_not_blocked_while_a_member_is_asked(run, server):
    async def scenario():
        async with opened(AlertmanagerSink(server.url)) as sink:
            writing = asyncio.create_task(sink.write([firing("Beside")]))
            turns = 0
            while not writing.done():
                await asyncio.sleep(0)
                turns += 1
            return turns

    assert run(scenario()) > 3
