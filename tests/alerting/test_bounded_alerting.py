"""What alerting has no room for, or cannot mean, is refused alone and by name."""

from __future__ import annotations

import pytest

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import Escalation, FlapDamper, Level, Notifier
from sluiceway.alerting.grouping import Group
from sluiceway.errors import PartialError
from sluiceway.events import Alert, AlertStatus
from sluiceway.testing import CollectingSink, ManualClock

STAGES = {
    "notifier": lambda **more: Notifier(["..."], group_wait=0, **more),
    "escalation": lambda **more: Escalation([Level(["chat"])], **more),
}
DAMPED = {**STAGES, "damper": FlapDamper}


def down(x, status=AlertStatus.FIRING):
    return Alert(name="Down", status=status, labels={"x": x})


def in_a_pipeline(run, stage, batches):
    """The labels of what comes out, and the stage's part of the ledger."""

    async def scenario():
        inlet, end = Inlet(), CollectingSink()
        chain = inlet >> stage >> end
        async with Pipeline(chain, clock=ManualClock()) as pipeline:
            for batch in batches:
                await inlet.emit_many(batch)
                await pipeline.flush()
        ledger = pipeline.ledger()
        assert ledger.balanced
        return [alert.labels["x"] for alert in end.events], ledger.stages

    told, stages = run(scenario())
    return told, next(each for name, each in stages.items() if name in DAMPED_NAMES)


DAMPED_NAMES = ("notifier", "escalation", "flap_damper")


@pytest.mark.parametrize("make", DAMPED.values(), ids=DAMPED)
def test_what_is_no_alert_is_rejected_and_costs_no_neighbour(run, caplog, make):
    batch = [down("1"), {"name": "Down"}, down("2"), None]
    told, books = in_a_pipeline(run, make(), [batch])
    assert sorted(told) == ["1", "2"]
    assert books.rejected == {"not_an_alert": 2}
    assert "takes alerts, not dict" in caplog.text


@pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)
def test_an_alert_that_has_no_room_is_rejected_and_those_that_are_known_go_on(
    run, caplog, make
):
    first = [down(str(number)) for number in range(4)]
    then = [down("0", AlertStatus.RESOLVED), down("9", AlertStatus.RESOLVED), down("3")]
    told, books = in_a_pipeline(run, make(max_alerts=3), [first, then])
    assert books.rejected["too_many_alerts"] >= 1
    assert told[:3] == ["0", "1", "2"]
    assert "9" not in told
    assert "knows 3 alerts, its max_alerts" in caplog.text


def test_an_alert_that_ends_makes_room_in_an_escalation():
    escalation = Escalation([Level(["chat"])], max_alerts=1)
    assert escalation.add([down("1")], 0.0)
    with pytest.raises(PartialError) as refused:
        escalation.add([down("2"), down("1", AlertStatus.RESOLVED)], 1.0)
    assert {i: e.reason for i, e in refused.value.failed.items()} == {
        0: "too_many_alerts"
    }
    assert [alert.status.value for alert in refused.value.kept] == ["resolved"]
    assert escalation.add([down("2")], 2.0)


def test_a_damper_that_has_no_room_lets_alerts_pass():
    damper = FlapDamper(1, window=10, max_alerts=1)
    ended = AlertStatus.RESOLVED
    script = [down("1"), down("2"), down("2", ended), down("2"), down("2", ended)]
    assert damper.add(script, 0.0) == script
    assert damper.statistics().watched == 1


class Looked:
    """An identity that counts how often a set or a table looks for it."""

    count = 0

    def __hash__(self):
        Looked.count += 1
        return id(self)


def test_a_group_of_many_looks_a_few_times_at_each_alert():
    Looked.count = 0
    group = Group(0.0, {Looked(): down(str(number)) for number in range(1000)})
    told = group.tell(0.0, lambda _: False, repeat_interval=9.0, send_resolved=True)
    assert len(told) == 1000
    assert Looked.count < 20 * 1000


def test_ten_thousand_changes_of_one_alert_take_no_more_room_than_a_few():
    damper = FlapDamper(3, window=100)
    for number in range(10_000):
        status = AlertStatus.RESOLVED if number % 2 else AlertStatus.FIRING
        damper.add([down("1", status)], number / 1000)
    (pattern,) = damper.snapshot().patterns
    assert pattern.changes == [9.996, 9.997, 9.998, 9.999]
    assert damper.next_deadline() == 100.0
    assert damper.tick(109.0) == []
    (over,) = damper.tick(109.999)
    assert over.status is AlertStatus.RESOLVED
    assert damper.statistics().watched == 0
