"""What alerting keeps across restarts, also across kill -9."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys

import pytest

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import (
    AbsenceRule,
    Escalation,
    FlapDamper,
    Level,
    Notifier,
    RatioRule,
    Silence,
    Silences,
    ThresholdRule,
)
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus, LogRecord, MetricPoint
from sluiceway.state import StateFile
from sluiceway.testing import CollectingSink, ManualClock, stage_context

START = 1_700_000_000_000_000_000


def alert(status=AlertStatus.FIRING, **labels):
    return Alert(name="Down", status=status, labels=labels)


def point(value, **attributes):
    return MetricPoint(name="cpu", value=value, attributes=attributes)


class Life:
    """One stage after another with one file, each in a pipeline of its own.

    Times are seconds since the first start; each pipeline's clock begins at 0.
    """

    def __init__(self, make):
        self._make = make

    async def live(self, start, script):
        """A run from ``start`` on: ``(when, status)`` of everything that is told."""
        clock = ManualClock(time_ns=START + start * 10**9)
        inlet, end = Inlet(), CollectingSink()
        stage = self._make()
        told = []
        async with Pipeline(inlet >> stage >> end, clock=clock) as pipeline:
            for now, events in script.items():
                await clock.advance(now - start - clock.now())
                told += [(now, a) for a in taken(end)]
                if events:
                    await inlet.emit_many(events)
                    await clock.advance()
                    await pipeline.flush()
                told += [(now, a) for a in taken(end)]
        return told


def taken(end):
    events = [*end.events]
    end.clear()
    return events


def lives(run, make, *runs):
    """What each run tells, as ``(when, status, labels)``."""

    async def scenario():
        life = Life(make)
        found = []
        for start, script in runs:
            told = await life.live(start, script)
            found.append([(w, a.status.value, a.labels.get("x")) for w, a in told])
        return found

    return run(scenario())


def test_a_firing_alert_is_told_once_and_ends_after_a_restart(run, tmp_path):
    path = tmp_path / "alerts.db"

    def make():
        return ThresholdRule("Hot", above=90, by={"x": "attributes.x"}, state=path)

    first, second = lives(
        run,
        make,
        (0, {0: [point(95, x="1")], 10: []}),
        (60, {60: [], 100: [point(96, x="1")], 120: [point(1, x="1")]}),
    )
    assert first == [(0, "firing", "1")]
    assert second == [(120, "resolved", "1")]


def test_what_was_pending_goes_on_waiting(run, tmp_path):
    def make():
        state = tmp_path / "alerts.db"
        return ThresholdRule("Hot", above=90, for_=100, state=state)

    first, second = lives(
        run,
        make,
        (0, {0: [point(95)], 50: [point(95)]}),
        (60, {60: [point(95)], 99: [], 101: []}),
    )
    assert first == []
    assert second == [(101, "firing", None)]


def test_an_alert_of_which_nothing_is_heard_ends_after_its_window(run, tmp_path):
    def make():
        state = tmp_path / "alerts.db"
        return ThresholdRule("Hot", above=90, window=100, state=state)

    first, second = lives(
        run,
        make,
        (0, {0: [point(95)]}),
        (60, {60: [], 150: [], 170: []}),
    )
    assert first == [(0, "firing", None)]
    assert second == [(170, "resolved", None)]


def test_silence_that_was_told_is_not_told_again(run, tmp_path):
    def make():
        return AbsenceRule("Dead", window=30, state=tmp_path / "alerts.db")

    first, second = lives(
        run,
        make,
        (0, {0: [], 40: []}),
        (60, {60: [], 200: [], 210: [point(1)]}),
    )
    assert first == [(40, "firing", None)]
    assert second == [(210, "resolved", None)]


def test_a_rule_that_is_split_by_other_labels_begins_anew(run, tmp_path):
    path = tmp_path / "alerts.db"
    ways = iter([{"x": "attributes.x"}, {}])

    def make():
        return ThresholdRule("Hot", above=90, by=next(ways), state=path)

    first, second = lives(
        run, make, (0, {0: [point(95, x="1")]}), (60, {60: [point(95)]})
    )
    assert first == [(0, "firing", "1")]
    assert second == [(60, "firing", None)]


def test_a_group_is_told_of_its_end_and_not_again_of_its_beginning(run, tmp_path):
    def make():
        return Notifier(group_wait=0, group_interval=60, state=tmp_path / "alerts.db")

    first, second = lives(
        run,
        make,
        (0, {0: [alert(x="1"), alert(x="2")]}),
        (100, {100: [], 110: [alert(AlertStatus.RESOLVED, x="1")], 170: []}),
    )
    assert first == [(0, "firing", "1"), (0, "firing", "2")]
    assert second == [(170, "resolved", "1"), (170, "firing", "2")]


def test_silences_that_were_added_last(run, tmp_path):
    silences = [Silences() for _ in range(2)]
    mine = iter(silences)

    def make():
        return Notifier(group_wait=0, silences=next(mine), state=tmp_path / "alerts.db")

    silence = Silence({"x": "1"}, ends_at=START / 1e9 + 1000, comment="moving")
    silences[0].add(silence)
    first, second = lives(run, make, (0, {0: []}), (10, {10: [alert(x="1")], 20: []}))
    assert first == second == []
    assert silences[1].all() == [silence]


def test_a_level_that_was_told_is_not_told_again_and_the_next_comes_in_time(
    run, tmp_path
):
    def make():
        levels = [Level(["chat"]), Level(["pager"], after=300)]
        return Escalation(levels, state=tmp_path / "alerts.db")

    first, second, third = lives(
        run,
        make,
        (0, {0: [alert()], 50: []}),
        (100, {100: [], 299: [], 301: []}),
        (400, {400: [alert(AlertStatus.RESOLVED)]}),
    )
    assert first == [(0, "firing", None)]
    assert second == [(301, "firing", None)]
    assert third == [(400, "resolved", None)] * 2


def test_an_acknowledged_alert_stays_acknowledged(run, tmp_path):
    def make():
        levels = [Level(["chat"]), Level(["pager"], after=300)]
        return Escalation(levels, state=tmp_path / "alerts.db")

    known = alert(AlertStatus.ACKNOWLEDGED)
    first, second = lives(
        run, make, (0, {0: [alert()], 50: [known]}), (100, {100: [], 1000: []})
    )
    assert [status for _, status, _ in first] == ["firing", "acknowledged"]
    assert second == []


def test_what_flaps_goes_on_flapping(run, tmp_path):
    def make():
        return FlapDamper(1, window=100, state=tmp_path / "alerts.db")

    over = alert(AlertStatus.RESOLVED)
    first, second = lives(
        run,
        make,
        (0, {0: [alert()], 10: [over], 20: [alert()]}),
        (50, {50: [over], 149: [], 151: []}),
    )
    assert first == [(0, "firing", None), (10, "firing", None)]
    assert second == [(151, "resolved", None)]


def test_several_stages_share_a_file(run, tmp_path):
    state = StateFile(tmp_path / "alerts.db")

    async def scenario():
        for value in (95, 96):
            inlet, end = Inlet(), CollectingSink()
            chain = (
                inlet
                >> ThresholdRule("Hot", above=90, state=state)
                >> Escalation([Level(["chat"])], state=state)
                >> end
            )
            async with Pipeline(chain) as pipeline:
                await inlet.emit(point(value))
                await pipeline.flush()
            told.append([a.status.value for a in end.events])

    told = []
    run(scenario())
    assert told == [["firing"], []]
    with sqlite3.connect(state.path) as file:
        stages = {stage for (stage,) in file.execute("SELECT stage FROM state")}
    file.close()
    assert stages == {"Hot", "escalation"}
    assert repr(state) == f"<StateFile {state.path}>"


@pytest.mark.parametrize("kept", [b"{", b'{"series": 7}', b'{"at":1,"state":{}}'])
def test_what_cannot_be_read_is_left_aside_with_a_warning(run, tmp_path, caplog, kept):
    path = tmp_path / "alerts.db"

    async def scenario():
        file = StateFile(path)
        file.save("rule", kept)
        await file.close()
        rule = RatioRule("E", of={}, above=1, state=path)
        await rule.open(stage_context(name="rule"))
        await rule.close()
        return await StateFile(path).load("rule")

    assert json.loads(run(scenario()))["state"] == {"series": []}
    assert "what rule kept in" in caplog.text


@pytest.mark.parametrize("kind", ["a folder", "no database", "nowhere"])
def test_a_file_that_cannot_be_used_keeps_the_pipeline_from_opening(
    run, tmp_path, kind
):
    path = {"a folder": tmp_path, "nowhere": tmp_path / "no" / "x.db"}.get(kind)
    if path is None:
        path = tmp_path / "text"
        path.write_text("no database, but a text that is long enough to be seen")

    async def scenario():
        rule = RatioRule("E", of={}, above=1, state=path)
        with pytest.raises(ConfigurationError, match="cannot be used"):
            await rule.open(stage_context(name="rule"))
        await rule.close()

    run(scenario())


def test_a_disk_that_fails_later_is_told_of_once_and_loses_nothing(
    run, tmp_path, caplog
):
    async def scenario():
        file = StateFile(tmp_path / "gone" / "x.db")
        for stage in ("rule", "notifier", "notifier"):
            file.save(stage, stage.encode())
            await file.close()
        (tmp_path / "gone").mkdir()
        file.save("escalation", b"escalation")
        await file.close()
        return [await file.load(x) for x in ("rule", "notifier", "escalation")]

    caplog.set_level("INFO", "sluiceway.state")
    assert run(scenario()) == [b"rule", b"notifier", b"escalation"]
    assert caplog.text.count("was not written") == 1
    assert caplog.text.count("is written again") == 1


@pytest.mark.parametrize("path", [5, None])
def test_a_path_is_a_path(path):
    with pytest.raises(ConfigurationError, match=r"StateFile\.path is"):
        StateFile(path)


PROGRAM = """
import asyncio, sys
from sluiceway import Inlet, Pipeline, sink
from sluiceway.alerting import Escalation, Level
from sluiceway.events import Alert

@sink
async def tell(alerts):
    for alert in alerts:
        print(alert.annotations["escalation.target"], flush=True)

async def main():
    inlet = Inlet()
    levels = [Level(["chat"]), Level(["pager"], after=1e6)]
    async with Pipeline(inlet >> Escalation(levels, state=sys.argv[1]) >> tell) as p:
        if sys.argv[2] == "begin":
            await inlet.emit(Alert(name="Down"))
        await p.flush()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


def test_after_kill_9_nobody_is_told_again(tmp_path):
    path = tmp_path / "alerts.db"
    told = []
    for way in ("begin", "go on"):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, path, way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            lines = []
            while (line := process.stdout.readline().strip()) != "ready":
                assert line, "the program has ended"
                lines.append(line)
            until_kept(path)
            process.send_signal(signal.SIGKILL)
        told.append(lines)
    assert told == [["chat"], []]


def until_kept(path):
    """Return once the file holds the escalation."""
    while True:
        with sqlite3.connect(path, timeout=5) as file:
            rows = file.execute("SELECT value FROM state").fetchall()
        file.close()
        if any(json.loads(value)["state"]["courses"] for (value,) in rows):
            return


def test_an_alert_stays_what_it_was_until_enough_is_known_again(run, tmp_path):
    def make():
        state = tmp_path / "alerts.db"
        bad = {"severity_number": 17}
        return RatioRule("Bad", of=bad, above=0.5, at_least=3, state=state)

    good, bad = LogRecord(), LogRecord(severity_number=17)

    first, second = lives(
        run,
        make,
        (0, {0: [bad, bad, bad]}),
        (60, {60: [good], 61: [good], 70: [good]}),
    )
    assert first == [(0, "firing", None)]
    assert [status for _, status, _ in second] == ["resolved"]
    assert second[0][0] == 70
