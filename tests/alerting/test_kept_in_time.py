"""What alerting keeps before anything is told: silences, and alerts that wait."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from waiting import until

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import (
    Escalation,
    FlapDamper,
    Level,
    Notifier,
    Silence,
    Silences,
    ThresholdRule,
)
from sluiceway.events import Alert, AlertStatus, MetricPoint
from sluiceway.testing import CollectingSink, ManualClock, stage_context

START = 1_700_000_000_000_000_000

KINDS = {
    "notifier": lambda **settings: Notifier(group_wait=30, **settings),
    "escalation": lambda **settings: Escalation(
        [Level(["chat"], after=300)], **settings
    ),
}


def clock_at(seconds):
    return ManualClock(time_ns=START + seconds * 10**9)


def kept(path):
    """All that stands in the file, as one text."""
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT value FROM state").fetchall()
    return b" ".join(value for (value,) in rows).decode()


async def begun_again(make, path, seconds=0):
    """What another process finds that goes on from the file."""
    stage = make(state=path)
    name = type(stage).__name__.lower()
    await stage.open(stage_context(clock_at(seconds), name=name))
    return stage


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_silence_is_kept_as_soon_as_it_is_added_or_ended(run, tmp_path, make):
    path = tmp_path / "alerts.db"
    silence = Silence({"x": "1"}, comment="moving", author="ann")

    async def scenario():
        stage = make(state=path)
        chain = Inlet() >> stage >> CollectingSink()
        async with Pipeline(chain, clock=clock_at(0)):
            stage.silencing.add(silence)
            await until(lambda: "moving" in kept(path))
            stage.silencing.remove(silence)
            await until(lambda: "moving" not in kept(path))
            stage.silencing.add(silence)
            await until(lambda: "moving" in kept(path))
            return (await begun_again(make, path)).silencing.all()

    assert run(scenario()) == [silence]


def test_a_silence_that_was_taken_out_of_the_settings_is_gone(run, tmp_path):
    path = tmp_path / "alerts.db"
    given = [[Silence({"x": "1"})], []]

    async def scenario():
        for silences in given:
            stage = Notifier(silences=silences, state=path)
            await stage.open(stage_context(clock_at(0)))
            found.append(stage.silencing.all())
            await stage.close()

    found = []
    run(scenario())
    assert found == given


def test_a_silence_that_has_ended_is_not_kept_for_ever(run, tmp_path):
    path = tmp_path / "alerts.db"

    async def scenario():
        stage = await begun_again(Notifier, path)
        stage.silencing.add(Silence({"x": "1"}, ends_at=START / 1e9 + 100))
        await stage.close()
        before = await begun_again(Notifier, path, 99)
        after = await begun_again(Notifier, path, 100)
        return len(before.silencing.all()), len(after.silencing.all())

    assert run(scenario()) == (1, 0)


def test_whoever_no_longer_runs_is_not_told_of_silences():
    silences, told = Silences(), []
    silences.watch(lambda: told.append("changed"))
    (watcher,) = silences._watchers
    silences.add(Silence({"x": "1"}))
    silences.unwatch(watcher)
    silences.add(Silence({"x": "2"}))
    assert told == ["changed"]


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_an_alert_that_nobody_was_told_of_yet_is_kept_within_a_second(
    run, tmp_path, make
):
    path = tmp_path / "alerts.db"

    async def scenario():
        inlet, clock = Inlet(), clock_at(0)
        chain = inlet >> make(state=path) >> CollectingSink()
        async with Pipeline(chain, clock=clock) as pipeline:
            for name in ("First", "Second"):
                await inlet.emit(Alert(name=name))
                await pipeline.flush()
                await clock.advance(0.5)
            await clock.advance(0.5)
            await until(lambda: "Second" in kept(path))
            return [alert.name for alert in (await begun_again(make, path)).alerts()]

    assert run(scenario()) == ["First", "Second"]


def test_what_a_damper_swallows_is_kept_within_a_second(run, tmp_path):
    path = tmp_path / "alerts.db"
    over = Alert(name="Down", status=AlertStatus.RESOLVED)

    async def scenario():
        inlet, clock = Inlet(), clock_at(0)
        chain = inlet >> FlapDamper(1, state=path) >> CollectingSink()
        async with Pipeline(chain, clock=clock) as pipeline:
            for alert in (Alert(name="Down"), over, Alert(name="Down")):
                await inlet.emit(alert)
                await pipeline.flush()
                await clock.advance(0.1)
            await clock.advance(1)
            await until(lambda: "resolved" not in kept(path))

    run(scenario())


def test_a_pipeline_that_starts_again_goes_on_once_from_what_was_kept(run, tmp_path):
    async def scenario():
        inlet, end, clock = Inlet(), CollectingSink(), clock_at(0)
        notifier = Notifier(group_wait=0, state=tmp_path / "alerts.db")
        pipeline = Pipeline(inlet >> notifier >> end, clock=clock)
        async with pipeline:
            await inlet.emit(Alert(name="Down"))
            await pipeline.flush()
        async with pipeline:
            await inlet.emit(Alert(name="Down", status=AlertStatus.RESOLVED))
            await pipeline.flush()
            await clock.advance(1000)
            await pipeline.flush()
            return [alert.status.value for alert in end.events], pipeline.health()

    told, health = run(scenario())
    assert told == ["firing", "resolved"]
    assert not health.failures


@pytest.mark.parametrize("state", [True, False])
def test_what_utf_8_cannot_say_in_a_label_costs_nobody_an_alert(run, tmp_path, state):
    async def scenario():
        inlet, end = Inlet(), CollectingSink()
        rule = ThresholdRule(
            "Hot",
            above=1,
            by=["attributes.x"],
            message="{event.attributes[x]}",
            state=tmp_path / "alerts.db" if state else None,
        )
        async with Pipeline(inlet >> rule >> end) as pipeline:
            for x in ("\ud800", "é"):
                point = MetricPoint(name="t", value=2, attributes={"x": x})
                await inlet.emit(point)
            await pipeline.flush()
            return [(a.labels["x"], a.message) for a in end.events]

    assert run(scenario()) == [("?", "?"), ("é", "é")]


def test_an_alert_that_utf_8_cannot_say_is_kept_too(run, tmp_path):
    path = tmp_path / "alerts.db"

    async def scenario():
        stage = await begun_again(Notifier, path)
        stage.add([Alert(name="Down", message="\ud800")], 0.0)
        await stage.close()
        return [a.message for a in (await begun_again(Notifier, path)).alerts()]

    assert run(scenario()) == ["?"]


def test_what_was_ended_by_hand_stays_so_after_a_restart(run, tmp_path):
    path = tmp_path / "alerts.db"
    hot = MetricPoint(name="t", value=2)

    def rule(state):
        return ThresholdRule("Hot", above=1, state=state)

    async def scenario():
        first = await begun_again(rule, path)
        assert first.add([hot], 0.0)
        assert first.resolve_alerts(lambda labels: True) == 1
        assert first.flush(1.0)
        await first.close()
        second = await begun_again(rule, path, 5)
        found = second.add([hot], 5.0), second.alerts()
        await second.close()
        return found

    assert run(scenario()) == ([], [])


def test_a_process_on_its_way_out_does_not_put_its_own_state_back(
    run, tmp_path, caplog
):
    path = tmp_path / "alerts.db"

    async def scenario():
        old = await begun_again(Notifier, path)
        old.add([Alert(name="Old")], 0.0)
        new = await begun_again(Notifier, path)
        new.add([Alert(name="New")], 0.0)
        await new.close()
        await old.close()
        third = await begun_again(Notifier, path)
        names = [alert.name for alert in third.alerts()]
        await third.close()
        return names

    assert run(scenario())[-1] == "New"
    said = [r.getMessage() for r in caplog.records if r.name == "sluiceway.state"]
    assert said == [  # a busy machine lets asyncio say that something was slow
        f"what notifier keeps in {path} is not written: another pipeline has opened it"
    ]


def test_settings_that_mean_nothing_any_more_are_left_aside(run, tmp_path, caplog):
    path = tmp_path / "alerts.db"

    def make(state):
        return Escalation([Level(["chat"])], state=state)

    async def scenario():
        first = await begun_again(make, path)
        first.add([Alert(name="Down")], 0.0)
        await first.close()
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(
                "UPDATE state "
                "SET value = CAST(replace(value, '[\"chat\"]', '[]') AS BLOB)"
            )
        second = await begun_again(make, path)
        await second.close()
        return second.alerts()

    assert run(scenario()) == []
    assert "is left aside: Level.targets is []" in caplog.text


def test_a_large_state_is_kept_once_a_second_however_much_is_released(run, tmp_path):
    path = tmp_path / "alerts.db"
    snapshots = []

    class Counting(FlapDamper):
        def snapshot(self):
            snapshots.append(1)
            return super().snapshot()

    async def scenario():
        stage = Counting(state=path)
        await stage.open(stage_context(clock_at(0), name="flapdamper"))
        many = [Alert(name="Down", labels={"x": str(n)}) for n in range(1000)]
        stage.add(many, 0.0)
        del snapshots[:]
        for n in range(100):
            stage.add([Alert(name=f"Late{n}")], n / 1000)
        assert len(snapshots) <= 1
        assert stage.next_deadline() <= 1.0
        stage.tick(1.0)
        await until(lambda: "Late99" in kept(path))
        await stage.close()

    run(scenario())
