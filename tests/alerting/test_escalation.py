"""Levels, delays, acknowledgement and repeats, by a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import Inlet, Pipeline, route
from sluiceway.alerting import Escalation, Level, Silence, Silences, target_of
from sluiceway.config import load
from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, AlertStatus
from sluiceway.testing import CollectingSink, ManualClock, check_accumulator

LEVELS = [
    Level(["chat"]),
    Level(["pager"], after=300),
    Level(["boss", "pager"], after=900),
]


def alert(status=AlertStatus.FIRING, name="Down", severity="warning", **labels):
    return Alert(name=name, status=status, severity=severity, labels=labels)


def acknowledged(**labels):
    return alert(AlertStatus.ACKNOWLEDGED, **labels)


def resolved(**labels):
    return alert(AlertStatus.RESOLVED, **labels)


def played(escalation, script, until, step=10):
    """``(when, target, status)`` of everything that is told."""
    told = []
    for now in range(0, until + 1, step):
        found = (
            escalation.add(script[now], now) if now in script else escalation.tick(now)
        )
        told += [(now, target_of(a), a.status.value) for a in found]
    return told


FULL = [
    (0, "chat", "firing"),
    (300, "pager", "firing"),
    (900, "boss", "firing"),
    (900, "pager", "firing"),
]


def test_each_level_is_told_when_its_time_comes():
    assert played(Escalation(LEVELS), {0: [alert()]}, 5000) == FULL


def test_the_first_level_waits_for_its_time_too():
    escalation = Escalation([Level(["chat"], after=60)], acknowledged_for=100)
    script = {0: [alert()], 10: [acknowledged()]}
    assert played(escalation, script, 1000) == [(170, "chat", "firing")]
    script = {0: [alert()], 50: [resolved()]}
    assert played(Escalation([Level(["chat"], after=60)]), script, 1000) == []


def test_an_acknowledgement_before_the_next_level_stops_it_and_is_told():
    script = {0: [alert()], 290: [acknowledged()]}
    assert played(Escalation(LEVELS), script, 5000) == [
        (0, "chat", "firing"),
        (290, "chat", "acknowledged"),
    ]


def test_the_end_is_told_to_all_who_were_told_and_to_nobody_else():
    script = {0: [alert()], 310: [acknowledged()], 400: [resolved()]}
    assert played(Escalation(LEVELS), script, 5000)[2:] == [
        (310, "chat", "acknowledged"),
        (310, "pager", "acknowledged"),
        (400, "chat", "resolved"),
        (400, "pager", "resolved"),
    ]


def test_what_is_resolved_escalates_no_further_and_begins_anew_if_it_fires_again():
    escalation = Escalation(LEVELS)
    script = {0: [alert()], 100: [resolved()], 200: [alert()]}
    assert played(escalation, script, 600) == [
        (0, "chat", "firing"),
        (100, "chat", "resolved"),
        (200, "chat", "firing"),
        (500, "pager", "firing"),
    ]


def test_updates_of_a_firing_alert_do_not_begin_it_again():
    script = {0: [alert()]} | {n: [alert()] for n in range(10, 1000, 50)}
    assert played(Escalation(LEVELS), script, 5000) == FULL


def test_the_newest_texts_are_told():
    worse = alert()
    worse.message = "worse"
    escalation = Escalation(LEVELS)
    escalation.add([alert()], 0.0)
    escalation.add([worse], 10.0)
    (told,) = escalation.tick(300.0)
    assert (told.message, told.annotations["escalation.level"]) == ("worse", "2")


def test_the_policy_can_be_gone_through_again_so_many_times():
    escalation = Escalation([Level(["a"]), Level(["b"], after=60)], repeats=2, pause=40)
    told = played(escalation, {0: [alert()]}, 2000)
    assert [(when, target) for when, target, _ in told] == [
        (0, "a"),
        (60, "b"),
        (100, "a"),
        (160, "b"),
        (200, "a"),
        (260, "b"),
    ]
    assert escalation.statistics().running == 1


def test_a_running_escalation_keeps_the_policy_that_it_began_with():
    escalation = Escalation(LEVELS)
    escalation.add([alert(x="old")], 0.0)
    escalation.levels = [Level(["new"]), Level(["newer"], after=100)]
    script = {10: [alert(x="new")]}
    told = played(escalation, script, 2000)
    assert [(w, t) for w, t, _ in told] == [
        (10, "new"),
        (110, "newer"),
        (300, "pager"),
        (900, "boss"),
        (900, "pager"),
    ]


def test_an_acknowledgement_can_run_out():
    escalation = Escalation(LEVELS[:2], acknowledged_for=600)
    script = {0: [alert()], 100: [acknowledged()]}
    assert played(escalation, script, 1100) == [
        (0, "chat", "firing"),
        (100, "chat", "acknowledged"),
        (700, "chat", "firing"),
        (1000, "pager", "firing"),
    ]


def test_what_does_not_fire_can_neither_be_acknowledged_nor_resolved():
    escalation = Escalation(LEVELS)
    assert played(escalation, {0: [acknowledged()], 10: [resolved()]}, 2000) == []
    assert escalation.next_deadline() is None


def test_what_it_has_in_hand_is_counted():
    escalation = Escalation(LEVELS)
    escalation.add([alert(x="1"), alert(x="2"), acknowledged(x="2")], 0.0)
    assert (escalation.statistics().running, escalation.statistics().acknowledged) == (
        1,
        1,
    )
    assert repr(escalation) == "<Escalation 3 levels, 1 running, 1 acknowledged>"


def test_nobody_is_told_of_what_is_silenced_until_the_silence_is_over():
    silences = Silences([Silence({"x": "1"}, starts_at=200, ends_at=1000)])
    escalation = Escalation(LEVELS[:2], silences=silences)
    told = played(escalation, {0: [alert(x="1"), alert(x="2")]}, 2000)
    assert told == [
        (0, "chat", "firing"),
        (0, "chat", "firing"),
        (300, "pager", "firing"),
        (1000, "pager", "firing"),
    ]


def test_a_level_is_told_as_soon_as_its_silence_is_over():
    silences = Silences(
        [Silence({"x": "1"}, ends_at=97.3), Silence({"x": "1"}, 50, 80)]
    )
    escalation = Escalation([Level(["chat"], after=10)], silences=silences)
    escalation.add([Alert(name="Down", labels={"x": "1"})], 0.0)
    looks, told = 0, []
    while not told:
        now = escalation.next_deadline()
        told, looks = escalation.tick(now), looks + 1
    assert 97.3 <= now < 97.4
    assert looks < 12


def test_a_level_raises_the_severity_and_never_lowers_it():
    levels = [Level(["a"], severity="info"), Level(["b"], 10, severity="critical")]
    escalation = Escalation(levels)
    (first,) = escalation.add([alert(severity="error")], 0.0)
    (second,) = escalation.tick(10.0)
    assert (first.severity, second.severity) == ("error", "critical")


def test_levels_may_stand_in_any_order():
    told = played(Escalation(LEVELS[::-1]), {0: [alert()]}, 5000)
    assert sorted(told) == sorted(FULL)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Escalation([]), r"Escalation.levels is []; expected a list of Level"),
        (lambda: Escalation(["chat"]), "expected a list of Level"),
        (lambda: Level([]), "Level.targets is []"),
        (lambda: Level("chat"), "Level.targets is 'chat'"),
        (lambda: Level(["a"], after=-1), "Level.after is -1"),
        (lambda: Level(["a"], severity="bad"), "Level.severity is 'bad'"),
        (lambda: Escalation(LEVELS, repeats=10), "Escalation.repeats is 10"),
        (lambda: Escalation(LEVELS, silences=[1]), "1 is no Silence"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(make, words):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert words in str(refused.value)


def test_targets_are_sinks_behind_a_route(run):
    clock = ManualClock()

    async def scenario():
        inlet = Inlet()
        ends = {name: CollectingSink(name=name) for name in ("chat", "pager", "boss")}
        chain = inlet >> Escalation(LEVELS) >> route(target_of, ends)
        async with Pipeline(chain, clock=clock) as pipeline:
            await inlet.emit(alert())
            await ends["chat"].wait_for(1)
            await clock.advance(300)
            await ends["pager"].wait_for(1)
            await inlet.emit(acknowledged())
            await ends["pager"].wait_for(2)
            await clock.advance(5000)
            await pipeline.flush()
            return {n: end.events for n, end in ends.items()}, pipeline.ledger()

    events, ledger = run(scenario())
    assert [a.status.value for a in events["chat"]] == ["firing", "acknowledged"]
    assert [a.status.value for a in events["pager"]] == ["firing", "acknowledged"]
    assert events["boss"] == []
    assert ledger.balanced


def test_a_file_says_the_same(tmp_path):
    path = tmp_path / "oncall.toml"
    path.write_text(
        """
chains = ["alerts >> escalation >> by_target"]

[stages]
alerts = { type = "WebhookSource", port = 0 }
chat = { type = "ConsoleSink" }
pager = { type = "ConsoleSink" }

[stages.escalation]
type = "Escalation"
levels = [
    { targets = ["chat"] },
    { targets = ["pager"], after = 300, severity = "critical" },
]

[routes.by_target]
select = "annotations.escalation.target"
branches = { chat = "chat", pager = "pager" }
"""
    )
    assert "escalation" in load(path).pipeline.graph()


def test_who_ends_a_silence_early_has_its_levels_told_by_the_next_flush():
    silences = Silences()
    escalation = Escalation([Level(["a"]), Level(["b"], after=60)], silences=silences)
    told = escalation.add([alert(x="1"), alert(x="2")], 0.0)
    silence = Silence({"x": ["1", "2"]}, ends_at=500)
    silences.add(silence)
    told += escalation.tick(60.0) + escalation.flush(61.0)
    told += escalation.add([acknowledged(x="2")], 62.0)
    silences.remove(silence)
    told += escalation.flush(63.0) + escalation.flush(64.0) + escalation.tick(500.0)
    assert [(a.labels["x"], target_of(a), a.status.value) for a in told] == [
        ("1", "a", "firing"),
        ("2", "a", "firing"),
        ("2", "a", "acknowledged"),
        ("1", "b", "firing"),
    ]
    assert escalation.statistics().acknowledged == 1


def test_a_silence_that_the_program_ends_early_is_missed_for_ten_seconds_at_most():
    silences = Silences([silence := Silence({"x": "1"}, ends_at=500)])
    escalation = Escalation([Level(["a"])], silences=silences)
    assert escalation.add([alert(x="1")], 0.0) == []
    silences.remove(silence)
    due = escalation.next_deadline()
    assert due is not None
    assert due <= 10
    assert [target_of(a) for a in escalation.tick(due)] == ["a"]


def test_a_severity_that_was_raised_is_lowered_by_no_later_level_and_no_repeat():
    levels = [
        Level(["chat"]),
        Level(["pager"], after=10, severity="critical"),
        Level(["boss"], after=20, severity="error"),
        Level(["all"], after=30),
    ]
    escalation = Escalation(levels, repeats=1, pause=10)
    told = escalation.add([alert()], 0.0)
    for now in range(10, 80, 10):
        told += escalation.tick(float(now))
    assert [(target_of(each), each.severity) for each in told] == [
        ("chat", "warning"),
        *[(target, "critical") for target in ("pager", "boss", "all")],
        *[(target, "critical") for target in ("chat", "pager", "boss", "all")],
    ]


def test_an_escalation_keeps_what_the_engine_relies_on():
    alerts = [alert(x=str(n % 5)) for n in range(20)]
    alerts += [acknowledged(x="1"), *(resolved(x=str(n)) for n in range(5))]
    check_accumulator(lambda: Escalation(LEVELS, repeats=1), alerts)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400),
            st.sampled_from([alert, acknowledged, resolved]),
            st.sampled_from("12"),
        ),
        max_size=30,
    )
)
def test_who_is_told_of_an_end_was_told_of_the_beginning(steps):
    escalation = Escalation(LEVELS, repeats=1, pause=100, acknowledged_for=500)
    now, told = 0.0, []
    for pause, make, x in steps:
        now += pause
        told += escalation.add([make(x=x)], now)
    told += escalation.add([resolved(x="1"), resolved(x="2")], now)
    knows = set()
    for each in told:
        key = (each.labels["x"], target_of(each))
        if each.status is AlertStatus.FIRING:
            knows.add(key)
        else:
            assert key in knows
        if each.status is AlertStatus.RESOLVED:
            knows.discard(key)
    assert knows == set()
    assert escalation.next_deadline() is None
