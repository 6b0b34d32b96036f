"""How alerts are named on the command line, and what is said if none is meant."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from said import said

from sluiceway import Inlet, Pipeline
from sluiceway.admin import AdminServer
from sluiceway.alerting import Escalation, Level, Silence
from sluiceway.cli.alerts import matching_of
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert
from sluiceway.testing import CollectingSink


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["Down", "zone=a"], {"alertname": "Down", "zone": "a"}),
        (["zone=~eu-.*"], {"zone": "=~ eu-.*"}),
        (["zone!=a"], {"zone": "!= a"}),
        (["zone!~eu-.*"], {"zone": "!~ eu-.*"}),
        (["zone==~ eu-.*"], {"zone": "=~ eu-.*"}),
        (["zone="], {"zone": ""}),
        (["a.b/c=x=y"], {"a.b/c": "x=y"}),
    ],
)
def test_labels_are_matched_as_by_alertmanager(words, meant):
    assert matching_of(words) == meant


@pytest.mark.parametrize("word", ["=a", "!=a", "!~a"])
def test_a_value_of_no_label_is_refused(word):
    with pytest.raises(ConfigurationError, match="has no label"):
        matching_of([word])


@asynccontextmanager
async def asking(folder, *alerts, silences=()):
    """``ask(*words)`` is ``sluiceway alerts`` against a pipeline of this process."""
    inlet, end = Inlet(), CollectingSink()
    escalation = Escalation([Level(["chat"])], silences=silences)
    path = str(folder / "alerts.sock")
    chain = inlet >> escalation >> end
    async with Pipeline(chain) as pipeline, AdminServer(pipeline, path):
        await inlet.emit_many(alerts)
        await pipeline.flush()
        yield lambda *words: asyncio.to_thread(answered, path, *words)


def answered(path, *words):
    """The exit code and the output, or else the errors."""
    code, output, errors = said("alerts", *words, "--at", str(path))
    return code, output or errors


@pytest.fixture(autouse=True)
def ann(monkeypatch, tmp_path):  # whose folder has pytest's own user's name
    """Who asks."""
    monkeypatch.setenv("LOGNAME", "ann")


def alert(name="HighErrorRate", **labels):
    return Alert(name=name, severity="error", labels=labels)


def test_a_pattern_and_a_negation_choose_alerts(run, tmp_path):
    async def scenario():
        zones = [alert(zone=zone) for zone in ("eu-1", "eu-2", "us-1")]
        async with asking(tmp_path, *zones) as ask:
            return [
                await ask("ack", "zone=~eu-.*", "--json"),
                await ask("ack", "zone!=us-1"),
                await ask("resolve", "HighErrorRate", "zone!~eu-.*"),
            ]

    first, second, third = run(scenario())
    assert first == (0, '{"count":2}')
    assert second == (3, "nothing matches that fires; it is acknowledged")
    assert third == (0, "1 resolved")


def test_a_name_that_nothing_has_is_answered_with_the_nearest(run, tmp_path):
    async def scenario():
        async with asking(tmp_path, alert(zone="eu-1")) as ask:
            return [
                (await ask("ack", "HighErorRate"))[1],
                (await ask("resolve", "zon=eu-1"))[1],
                (await ask("ack", "zone=eu1"))[1],
                (await ask("ack", "Quiet"))[1],
            ]

    assert run(scenario()) == [
        "nothing matches; did you mean 'HighErrorRate'?",
        "nothing matches; did you mean 'zone'?",
        "nothing matches; did you mean 'eu-1'?",
        "nothing matches",
    ]


def test_what_is_silenced_is_shown_as_the_command_line_says_it(run, tmp_path):
    async def scenario():
        given = [Silence({"zone": "=~ us-.*"}), Silence({"zone": ["a", "b"], "x": 5})]
        async with asking(tmp_path, silences=given) as ask:
            return (await ask("silences"))[1].splitlines()[1:]

    first, second = run(scenario())
    assert first.split() == ["never", "zone=~us-.*"]
    assert second.split() == ["never", "x=5", "zone=a", "or", "b"]


def test_a_silence_tells_its_author_and_ends_by_its_matchers(run, tmp_path):
    async def scenario():
        given = [Silence({"zone": "=~ us-.*"}, comment="of the file")]
        async with asking(tmp_path, alert(zone="eu-1"), silences=given) as ask:
            return [
                await ask("silence", "zone=~eu-.*", "--for", "2h", "--comment", "why"),
                await ask("silence", "zone=x", "--author", "bob"),
                await ask("silence", "zone=y", "--for", "0s"),
                await ask("silences", "--json"),
                await ask("unsilence", "zone=~eu-.*"),
                await ask("unsilence", "zone=~us-.*"),
                await ask("silences"),
            ]

    made, other, over, listed, ended, of_file, left = run(scenario())
    assert made == (0, "silenced, 1 firing now")
    assert other == (0, "silenced, 0 firing now")
    assert over[0] == 2
    assert "expected a time above 0" in over[1]
    told = [(s["comment"], s["author"]) for s in json.loads(listed[1])]
    assert told == [("of the file", ""), ("why", "ann"), ("", "bob")]
    assert ended == of_file == (0, "1 silences ended")
    assert left[1].splitlines()[1].split() == ["never", "zone=x", "bob"]


@pytest.mark.parametrize("option", ["--for", "--comment", "--author"])
def test_an_option_of_silence_means_nothing_elsewhere(tmp_path, option):
    code, told = answered(tmp_path / "none.sock", "ack", "Down", option, "2h")
    assert code == 2
    assert f"{option} is for silence, not ack" in told


def test_a_silence_that_outlives_the_calendar_is_listed(run, tmp_path):
    async def scenario():
        async with asking(tmp_path) as ask:
            await ask("silence", "zone=a", "--for", "99999999d")
            return await ask("silences")

    code, listed = run(scenario())
    assert code == 0
    assert "in the year 2.758e+05" in listed


def test_a_pattern_that_is_none_is_refused_although_no_alert_fires(run, tmp_path):
    async def scenario():
        async with asking(tmp_path) as ask:
            return await ask("list", "zone=~(")

    code, told = run(scenario())
    assert code == 2
    assert "expected a regular expression" in told


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:0", "needs a token in $SLUICEWAY_ADMIN_TOKEN"),
        ("10.0.0.1:80", "expected a path, or a loopback address"),
    ],
)
def test_an_address_that_cannot_be_is_a_wrong_command_line(tmp_path, address, says):
    (tmp_path / "pipeline.toml").write_text(
        """
chains = ["lines >> out"]
[stages]
lines = { type = "JsonLinesSource", path = "none.jsonl" }
out = { type = "ConsoleSink" }
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway", "run", "pipeline.toml", "--admin", address],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
