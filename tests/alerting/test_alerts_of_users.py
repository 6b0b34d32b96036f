"""Alerts and matchers as people write them, numbers among the labels."""

from __future__ import annotations

import pytest

from sluiceway.alerting import (
    Escalation,
    FlapDamper,
    Inhibition,
    Level,
    Notifier,
    Silence,
    ThresholdRule,
)
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus
from sluiceway.testing import ManualClock, stage_context

KINDS = {
    "notifier": lambda **settings: Notifier(group_wait=0, **settings),
    "escalation": lambda **settings: Escalation([Level(["chat"])], **settings),
    "damper": FlapDamper,
}
INF = float("inf")
ODD = {
    "a number": {"code": 500},
    "a list": {"code": [500]},
    "nothing": {"code": None},
    "a number for a name": {500: "code"},
    "no table": None,
    "an object": {"code": object()},
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("labels", ODD.values(), ids=ODD)
def test_odd_labels_cost_neither_their_alert_nor_its_neighbours(make, labels):
    batch = [Alert(name="Odd", labels=labels), Alert(name="Good")]
    told = make().add(batch, 0.0)
    flat = [a for part in told for a in (part if isinstance(part, list) else [part])]
    assert {alert.name for alert in flat} == {"Odd", "Good"}


def test_a_number_is_the_label_of_its_text():
    notifier = Notifier(group_wait=0, silences=[Silence({"code": 500})])
    told = notifier.add([Alert(name="Down", labels={"code": 500})], 0.0)
    (alert,) = notifier.alerts()
    assert told == []
    assert alert.labels == {"code": "500"}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"labels": {"code": 500}}, AlertStatus.FIRING),
        ({"message": 5, "annotations": {"x": 1.5}}, AlertStatus.FIRING),
        ({"starts_at_unix_nano": 1.7e18}, AlertStatus.FIRING),
        ({"starts_at_unix_nano": float("nan")}, AlertStatus.FIRING),
        ({"status": "firing"}, AlertStatus.FIRING),
        ({"status": "acknowledged"}, AlertStatus.ACKNOWLEDGED),
    ],
)
def test_what_is_no_text_does_not_cost_what_else_is_kept(
    run, tmp_path, settings, status
):
    def stage():
        return Notifier(group_wait=30, state=tmp_path / "alerts.db")

    async def scenario():
        first, second = stage(), stage()
        await first.open(stage_context(ManualClock()))
        first.add([Alert(name="Odd", **settings), Alert(name="Good")], 0.0)
        await first.close()
        await second.open(stage_context(ManualClock()))
        return second.alerts()

    odd, good = run(scenario())
    assert (odd.name, good.name) == ("Odd", "Good")
    assert odd.status is status


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Silence({"code": ">= 500"}), "since labels are texts"),
        (lambda: Inhibition({"a": "< 5"}, {"b": "c"}), "Inhibition.source['a'] is"),
        (lambda: Silence({"code": {"x": 1}}), "expected a text or a list of texts"),
        (lambda: Silence({"a": "b"}, ends_at=float("nan")), "Silence.ends_at is nan"),
        (lambda: Silence({"a": "b"}, comment=3), "Silence.comment is 3; expected a te"),
        (lambda: Inhibition({}, {"b": "c"}, equal=[1]), "Inhibition.equal is [1]"),
        (lambda: Level(["a"], after=INF), "Level.after is inf; expected a number from"),
        (lambda: Escalation([Level(["a"])], pause=INF), "Escalation.pause is inf"),
        (lambda: Notifier(group_wait=INF), "Notifier.group_wait is inf"),
        (lambda: Notifier(group_interval=INF), "Notifier.group_interval is inf"),
        (lambda: ThresholdRule("x", above=1, interval=0), "interval is 0; expected"),
        (lambda: ThresholdRule("x", above=1, labels={1: "a"}), "labels has 1"),
    ],
)
def test_what_matches_nothing_spins_or_cannot_be_kept_is_refused(make, words):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert words in str(refused.value)


SECOND = 10**9


@pytest.mark.parametrize("kind", ["notifier", "escalation"])
def test_an_alert_without_a_beginning_began_when_it_came(run, kind):
    async def scenario():
        stage = KINDS[kind]()
        await stage.open(stage_context(ManualClock(time_ns=1000 * SECOND)))
        told = stage.add([Alert(name="Down")], 5.0)
        stage.add([Alert(name="Down", message="still")], 7.0)
        over = Alert(name="Down", status=AlertStatus.RESOLVED)
        told += stage.add([over], 9.0) or stage.tick(305.0)
        flat = [a for p in told for a in (p if isinstance(p, list) else [p])]
        await stage.close()
        return [(a.starts_at_unix_nano, a.ends_at_unix_nano) for a in flat]

    began, ended = 1005 * SECOND, 1009 * SECOND
    assert run(scenario()) == [(began, 0), (began, ended)]


def test_an_alert_that_was_ended_by_hand_says_when(run):
    async def scenario():
        stage = Notifier(group_wait=0)
        await stage.open(stage_context(ManualClock(time_ns=1000 * SECOND)))
        stage.add([Alert(name="Down")], 0.0)
        assert stage.resolve_alerts(lambda labels: True) == 1
        ((alert,),) = stage.tick(300.0)
        await stage.close()
        return alert

    alert = run(scenario())
    assert alert.status is AlertStatus.RESOLVED
    assert alert.ends_at_unix_nano == 1300 * SECOND
