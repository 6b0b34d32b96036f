"""An alert that comes and goes all the time, by a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.alerting import FlapDamper
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus
from sluiceway.testing import check_accumulator


def firing(x="1"):
    return Alert(name="Down", labels={"x": x})


def resolved(x="1"):
    return Alert(name="Down", labels={"x": x}, status=AlertStatus.RESOLVED)


def played(damper, script, until):
    told = []
    for now in range(until + 1):
        found = damper.add(script[now], now) if now in script else damper.tick(now)
        told += [(now, a.status.value, "flapping" in a.annotations) for a in found]
    return told


def flapping(count, pause=1, start=0):
    """So many changes: a beginning, an end, and so on."""
    return {
        start + n * pause: [resolved() if n % 2 else firing()] for n in range(count)
    }


def test_what_changes_seldom_passes_as_it_is():
    assert played(FlapDamper(3, window=60), flapping(6, pause=30), 1000) == [
        (n * 30, "resolved" if n % 2 else "firing", False) for n in range(6)
    ]


def test_what_changes_too_often_is_held_as_firing_and_ends_once_it_is_calm():
    damper = FlapDamper(3, window=60)
    assert played(damper, flapping(10), 200) == [
        (0, "firing", False),
        (1, "resolved", False),
        (2, "firing", False),
        (3, "firing", True),
        (69, "resolved", False),
    ]
    assert damper.statistics().watched == 0
    assert damper.next_deadline() is None


def test_one_that_fires_when_it_is_calm_needs_no_news():
    damper = FlapDamper(3, window=60)
    script = flapping(11) | {200: [resolved()]}
    assert played(damper, script, 300)[3:] == [
        (3, "firing", True),
        (200, "resolved", False),
    ]


def test_updates_of_a_firing_alert_pass_and_are_no_changes():
    damper = FlapDamper(1, window=60)
    script = {n: [firing()] for n in range(10)}
    assert len(played(damper, script, 20)) == 10
    assert damper.statistics().flapping == 0


def test_each_alert_is_watched_by_itself():
    damper = FlapDamper(3, window=60)
    played(damper, flapping(6), 6)
    assert damper.add([firing("2")], 7.0) == [firing("2")]
    assert repr(damper) == "<FlapDamper 2 watched, 1 flapping>"


def test_an_end_of_what_it_never_saw_passes():
    assert FlapDamper().add([resolved()], 0.0) == [resolved()]


def test_an_acknowledgement_of_what_flaps_is_told_once_it_is_calm():
    damper = FlapDamper(1, window=10)
    known = Alert(name="Down", labels={"x": "1"}, status=AlertStatus.ACKNOWLEDGED)
    script = [firing(), resolved(), firing(), known]
    told = [damper.add([alert], float(now)) for now, alert in enumerate(script)]
    assert [len(alerts) for alerts in told] == [1, 1, 0, 0]
    assert damper.tick(11.0) == []
    assert damper.tick(12.0) == [known]
    assert damper.tick(30.0) == []


def test_an_acknowledgement_is_no_change():
    damper = FlapDamper(1, window=60)
    known = Alert(name="Down", labels={"x": "1"}, status=AlertStatus.ACKNOWLEDGED)
    assert damper.add([firing(), known], 0.0) == [firing(), known]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FlapDamper(10**19), "FlapDamper.limit is 10000000000000000000"),
        (lambda: FlapDamper(0), "FlapDamper.limit is 0"),
        (lambda: FlapDamper(window=0), "FlapDamper.window is 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(make, words):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert words in str(refused.value)


def test_it_keeps_what_the_engine_relies_on():
    alerts = [make(x) for x in "12" for make in (firing, resolved) * 8]
    check_accumulator(lambda: FlapDamper(3, window=5), alerts)


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.booleans(), st.sampled_from("12")), max_size=60
    )
)
def test_in_the_end_everybody_knows_what_is_the_case(steps):
    damper = FlapDamper(3, window=50)
    now, told, real = 0.0, {}, {}
    for pause, fires, x in steps:
        now += pause
        alert = firing(x) if fires else resolved(x)
        real[x] = alert.status
        for each in damper.add([alert], now):
            told[each.labels["x"]] = each.status
    for each in damper.tick(now + 50):
        told[each.labels["x"]] = each.status
    assert told == real
