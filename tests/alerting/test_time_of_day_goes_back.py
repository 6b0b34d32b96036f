"""A machine whose time of day was wrong, and was put right between two starts."""

from __future__ import annotations

import pytest
from waiting import turns

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import Escalation, FlapDamper, Level, Notifier, ThresholdRule
from sluiceway.events import Alert, AlertStatus, MetricPoint
from sluiceway.testing import CollectingSink, ManualClock

START = 1_700_000_000
DAY = 86_400
DOWN, OVER = Alert(name="Down"), Alert(name="Down", status=AlertStatus.RESOLVED)
KNOWN = Alert(name="Down", status=AlertStatus.ACKNOWLEDGED)
HOT, COLD = (MetricPoint(name="t", value=value) for value in (2, 0))
LEVELS = [Level(["chat"]), Level(["pager"], after=60)]

# What is made, what happens first, what then, and what is told then.
CASES = {
    "a group that waits": (
        lambda state: Notifier(group_wait=10, group_interval=60, state=state),
        {0: DOWN},
        {0: None, 11: None},
        [(11, "firing")],
    ),
    "a group that was told": (
        lambda state: Notifier(group_wait=0, group_interval=60, state=state),
        {0: DOWN},
        {0: OVER, 61: None},
        [(61, "resolved")],
    ),
    "an escalation": (
        lambda state: Escalation(LEVELS, state=state),
        {0: DOWN},
        {0: None, 61: None},
        [(61, "firing")],
    ),
    "an acknowledgement": (
        lambda state: Escalation(LEVELS, acknowledged_for=100, state=state),
        {0: DOWN, 1: KNOWN},
        {0: None, 101: None},
        [(101, "firing")],
    ),
    "what flaps": (
        lambda state: FlapDamper(1, window=60, state=state),
        {0: DOWN, 1: OVER, 2: DOWN, 3: OVER},
        {0: None, 61: None},
        [(61, "resolved")],
    ),
    "what is pending": (
        lambda state: ThresholdRule("Hot", above=1, for_=30, state=state),
        {0: HOT},
        {0: HOT, 31: HOT},
        [(31, "firing")],
    ),
    "what goes on firing": (
        lambda state: ThresholdRule("Hot", above=1, keep_firing_for=30, state=state),
        {0: HOT, 1: COLD},
        {0: COLD, 31: COLD},
        [(31, "resolved")],
    ),
}


async def life(stage, time, script):
    """What is told in a pipeline that starts at a time of day."""
    clock = ManualClock(time_ns=time * 10**9)
    inlet, end = Inlet(), CollectingSink()
    told = []
    async with Pipeline(inlet >> stage >> end, clock=clock) as pipeline:
        for now, event in script.items():
            await clock.advance(now - clock.now())
            if event is not None:
                await inlet.emit(event)
                await clock.advance()
                await pipeline.flush()
            await turns(20)
            told += [(now, alert.status.value) for alert in end.events]
            end.clear()
    return told


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_nobody_waits_for_a_time_of_day_to_come_again(run, tmp_path, case):
    make, first, then, expected = case

    async def scenario():
        await life(make(tmp_path / "alerts.db"), START + DAY, first)
        return await life(make(tmp_path / "alerts.db"), START, then)

    assert run(scenario()) == expected
