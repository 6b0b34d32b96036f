"""``sluiceway alerts`` against a pipeline that ``sluiceway run --admin`` serves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from said import said
from servers.polling import eventually

PIPELINE = """
from sluiceway import Pipeline, source
from sluiceway.alerting import Escalation, Level, Notifier
from sluiceway.events import Alert
from sluiceway.sinks import JsonLinesSink

@source
async def alerts():
    import asyncio
    yield Alert(name="Down", severity="error", message="gone", labels={"zone": "a"})
    await asyncio.sleep(3600)

pipeline = Pipeline(
    alerts
    >> Notifier(group_wait=0)
    >> Escalation([Level(["chat"])])
    >> JsonLinesSink("told.jsonl")
)
"""


@contextmanager
def running(folder):
    """A pipeline under ``sluiceway run``; ``alerts`` asks it."""
    (folder / "oncall.py").write_text(PIPELINE)
    words = ["run", "oncall:pipeline", "--quiet", "--admin", "alerts.sock"]
    with subprocess.Popen(
        [sys.executable, "-m", "sluiceway", *words], cwd=folder
    ) as process:
        try:
            eventually((folder / "alerts.sock").exists)
            yield lambda *words: said(
                "alerts", *words, "--at", str(folder / "alerts.sock")
            )
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def test_an_operator_sees_acknowledges_silences_and_ends_alerts(tmp_path):
    with running(tmp_path) as alerts:
        eventually(lambda: "Down" in alerts("list")[1])
        code, listed, _ = alerts("list")
        head, row = listed.splitlines()
        assert code == 0
        assert head.split() == [
            "STATUS",
            "SEVERITY",
            "SINCE",
            "NAME",
            "LABELS",
            "MESSAGE",
        ]
        assert row.split()[:2] == ["firing", "error"]
        assert "zone=a" in row
        assert alerts("ack", "Down", "zone=b") == (3, "nothing matches", "")
        assert alerts("ack", "Down") == (0, "1 acknowledged", "")
        (state,) = json.loads(alerts("list", "--json")[1])
        assert state["status"] == "acknowledged"
        code, words, _ = alerts("silence", "zone=a", "--for", "2h", "--comment", "why")
        assert (code, words) == (0, "silenced, 1 firing now")
        assert "why" in alerts("silences")[1]
        assert "silenced" in alerts("list", "Down")[1]
        assert "Down" not in alerts("list", "zone=b")[1]
        assert alerts("unsilence", "zone=a") == (0, "1 silences ended", "")
        assert alerts("resolve", "Down") == (0, "1 resolved", "")
        assert json.loads(alerts("list", "--json")[1]) == []
    told = (tmp_path / "told.jsonl").read_text().splitlines()
    statuses = [json.loads(line).get("status", "firing") for line in told]
    assert statuses == ["firing", "acknowledged", "resolved"]
    assert not (tmp_path / "alerts.sock").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ack"], 2, "ack needs NAME or LABEL=VALUE"),
        (["ack", "a=1", "a=2"], 2, "'a=2' is a second value of a"),
        (["silence", "x", "--for", "soon"], 2, "--for is 'soon'; expected a time"),
        (["list"], 1, "no pipeline answers at alerts.sock"),
        (["list", "--at", "10.0.0.1:80"], 2, "expected a path, or a loopback address"),
        (["list", "--at", "localhost:99999"], 2, "a port of at most 65535"),
        (["list", "--at", ""], 2, "AdminServer.address is empty"),
        (["acknowledge", "x"], 2, "'acknowledge' is not known; expected list or ack"),
        ([], 2, "following arguments are required: ACTION"),
        (["lits"], 2, "ACTION: 'lits' is not known; did you mean 'list'?"),
        (["ack", ""], 2, "'' has no label"),
        (["ack", "zone=~["], 2, "expected a regular expression"),
        (["silences", "Down"], 2, "'Down' means nothing here"),
        (["silence", "Down", "--for", "0s"], 2, "expected a time above 0"),
    ],
)
def test_what_is_asked_wrongly_is_told(tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    ended, _, errors = said("alerts", *words)
    assert ended == code, errors
    assert says in errors
    assert "ACTION, NAME" not in errors
