"""The desk of a running pipeline, over a real socket and a real port."""

from __future__ import annotations

import asyncio
import socket
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sluiceway import Inlet, Pipeline
from sluiceway.admin import AdminClient, AdminError, AdminServer
from sluiceway.admin.messages import SilenceState
from sluiceway.alerting import Escalation, Level, Notifier, Silences, ThresholdRule
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus, MetricPoint
from sluiceway.testing import CollectingSink


def alert(name="Down", **labels):
    return Alert(name=name, severity="error", message="it is down", labels=labels)


class Life:
    """A pipeline with an escalation, its end, and a client."""

    def __init__(self, inlet, end, client, pipeline, server):
        self.inlet, self.end, self.client = inlet, end, client
        self.pipeline, self.server = pipeline, server

    async def ask(self, name, *arguments):
        return await asyncio.to_thread(getattr(self.client, name), *arguments)

    def statuses(self):
        return [event.status for event in self.end.events]


@asynccontextmanager
async def living(address, *stages, token=None, shown=None):
    inlet, end = Inlet(), CollectingSink()
    chain = inlet
    for stage in stages:
        chain = chain >> stage
    async with (
        Pipeline(chain >> end) as pipeline,
        AdminServer(pipeline, address, token=token) as server,
    ):
        client = AdminClient(server.address, token=shown)
        yield Life(inlet, end, client, pipeline, server)


def oncall(**settings):
    return Escalation([Level(["chat"]), Level(["pager"], after=1e6)], **settings)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "alerts.sock")


def test_the_alerts_that_fire_are_listed_each_once(run, path):
    async def scenario():
        notifier = Notifier(group_wait=0)
        async with living(path, notifier, oncall()) as life:
            await life.inlet.emit_many([alert(zone="a"), alert("Slow")])
            await life.end.wait_for(2)
            return await life.ask("alerts")

    first, second = sorted(run(scenario()), key=lambda state: state.name)
    assert (first.name, first.status, first.severity) == ("Down", "firing", "error")
    assert (first.labels, first.message) == ({"zone": "a"}, "it is down")
    assert first.stages == ["notifier", "escalation"]
    assert not first.silenced
    assert second.name == "Slow"


def test_an_acknowledgement_stops_the_escalation_and_is_told_at_once(run, path):
    async def scenario():
        async with living(path, oncall()) as life:
            await life.inlet.emit_many([alert(zone="a"), alert(zone="b")])
            await life.end.wait_for(2)
            count = await life.ask("acknowledge", {"zone": "a"})
            states = await life.ask("alerts")
            again = await life.ask("acknowledge", {"zone": "a"})
            return count, again, states, life.statuses()

    count, again, states, statuses = run(scenario())
    assert (count, again) == (1, 0)
    assert {s.labels["zone"]: s.status for s in states} == {
        "a": "acknowledged",
        "b": "firing",
    }
    assert statuses[2:] == [AlertStatus.ACKNOWLEDGED]


def test_an_alert_can_be_ended_by_hand(run, path):
    async def scenario():
        notifier = Notifier(group_wait=0)
        async with living(path, notifier, oncall()) as life:
            await life.inlet.emit(alert())
            await life.end.wait_for(1)
            count = await life.ask("resolve", {"alertname": "Down"})
            return count, await life.ask("alerts"), life.end.events, life.pipeline

    count, states, events, pipeline = run(scenario())
    assert (count, states) == (1, [])
    assert events[-1].status is AlertStatus.RESOLVED
    assert events[-1].ends_at_unix_nano
    assert pipeline.ledger().balanced


def test_silences_are_made_listed_and_ended(run, path):
    silences = Silences()

    async def scenario():
        notifier = Notifier(group_wait=0, silences=silences)
        async with living(path, notifier, oncall(silences=silences)) as life:
            made = await life.ask("silence", SilenceState({"zone": "a"}, comment="x"))
            await life.inlet.emit_many([alert(zone="a"), alert(zone="b")])
            await life.end.wait_for(1)
            states = await life.ask("alerts")
            listed = await life.ask("silences")
            ended = await life.ask("unsilence", {"zone": "a"})
            return made, states, listed, ended, await life.ask("silences")

    made, states, listed, ended, left = run(scenario())
    assert made == 0
    assert {s.labels["zone"]: s.silenced for s in states} == {"a": True, "b": False}
    assert listed == [SilenceState({"zone": "a"}, comment="x")]
    assert (ended, left) == (1, [])


def test_what_a_silence_held_back_is_told_as_soon_as_it_is_ended(run, path):
    async def scenario():
        async with living(path, oncall()) as life:
            await life.ask("silence", SilenceState({"alertname": "Down"}))
            await life.inlet.emit(alert())
            await life.pipeline.flush()
            before = len(life.end.events)
            assert await life.ask("unsilence", {"alertname": "Down"}) == 1
            return before, life.statuses()

    assert run(scenario()) == (0, [AlertStatus.FIRING])


def test_a_rule_s_alerts_are_listed_too(run, path):
    async def scenario():
        async with living(path, ThresholdRule("Hot", above=1)) as life:
            await life.inlet.emit(MetricPoint(name="t", value=2))
            await life.end.wait_for(1)
            (state,) = await life.ask("alerts")
            with pytest.raises(AdminError, match="silences; a Notifier or an Esc"):
                await life.ask("silence", SilenceState({"alertname": "Hot"}))
            return state

    assert run(scenario()).stages == ["Hot"]


@pytest.mark.parametrize(
    "stages",
    [
        [ThresholdRule("Hot", above=1)],
        [ThresholdRule("Hot", above=1), Notifier(group_wait=0, group_interval=0.001)],
        [ThresholdRule("Hot", above=1), Escalation([Level(["chat"])])],
    ],
    ids=["rule", "notifier", "escalation"],
)
def test_an_alert_is_acknowledged_whichever_stage_knows_it(run, path, stages):
    async def scenario():
        async with living(path, *stages) as life:
            await life.inlet.emit(MetricPoint(name="t", value=2))
            await life.end.wait_for(1)
            count = await life.ask("acknowledge", {"alertname": "Hot"})
            again = await life.ask("acknowledge", {"alertname": "Hot"})
            await life.end.wait_for(2)
            (state,) = await life.ask("alerts")
            ended = await life.ask("resolve", {"alertname": "Hot"})
            await life.end.wait_for(3)
            return (count, again, ended), state.status, life.statuses()

    counts, status, statuses = run(scenario())
    assert counts == (1, 0, 1)
    assert status == "acknowledged"
    assert statuses == [
        AlertStatus.FIRING,
        AlertStatus.ACKNOWLEDGED,
        AlertStatus.RESOLVED,
    ]


@pytest.mark.parametrize("what", ["acknowledge", "resolve"])
def test_what_a_pipeline_that_has_ended_cannot_tell_is_not_done(run, path, what):
    async def scenario():
        stage, inlet = oncall(), Inlet()
        pipeline = Pipeline(inlet >> stage >> CollectingSink())
        async with AdminServer(pipeline, path):
            async with pipeline:
                await inlet.emit(alert())
            with pytest.raises(AdminError, match="is stopped: nobody is told"):
                await asyncio.to_thread(
                    getattr(AdminClient(path), what), {"alertname": "Down"}
                )
        return [each.status for each in stage.alerts()]

    assert run(scenario()) == [AlertStatus.FIRING]


def test_an_alert_that_is_about_to_fire_is_listed_as_pending(run, path):
    async def scenario():
        rule = ThresholdRule("Hot", above=1, for_=3600, message="{value} degrees")
        async with living(path, rule) as life:
            await life.inlet.emit(MetricPoint(name="t", value=2))
            await life.pipeline.flush()
            (state,) = await life.ask("alerts")
            acknowledged = await life.ask("acknowledge", {"alertname": "Hot"})
            return state, acknowledged, life.statuses()

    state, acknowledged, statuses = run(scenario())
    assert (state.status, state.message) == ("pending", "2.0 degrees")
    assert state.starts_at > 1_600_000_000
    assert (acknowledged, statuses) == (0, [])


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (("acknowledge", {}), "which means every alert"),
        (("resolve", {"zone": "=~ ("}), "expected a regular expression"),
        (("silence", SilenceState({"zone": "=~ .*"})), "silences everything"),
        (("silence", SilenceState({"z": "1"}, 10.0, 5.0)), "a moment after"),
    ],
)
def test_what_would_mean_everything_or_nothing_is_refused(run, path, ask, words):
    async def scenario():
        async with living(path, Notifier(), oncall()) as life:
            with pytest.raises(AdminError, match=words.replace("(", r"\(")):
                await life.ask(*ask)

    run(scenario())


def test_a_socket_is_its_owners_alone_and_gone_afterwards(run, path):
    async def scenario():
        async with living(path, oncall()) as life:
            assert repr(life.server) == f"<AdminServer {path} open>"
            return mode_of(path)

    assert run(scenario()) == 0o600
    assert not Path(path).exists()


def test_a_socket_that_somebody_serves_is_not_taken(run, path):
    async def scenario():
        async with living(path, oncall()):
            with pytest.raises(ConfigurationError, match="another process listens"):
                async with living(path, oncall()):
                    pass

    run(scenario())


def test_a_file_that_is_no_socket_is_not_overwritten(run, path):
    Path(path).write_text("mine")

    async def scenario():
        with pytest.raises(ConfigurationError, match="AdminServer cannot listen"):
            async with living(path, oncall()):
                pass

    run(scenario())
    assert Path(path).read_text() == "mine"


def mode_of(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_a_socket_that_nobody_serves_any_more_is_taken(run, path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()

    async def scenario():
        async with living(path, oncall()) as life:
            assert await life.ask("alerts") == []

    run(scenario())


def test_a_port_answers_to_who_shows_the_token(run):
    address = "127.0.0.1:0"

    async def scenario():
        async with living(address, oncall(), token="hush", shown="hush") as life:
            assert await life.ask("alerts") == []
            stranger = AdminClient(life.server.address, token="guess")
            nobody = AdminClient(life.server.address)
            with pytest.raises(AdminError, match="a bearer token is needed"):
                await asyncio.to_thread(nobody.alerts)
            with pytest.raises(AdminError, match="the bearer token is wrong"):
                await asyncio.to_thread(stranger.alerts)

    run(scenario())


@pytest.mark.parametrize(
    ("address", "token", "words"),
    [
        ("127.0.0.1:0", None, "AdminServer.token is missing"),
        ("0.0.0.0:9400", "x", "expected a path, or a loopback address"),
        ("example.com:80", "x", "expected a path, or a loopback address"),
    ],
)
def test_addresses_of_other_machines_and_ports_without_a_token_are_refused(
    address, token, words
):
    with pytest.raises(ConfigurationError) as refused:
        AdminServer(Pipeline(Inlet() >> CollectingSink()), address, token=token)
    assert words in str(refused.value)


def test_a_client_says_why_nobody_answers(tmp_path):
    with pytest.raises(AdminError, match="is it run with --admin"):
        AdminClient(str(tmp_path / "none.sock")).alerts()
