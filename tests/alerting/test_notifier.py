"""Grouping, repeating, silences and inhibition, as Alertmanager means them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import Inhibition, Notifier, Silence, Silences
from sluiceway.alerting.grouping import Told, must_tell
from sluiceway.config import InvalidFileError, load
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus
from sluiceway.testing import CollectingSink, ManualClock, check_accumulator


def firing(name="Down", severity="warning", **labels):
    return Alert(name=name, severity=severity, labels=labels)


def resolved(name="Down", severity="warning", **labels):
    alert = firing(name, severity, **labels)
    alert.status = AlertStatus.RESOLVED
    return alert


def played(notifier, script, until):
    """The notifications, as ``(when, sorted words)``; ``-x`` is a resolved one."""
    told = []
    for now in range(until + 1):
        batches = (
            notifier.add(script[now], now) if now in script else notifier.tick(now)
        )
        told += [(now, words(batch)) for batch in batches]
    return told


def words(alerts):
    signs = {
        AlertStatus.FIRING: "",
        AlertStatus.ACKNOWLEDGED: "!",
        AlertStatus.RESOLVED: "-",
    }
    return sorted(signs[a.status] + (a.labels.get("x") or a.name) for a in alerts)


A, B = frozenset("a"), frozenset("b")
AB, NONE = A | B, frozenset()


@pytest.mark.parametrize(
    ("told", "now", "tells"),
    [
        (None, (NONE, NONE), False),
        (None, (NONE, A), False),
        (None, (A, NONE), True),
        ((A, NONE), (A, NONE), False),
        ((A, NONE), (AB, NONE), True),
        ((AB, NONE), (A, NONE), False),
        ((AB, NONE), (A, B), True),
        ((A, B), (A, B), False),
        ((A, NONE), (NONE, A), True),
        ((A, NONE), (NONE, NONE), False),
        ((NONE, A), (NONE, A), False),
        ((NONE, A), (A, NONE), True),
    ],
)
def test_what_is_told_depends_on_what_was_told_and_what_is_the_case(told, now, tells):
    before = None if told is None else Told(*told, at=0.0)
    assert must_tell(before, *now, now=10.0, repeat_interval=100.0) is tells


def test_what_still_fires_is_told_again_after_the_repeat_interval():
    before = Told(A, NONE, at=0.0)
    assert not must_tell(before, A, NONE, now=99.0, repeat_interval=100.0)
    assert must_tell(before, A, NONE, now=100.0, repeat_interval=100.0)


def test_a_group_waits_for_more_and_is_told_as_one():
    notifier = Notifier(group_wait=10)
    script = {0: [firing(x="1")], 5: [firing(x="2")], 8: [firing("Slow")]}
    assert played(notifier, script, 30) == [(10, ["1", "2"]), (18, ["Slow"])]


def test_a_newcomer_is_told_with_the_others_at_the_next_interval():
    notifier = Notifier(group_wait=10, group_interval=60)
    script = {0: [firing(x="1")], 20: [firing(x="2")], 25: [firing(x="1")]}
    assert played(notifier, script, 200) == [(10, ["1"]), (70, ["1", "2"])]


def test_what_was_resolved_is_told_once_and_the_group_is_forgotten():
    notifier = Notifier(group_wait=0, group_interval=60)
    script = {0: [firing(x="1"), firing(x="2")], 5: [resolved(x="1")]}
    script |= {70: [resolved(x="2")]}
    assert played(notifier, script, 300) == [
        (0, ["1", "2"]),
        (60, ["-1", "2"]),
        (120, ["-2"]),
    ]
    assert notifier.next_deadline() is None
    assert notifier.statistics().groups == 0


def test_what_is_resolved_before_its_group_was_told_is_told_by_nobody():
    notifier = Notifier(group_wait=10)
    assert played(notifier, {0: [firing()], 5: [resolved()]}, 30) == []
    assert played(notifier, {40: [resolved()]}, 50) == []


def test_without_send_resolved_only_what_fires_is_told():
    notifier = Notifier(group_wait=0, group_interval=60, send_resolved=False)
    script = {0: [firing(x="1")], 5: [resolved(x="1")], 100: [firing(x="1")]}
    assert played(notifier, script, 200) == [(0, ["1"]), (100, ["1"])]


def test_what_goes_on_firing_is_repeated_at_a_look_after_the_interval():
    notifier = Notifier(group_wait=0, group_interval=60, repeat_interval=150)
    assert [now for now, _ in played(notifier, {0: [firing()]}, 400)] == [0, 180, 360]


def test_an_alert_that_has_fired_for_long_is_not_waited_for():
    old = firing()
    old.starts_at_unix_nano = 1
    assert played(Notifier(group_wait=30), {100: [old]}, 101) == [(100, ["Down"])]


def test_one_that_has_fired_for_long_is_not_waited_for_by_a_group_that_waits():
    old = firing(x="2")
    old.starts_at_unix_nano = 1
    notifier = Notifier(group_wait=30, group_interval=60)
    script = {100: [firing(x="1")], 105: [old], 110: [old]}
    assert played(notifier, script, 400) == [(105, ["1", "2"])]


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        (["alertname"], [["1", "2"], ["3"]]),
        (["zone"], [["1", "3"], ["2"]]),
        (["severity"], [["1", "2", "3"]]),
        ([], [["1", "2", "3"]]),
        (["..."], [["1"], ["2"], ["3"]]),
        (["alertname", "zone"], [["1"], ["2"], ["3"]]),
    ],
)
def test_alerts_are_grouped_by_the_values_of_labels(group_by, groups):
    alerts = [
        firing(x="1", zone="a"),
        firing(x="2", zone="b"),
        firing("Slow", x="3", zone="a"),
    ]
    told = Notifier(group_by, group_wait=0).add(alerts, 0.0)
    assert sorted(map(words, told)) == groups


def test_an_update_keeps_the_earliest_start_and_has_the_newest_texts():
    first, second = firing(), firing()
    first.starts_at_unix_nano, second.starts_at_unix_nano = 5 * 10**9, 9 * 10**9
    second.message = "worse"
    ((told,),) = Notifier(group_wait=0).add([first, second], 9.0)
    assert (told.starts_at_unix_nano, told.message) == (5 * 10**9, "worse")
    told.labels["changed"] = "by a sink"
    assert first.labels == {}


def test_an_alert_whose_severity_changes_leaves_its_group_and_is_not_over():
    bad, worse = firing(x="1"), firing(x="1")
    bad.severity, worse.severity = "warning", "critical"
    ended = resolved(x="1")
    notifier = Notifier(["severity"], group_wait=0, group_interval=60)
    told = []
    for now, events in {0: [bad], 5: [worse], 60: [], 70: [ended], 130: []}.items():
        for group in notifier.add(events, float(now)):
            told += [(now, a.severity, a.status.value) for a in group]
    assert told == [
        (0, "warning", "firing"),
        (5, "critical", "firing"),
        (70, "warning", "resolved"),
    ]
    assert notifier.alerts() == []
    assert notifier.statistics().groups == 0


def test_empty_labels_are_no_part_of_the_identity():
    ((told,),) = Notifier(group_wait=0).add([firing(zone=""), firing()], 0.0)
    assert told.labels == {}


# Silences.


def test_nobody_is_told_of_what_is_silenced_until_the_silence_ends():
    silence = Silence({"alertname": "Down", "x": "=~ 1|2"}, ends_at=100)
    notifier = Notifier(group_wait=0, group_interval=60, silences=[silence])
    script = {0: [firing(x="1"), firing(x="3")]}
    assert played(notifier, script, 200) == [(0, ["3"]), (120, ["1", "3"])]


def test_a_silence_that_begins_later_stops_the_repeats_and_forgets_nothing():
    silences = Silences()
    notifier = Notifier(
        group_wait=0, group_interval=60, repeat_interval=60, silences=silences
    )
    silence = Silence({"alertname": "Down"}, starts_at=50, ends_at=170)
    silences.add(silence)
    assert [now for now, _ in played(notifier, {0: [firing()]}, 200)] == [0, 180]
    assert silences.active(100.0) == [silence]
    assert silences.active(170.0) == []
    assert repr(silences) == "<Silences 1>"


def test_a_silence_can_be_ended_and_what_fires_is_told_then():
    silence = Silence({"severity": "critical"})
    silences = Silences([silence])
    notifier = Notifier(group_wait=0, group_interval=60, silences=silences)
    assert played(notifier, {0: [firing(severity="critical")]}, 30) == []
    assert notifier.statistics().muted == 1
    assert silences.remove(silence)
    assert not silences.remove(silence)
    assert notifier.tick(60.0) != []
    assert notifier.statistics().muted == 0


def test_what_was_told_before_it_was_silenced_is_told_to_be_over():
    silence = Silence({"x": "1"}, starts_at=10)
    notifier = Notifier(group_wait=0, group_interval=60, silences=[silence])
    script = {0: [firing(x="1"), firing(x="2")], 70: [resolved(x="1")]}
    assert played(notifier, script, 130) == [(0, ["1", "2"]), (120, ["-1", "2"])]


def test_what_was_silenced_and_resolved_is_told_by_nobody():
    silence = Silence({"alertname": "Down"}, ends_at=100)
    notifier = Notifier(group_wait=0, group_interval=60, silences=[silence])
    assert played(notifier, {0: [firing()], 5: [resolved()]}, 300) == []
    assert notifier.alerts() == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Silence({}), "silences everything"),
        (lambda: Silence({"zone": "=~ .*"}), "silences everything"),
        (lambda: Silence({"zone": "!= a"}), "silences everything"),
        (lambda: Silence("zone"), "Silence.matching is 'zone'; expected a table"),
        (lambda: Silence({"zone": "=~ ("}), "expected a regular expression"),
        (lambda: Silence({"a": "b"}, ends_at="soon"), "Silence.ends_at is 'soon'"),
        (lambda: Silence({"a": "b"}, ends_at=datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001
        (lambda: Silence({"a": "b"}, starts_at=2, ends_at=2), "a moment after"),
        (lambda: Notifier("alertname"), "expected a list of labels"),
        (lambda: Notifier(group_wait=-1), "Notifier.group_wait is -1"),
        (lambda: Notifier(silences=["x"]), "'x' is no Silence"),
        (lambda: Silences().add("x"), "'x' is no Silence"),
        (lambda: Notifier(inhibit=["x"]), "expected a list of Inhibition"),
        (lambda: Inhibition({}, {}, equal="zone"), "Inhibition.equal is 'zone'"),
        (lambda: Inhibition(3, {}), "Inhibition.source is 3"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(make, says):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert says in str(refused.value)


def test_a_silence_may_be_given_in_dates():
    day = datetime(2026, 1, 1, tzinfo=UTC)
    silence = Silence({"a": "b"}, starts_at=day)
    assert not silence.mutes({"a": "b"}, day.timestamp() - 1)
    assert silence.mutes({"a": "b"}, day.timestamp())


# Inhibition.

DOWN_EXPLAINS = Inhibition(
    source={"alertname": "Down"}, target={"severity": "warning"}, equal=["zone"]
)


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        (firing("Down", "critical", zone="a"), firing("Slow", zone="a", x="1"), False),
        (firing("Down", "critical", zone="a"), firing("Slow", zone="b", x="1"), True),
        (firing("Down", "critical"), firing("Slow", x="1"), False),
        (firing("Down", "critical", zone=""), firing("Slow", x="1"), False),
        (firing("Up", "critical", zone="a"), firing("Slow", zone="a", x="1"), True),
        (
            firing("Down", "critical", zone="a"),
            firing("Slow", "error", zone="a", x="1"),
            True,
        ),
        (resolved("Down", "critical", zone="a"), firing("Slow", zone="a", x="1"), True),
    ],
)
def test_an_alert_that_another_one_explains_is_not_told(source, target, told):
    notifier = Notifier(group_wait=10, inhibit=[DOWN_EXPLAINS])
    seen = played(notifier, {0: [source, target]}, 20)
    assert any(shown == ["1"] for _, shown in seen) is told


def test_it_is_told_once_what_explains_it_is_over():
    notifier = Notifier(group_wait=0, group_interval=60, inhibit=[DOWN_EXPLAINS])
    script = {0: [firing("Down", "critical"), firing("Slow")]}
    script |= {70: [resolved("Down", "critical")]}
    assert played(notifier, script, 200) == [
        (0, ["Down"]),
        (120, ["-Down"]),
        (120, ["Slow"]),
    ]


def test_an_alert_that_is_both_is_not_explained_by_another_that_is_both():
    both = Inhibition(source={"zone": "a"}, target={"zone": "a"}, equal=["zone"])
    notifier = Notifier([], group_wait=0, inhibit=[both])
    ((*told,),) = notifier.add([firing(x="1", zone="a"), firing(x="2", zone="a")], 0.0)
    assert words(told) == ["1", "2"]


def test_one_that_is_both_is_explained_by_one_that_is_a_source_only():
    both = Inhibition(source={"zone": "a"}, target={"x": "1|2", "zone": "a"})
    only = Inhibition(source={"zone": "a"}, target={"x": ["1", "2"]})
    assert both
    notifier = Notifier([], group_wait=0, inhibit=[only])
    alerts = [firing(x=x, zone="a") for x in ("1", "2", "3")]
    ((*told,),) = notifier.add(alerts, 0.0)
    assert words(told) == ["3"]


# As a stage.

FILE = """
chains = ["inlet >> notifier >> out"]

[stages]
inlet = { type = "WebhookSource", port = 0 }
out = { type = "ConsoleSink" }

[stages.notifier]
type = "Notifier"
group_by = ["alertname", "zone"]
group_wait = 5
inhibit = [{ source = { alertname = "Down" }, target = { severity = "warning" } }]

[[stages.notifier.silences]]
matching = { zone = "=~ eu-.*" }
ends_at = 2026-12-01T08:00:00Z
comment = "moving"
"""


def test_a_file_says_the_same(tmp_path):
    path = tmp_path / "alerts.toml"
    path.write_text(FILE)
    assert "notifier" in load(path).pipeline.graph()
    path.write_text(FILE.replace("08:00:00Z", "08:00:00"))
    with pytest.raises(InvalidFileError, match="with a time zone"):
        load(path)
    path.write_text(FILE.replace("2026-12-01T08:00:00Z", "'tomorrow'"))
    with pytest.raises(InvalidFileError, match="expected a date and time"):
        load(path)


def test_a_notification_is_one_write_of_a_sink(run):
    clock = ManualClock()

    async def scenario():
        inlet, end = Inlet(), CollectingSink()
        notifier = Notifier(group_wait=30)
        async with Pipeline(inlet >> notifier >> end, clock=clock) as pipeline:
            await inlet.emit_many([firing(x="1"), firing("Slow"), firing(x="2")])
            await pipeline.flush()
            assert end.batches == []
            await clock.advance(30)
            await end.wait_for(3)
            return [words(batch) for batch in end.batches], pipeline.ledger()

    batches, ledger = run(scenario())
    assert sorted(batches) == [["1", "2"], ["Slow"]]
    assert ledger.balanced


def test_an_acknowledged_alert_is_told_once_and_not_repeated():
    notifier = Notifier(group_wait=0, group_interval=10, repeat_interval=20)
    told = {0: notifier.add([firing(x="1"), firing(x="2")], 0)}
    assert notifier.acknowledge_alerts(lambda labels: labels["x"] == "1") == 1
    assert notifier.acknowledge_alerts(lambda labels: labels["x"] == "1") == 0
    for now in range(10, 90, 10):
        if now == 50:
            assert notifier.acknowledge_alerts(lambda labels: True) == 1
        if now == 70:  # its source does not know that somebody cares
            told[now] = notifier.add([firing(x="1"), resolved(x="2")], now)
        else:
            told[now] = notifier.tick(now)
    found = {
        now: sorted(f"{a.labels['x']} {a.status.value}" for a in batch)
        for now, batches in told.items()
        for batch in batches
    }
    assert found == {
        0: ["1 firing", "2 firing"],
        10: ["1 acknowledged", "2 firing"],
        30: ["1 acknowledged", "2 firing"],
        50: ["1 acknowledged", "2 acknowledged"],
        70: ["1 acknowledged", "2 resolved"],
    }


def test_an_alert_that_fires_again_is_not_acknowledged_any_more():
    notifier = Notifier(group_wait=0, group_interval=10)
    notifier.add([firing(x="1")], 0)
    notifier.acknowledge_alerts(lambda labels: True)
    assert words(notifier.tick(10)[0]) == ["!1"]
    assert words(notifier.add([resolved(x="1")], 20)[0]) == ["-1"]
    assert words(notifier.add([firing(x="1")], 30)[0]) == ["1"]
    notifier.acknowledge_alerts(lambda labels: True)
    assert words(notifier.tick(40)[0]) == ["!1"]


def test_a_notifier_keeps_what_the_engine_relies_on():
    alerts = [firing(x=str(n % 5)) for n in range(20)]
    alerts += [resolved(x=str(n)) for n in range(5)]
    check_accumulator(lambda: Notifier(group_wait=1, group_interval=2), alerts)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 50),
            st.booleans(),
            st.sampled_from("ab"),
            st.sampled_from("12"),
        ),
        max_size=60,
    )
)
def test_nobody_hears_that_an_alert_is_over_who_did_not_hear_that_it_fired(steps):
    notifier = Notifier(group_wait=5, group_interval=10, repeat_interval=30)
    now, told = 0.0, []
    for pause, fires, name, x in steps:
        now += pause
        make = firing if fires else resolved
        told += notifier.add([make(name, x=x)], now)
    for _ in range(20):
        now += 10
        told += notifier.tick(now)
    known = set()
    for batch in told:
        assert batch
        for alert in batch:
            identity = (alert.name, alert.labels["x"])
            if alert.status is AlertStatus.RESOLVED:
                assert identity in known
                known.discard(identity)
            else:
                known.add(identity)
    fires_now = {(a.name, a.labels["x"]) for a in notifier.alerts()}
    assert known == fires_now
