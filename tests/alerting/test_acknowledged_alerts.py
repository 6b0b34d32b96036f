"""An alert that somebody takes on, whichever stage it is that knows it."""

from __future__ import annotations

import pytest

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import Escalation, Level, Notifier, ThresholdRule
from sluiceway.events import Alert, AlertStatus, MetricPoint
from sluiceway.testing import CollectingSink, ManualClock


def anything(labels):
    return bool(labels)


def point(value):
    return MetricPoint(name="t", value=value)


def statuses(alerts):
    return [alert.status.value for alert in alerts]


def test_a_rule_tells_once_that_its_alert_is_acknowledged_and_then_that_it_is_over():
    rule = ThresholdRule("Hot", above=1)
    assert statuses(rule.add([point(2)], 0.0)) == ["firing"]
    assert rule.acknowledge_alerts(anything) == 1
    assert rule.acknowledge_alerts(anything) == 0
    assert statuses(rule.alerts()) == ["acknowledged"]
    assert statuses(rule.flush(1.0)) == ["acknowledged"]
    assert statuses(rule.flush(2.0)) == []
    assert statuses(rule.add([point(0)], 3.0)) == ["resolved"]
    assert statuses(rule.add([point(2)], 4.0)) == ["firing"]


def test_an_alert_that_ends_before_it_is_told_acknowledged_is_told_over_alone():
    rule = ThresholdRule("Hot", above=1)
    rule.add([point(2)], 0.0)
    rule.acknowledge_alerts(anything)
    rule.resolve_alerts(anything)
    assert statuses(rule.flush(1.0)) == ["resolved"]
    assert statuses(rule.flush(2.0)) == []


def test_a_pending_alert_began_when_its_condition_did_and_is_none_once_it_fires():
    rule = ThresholdRule("Hot", above=1, for_=10, message="{value}")
    rule.add([point(2)], 5.0)
    (pending,) = rule.pending_alerts()
    assert (pending.starts_at_unix_nano, pending.message) == (5 * 10**9, "2.0")
    assert rule.acknowledge_alerts(anything) == 0
    assert statuses(rule.tick(15.0)) == ["firing"]
    assert rule.pending_alerts() == []


@pytest.mark.parametrize("kind", ["rule", "notifier"])
def test_an_acknowledgement_survives_a_restart(run, tmp_path, kind):
    def stage():
        state = tmp_path / "alerts.db"
        if kind == "rule":
            return ThresholdRule("Hot", above=1, state=state)
        return Notifier(group_wait=0, group_interval=10, state=state)

    events = [point(2)] if kind == "rule" else [Alert(name="Hot")]

    async def life(clock, events, script):
        inlet, end, made = Inlet(), CollectingSink(), stage()
        async with Pipeline(inlet >> made >> end, clock=clock) as pipeline:
            await inlet.emit_many(events)
            await pipeline.flush()
            await script(made, clock, pipeline)
            return statuses(made.alerts()), statuses(end.events)

    async def acknowledge(made, clock, pipeline):
        made.acknowledge_alerts(anything)
        await clock.advance(10)
        await pipeline.flush()

    async def wait(made, clock, pipeline):
        await clock.advance(30)
        await pipeline.flush()

    async def scenario():
        first = await life(ManualClock(time_ns=10**18), events, acknowledge)
        second = await life(ManualClock(time_ns=10**18 + 20 * 10**9), [], wait)
        return first, second

    first, second = run(scenario())
    assert first == (["acknowledged"], ["firing", "acknowledged"])
    assert second == (["acknowledged"], [])


def test_who_repeats_an_acknowledgement_does_not_put_its_end_off():
    escalation = Escalation([Level(["chat"])], acknowledged_for=100)
    known = Alert(name="Down", status=AlertStatus.ACKNOWLEDGED)
    assert escalation.add([Alert(name="Down")], 0.0)
    assert statuses(escalation.add([known], 10.0)) == ["acknowledged"]
    assert escalation.add([known], 90.0) == []
    assert statuses(escalation.tick(110.0)) == ["firing"]
