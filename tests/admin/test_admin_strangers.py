"""Odd tokens, odd addresses, odd texts and odd times at the desk."""

from __future__ import annotations

import asyncio
import http.client
import stat

import pytest

from sluiceway import Inlet, Pipeline
from sluiceway.admin import AdminClient, AdminError, AdminServer
from sluiceway.admin.messages import SilenceState
from sluiceway.alerting import Escalation, Level, Notifier, ThresholdRule
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, MetricPoint
from sluiceway.testing import CollectingSink, ManualClock

HERE = "127.0.0.1:0"


def oncall():
    return Pipeline(Inlet() >> Escalation([Level(["chat"])]) >> CollectingSink())


def status_of(address, authorization):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        headers = {"Authorization": authorization}
        connection.request("GET", "/alerts", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("shown", [b"Bearer \xff\xfe", b"Bearer", b"\xe9", b"Basic a"])
def test_a_token_of_any_bytes_is_a_wrong_token(run, caplog, shown):
    async def scenario():
        async with (
            oncall() as pipeline,
            AdminServer(pipeline, HERE, token="hush") as server,
        ):
            return await asyncio.to_thread(status_of, server.address, shown)

    assert run(scenario()) == 401
    assert caplog.text == ""


@pytest.mark.parametrize("token", ["hüsch", "hush\n", "h\udcffsh"])
def test_a_token_need_not_be_ascii_and_may_have_been_read_from_a_file(run, token):
    async def scenario():
        async with (
            oncall() as pipeline,
            AdminServer(pipeline, HERE, token=token) as server,
        ):
            client = AdminClient(server.address, token=token)
            return await asyncio.to_thread(client.alerts)

    assert run(scenario()) == []


def test_a_token_that_no_header_can_hold_is_refused_without_being_told():
    with pytest.raises(ConfigurationError) as refused:
        AdminClient("127.0.0.1:9", token="swordfish\nX: y")
    assert "control character" in str(refused.value)
    assert "swordfish" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"null", b"[]", b'{"matching":[]}', b'{"matching":' * 2000],
    ids=["nothing", "open", "no text", "null", "a list", "no table", "too deep"],
)
def test_what_asks_for_nothing_is_refused_and_logs_nothing(run, caplog, body):
    def status(address):
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            headers = {"Authorization": "Bearer hush"}
            connection.request("POST", "/alerts/acknowledge", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    async def scenario():
        async with (
            oncall() as pipeline,
            AdminServer(pipeline, HERE, token="hush") as server,
        ):
            return await asyncio.to_thread(status, server.address)

    assert run(scenario()) == 400
    assert [r for r in caplog.records if r.name.startswith("sluiceway")] == []


def test_a_path_that_is_too_long_is_told_so(run, tmp_path):
    async def scenario():
        path = str(tmp_path / ("x" * 120))
        async with oncall() as pipeline, AdminServer(pipeline, path):
            pass

    with pytest.raises(ConfigurationError, match="path too long"):
        run(scenario())


def test_an_alert_that_utf_8_cannot_say_is_listed_all_the_same(run, tmp_path):
    path = str(tmp_path / "a.sock")

    async def scenario():
        inlet = Inlet()
        chain = inlet >> Escalation([Level(["chat"])]) >> CollectingSink()
        async with Pipeline(chain) as pipeline, AdminServer(pipeline, path):
            await inlet.emit(Alert(name="Down", message="\ud800"))
            await pipeline.flush()
            return await asyncio.to_thread(AdminClient(path).alerts)

    assert [state.message for state in run(scenario())] == ["?"]


def test_silences_end_by_the_pipelines_clock(run, tmp_path):
    path = str(tmp_path / "a.sock")

    async def scenario():
        clock = ManualClock(time_ns=1_000 * 10**9)
        inlet = Inlet()
        chain = inlet >> Escalation([Level(["chat"])]) >> CollectingSink()
        async with (
            Pipeline(chain, clock=clock) as pipeline,
            AdminServer(pipeline, path),
        ):
            client = AdminClient(path)

            async def ask(name, *words):
                return await asyncio.to_thread(getattr(client, name), *words)

            await inlet.emit(Alert(name="Down"))
            await pipeline.flush()
            await ask("silence", SilenceState({"alertname": "Down"}, ends_at=1_100.0))
            silenced = [(await ask("alerts"))[0].silenced]
            await clock.advance(100)
            silenced.append((await ask("alerts"))[0].silenced)
            with pytest.raises(AdminError, match="which is over"):
                await ask("silence", SilenceState({"x": "1"}, ends_at=1_100.0))
            return silenced, await ask("silences")

    assert run(scenario()) == ([True, False], [])


def test_an_alert_that_was_ended_is_not_listed_by_its_rule_either(run, tmp_path):
    path = str(tmp_path / "a.sock")

    async def scenario():
        inlet, end = Inlet(), CollectingSink()
        chain = inlet >> ThresholdRule("Hot", above=1) >> Notifier(group_wait=0) >> end
        async with Pipeline(chain) as pipeline, AdminServer(pipeline, path):
            await inlet.emit(MetricPoint(name="t", value=2))
            await end.wait_for(1)
            client = AdminClient(path)
            count = await asyncio.to_thread(client.resolve, {"alertname": "Hot"})
            return count, await asyncio.to_thread(client.alerts)

    assert run(scenario()) == (1, [])


def test_no_other_file_gets_the_socket_s_mode(run, tmp_path):
    async def scenario():
        made, done = [], asyncio.Event()

        async def make_files():
            while not done.is_set():
                made.append(tmp_path / str(len(made)))
                made[-1].touch()
                await asyncio.sleep(0)

        task = asyncio.create_task(make_files())
        async with oncall() as pipeline, AdminServer(pipeline, str(tmp_path / "s")):
            done.set()
        await task
        return {stat.S_IMODE(path.stat().st_mode) for path in made}

    assert len(run(scenario())) == 1
