"""Escalation of FLEXT alerts: by hand at once, and by policies as time passes."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.polling import eventually

from flext_observability import (
    FlextAlertService,
    FlextBackend,
    FlextConfigurationError,
    FlextEscalationLevel,
    FlextEscalationPolicy,
    FlextObservabilityConfig,
    FlextValidationError,
    flext_create_alert,
)
from flext_observability.alert_channels import AlertChannels
from flext_observability.alert_desk import AlertDesk
from flext_observability.alert_notices import AlertNotices, Notice
from flext_observability.alerts import silence_of
from flext_observability.escalation import Request, request_of
from sluiceway import Inlet, Pipeline, Queue
from sluiceway.alerting import Escalation, Level, Silences
from sluiceway.events import Alert, AlertStatus
from sluiceway.testing import CollectingSink, HangingSink, ManualClock

NAMES = ("chat", "pager", "boss")
POLICY = FlextEscalationPolicy(
    "standard",
    [
        FlextEscalationLevel("boss", after=900, severity="critical"),
        FlextEscalationLevel("chat"),
        FlextEscalationLevel(["pager"], after=300, severity="error"),
    ],
)


def alert(name="Down", severity="warning", message="it is down", source="db", **more):
    return flext_create_alert(name, severity, message, source, **more).unwrap()


def told_of(sink):
    return [(each.status.value, each.severity) for each in sink.events]


# By hand.


@pytest.fixture
def channels():
    return {name: CollectingSink(name=name) for name in NAMES}


@pytest.fixture
def sinks():
    return CollectingSink()


@pytest.fixture
def backend(channels, sinks):
    backend = FlextBackend(
        FlextObservabilityConfig(), sinks={"alerts": [sinks]}, channels=channels
    )
    yield backend
    backend.stop()


@pytest.fixture
def service(backend):
    return FlextAlertService(backend)


def happened(service, one):
    return [each.what for each in service.history(one).unwrap() if each.what != "told"]


def test_an_escalation_raises_level_and_severity_and_keeps_the_id(
    backend, service, sinks
):
    first = service.process(alert()).unwrap()
    config = {"level": 2, "severity": "critical", "reason": "an hour", "by": "ann"}
    raised = asyncio.run(service.escalate_alert(first, config)).unwrap()
    assert raised.alert_id == first.alert_id
    assert (raised.level, raised.severity) == (2, "critical")
    assert service.get(first).unwrap() == raised
    assert backend.flush().is_success
    assert told_of(sinks) == [("firing", "warning"), ("firing", "critical")]
    assert sinks.events[1].annotations == {
        "alert_id": first.alert_id,
        "escalation.level": "2",
        "escalation.reason": "an hour",
        "escalation.by": "ann",
    }
    (event,) = [e for e in service.history(first).unwrap() if e.what == "escalated"]
    assert (event.by, event.level, event.severity) == ("ann", 2, "critical")
    assert event.note == "an hour"


def test_neither_level_nor_severity_is_ever_lowered(service):
    first = service.process(alert(severity="error")).unwrap()
    service.escalate(first, {"level": 3})
    for config in ({"level": 1, "severity": "info"}, {"level": 3}):
        raised = service.escalate(first, config).unwrap()
        assert (raised.level, raised.severity) == (3, "error")
    assert service.escalate(first, {}).unwrap().level == 4


def test_what_was_escalated_stays_so_while_its_source_says_what_it_said_before(
    backend, service, sinks
):
    first = service.process(alert()).unwrap()
    service.escalate(first, {"severity": "critical"})
    again = service.process(alert()).unwrap()
    assert (again.severity, again.level) == ("critical", 1)
    assert backend.flush().is_success
    assert len(sinks.events) == 2


def test_an_escalation_to_a_level_alone_pins_no_severity(service):
    first = service.process(alert(severity="error")).unwrap()
    service.escalate(first, {"level": 2})
    assert service.process(alert(severity="info")).unwrap().severity == "info"
    service.escalate(first, {"severity": "warning"})
    assert service.process(alert(severity="info")).unwrap().severity == "warning"
    assert service.process(alert(severity="error")).unwrap().severity == "error"


@pytest.mark.parametrize(
    ("named", "told"), [("pager", {"pager"}), (["boss", "chat"], {"boss", "chat"})]
)
def test_the_channels_that_are_named_are_told_and_no_others(
    backend, service, channels, named, told
):
    first = service.process(alert()).unwrap()
    assert service.escalate(first, {"channels": named, "severity": "error"}).is_success
    assert backend.flush().is_success
    for name, sink in channels.items():
        raised = [("firing", "error")] if name in told else []
        assert told_of(sink) == [("firing", "warning"), *raised]


def test_without_a_policy_all_channels_hear_of_each_change(backend, service, channels):
    first = service.process(alert()).unwrap()
    service.process(alert())
    service.process(alert(severity="error"))
    service.escalate(first, {})
    service.acknowledge(first, "ann")
    service.process(alert(severity="critical"))
    service.resolve(first)
    assert backend.flush().is_success
    for sink in channels.values():
        assert told_of(sink) == [
            ("firing", "warning"),
            ("firing", "error"),
            ("firing", "error"),
            ("acknowledged", "error"),
            ("resolved", "critical"),
        ]
        assert sink.events[3].annotations["acknowledged_by"] == "ann"
        assert sink.events[4].annotations["escalation.target"] == sink.name


def test_a_channel_that_there_is_not_is_a_failure_with_the_nearest_one(service):
    first = service.process(alert()).unwrap()
    result = service.escalate(first, {"channels": ["chat", "pagr"], "level": 3})
    assert result.error_code == "unknown_channel"
    assert "one of chat, pager, boss; did you mean 'pager'?" in result.error
    assert service.get(first).unwrap().level == 0


def test_without_any_channel_alerts_are_taken_and_escalated():
    backend = FlextBackend(FlextObservabilityConfig())
    service = FlextAlertService(backend)
    first = service.process(alert()).unwrap()
    assert service.escalate(first, {"severity": "error"}).unwrap().severity == "error"
    result = service.escalate(first, {"channels": "chat"})
    assert "expected no channel, as there is none" in result.error
    assert service.resolve(first).is_success
    assert backend.stop().unwrap().drained
    assert backend.ledger().balanced


@pytest.mark.parametrize(
    ("change", "why"),
    [("acknowledge", "is acknowledged by ann;"), ("resolve", "is resolved;")],
)
def test_what_somebody_cares_for_is_not_escalated(service, change, why):
    first = service.process(alert()).unwrap()
    getattr(service, change)(first, "ann")
    result = service.escalate(first, {"level": 2})
    assert result.error_code == "not_firing"
    assert f"{why} only one that is firing can be escalated" in result.error
    assert service.get(first).unwrap().level == 0


def test_what_was_not_processed_is_not_escalated(service):
    assert service.escalate(alert(), {}).error_code == "unknown_alert"


def test_keys_that_mean_nothing_are_ignored_and_that_is_said(service, caplog):
    first = service.process(alert()).unwrap()
    config = {"level": 1, "team": "sre", "chanels": ["chat"], 7: None, "severity": None}
    assert service.escalate(first, config).unwrap().level == 1
    said = "escalation_config ignores 'team', 'chanels'; did you mean 'channels'?, 7"
    (event,) = [e for e in service.history(first).unwrap() if e.what == "escalated"]
    assert event.note == said
    assert said in caplog.text


class Lies(dict):
    def __getitem__(self, key):
        raise KeyError(key)


class Endless(dict):
    def __iter__(self):
        number = 0
        while True:
            yield (number := number + 1)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "escalation_config is None; expected a mapping"),
        ([("level", 1)], "escalation_config is a list of 1; expected a mapping"),
        ({"level": 0}, "escalation_config['level'] is 0; expected a whole number"),
        ({"level": 10**9}, "expected a whole number from 1 to 100"),
        ({"level": 10**5000}, "expected a whole number from 1 to 100"),
        ({"level": True}, "escalation_config['level'] is True"),
        ({"level": "2"}, "['level'] is '2'; expected a whole number from 1 to 100"),
        ({"severity": "critcal"}, "did you mean 'critical'?"),
        ({"severity": 3}, "escalation_config['severity'] is 3"),
        ({"channels": []}, "escalation_config['channels'] is []"),
        ({"channels": [3]}, "escalation_config['channels'] is 3"),
        ({"channels": 3}, "expected names of channels"),
        ({"reason": 3}, "escalation_config['reason'] is 3; expected text"),
        ({"by": ["ann"]}, "escalation_config['by'] is a list of 1; expected text"),
        (Lies(level=1), "what was given cannot be read: KeyError"),
        (Endless(level=1), "at most 1000 keys"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else "",
)
def test_a_configuration_that_cannot_be_meant_is_a_failure(service, config, told):
    first = service.process(alert()).unwrap()
    result = service.escalate(first, config)
    assert result.error_code == "validation"
    assert told in result.error
    assert service.get(first).unwrap().level == 0
    assert happened(service, first) == ["raised"]


# Policies, by a clock that the test moves.


class Scene:
    """A desk and its pipeline, on a clock of their own."""

    def __init__(self, *policies):
        self.clock = ManualClock()
        self.ends = {name: CollectingSink(name=name) for name in NAMES}
        self.sinks = CollectingSink(name="sinks")
        self._alerts = Inlet("alerts")
        self.desk = AlertDesk(
            self._alerts.emit_nowait,
            AlertChannels(self.ends, policies),
            clock=self.clock,
        )
        chains = [self._alerts >> self.sinks, *self.desk.chains()]
        self.pipeline = Pipeline(*chains, clock=self.clock)

    async def after(self, seconds):
        """Let time pass; what each channel has been told by then, at what severity."""
        await self.pipeline.flush()
        await self.clock.advance(seconds)
        await self.pipeline.flush()
        return {name: told_of(end) for name, end in self.ends.items()}

    def process(self, **more):
        return self.desk.process(alert(**more)).unwrap()

    def silence(self, matching, seconds):
        made = silence_of(matching, seconds, self.desk.seconds(), "", "")
        return self.desk.silence(made).unwrap()


@asynccontextmanager
async def playing(*policies):
    scene = Scene(*policies)
    async with scene.pipeline:
        yield scene
    assert scene.pipeline.ledger().balanced
    assert scene.pipeline.ledger().lost == 0


def test_each_level_is_told_when_its_time_comes_and_raises_the_alert(run):
    async def scenario():
        async with playing(POLICY) as scene:
            first = scene.process()
            at_once = await scene.after(299)
            later = await scene.after(1)
            level_two = scene.desk.get(first.alert_id).unwrap()
            last = await scene.after(5000)
            level_three = scene.desk.get(first.alert_id).unwrap()
            history = scene.desk.history(first.alert_id).unwrap()
            told = told_of(scene.sinks)
            return (at_once, later, last), (level_two, level_three), history, told

    told, levels, history, sinks = run(scenario())
    chat = [("firing", "warning")]
    pager, boss = [("firing", "error")], [("firing", "critical")]
    assert told == (
        {"chat": chat, "pager": [], "boss": []},
        {"chat": chat, "pager": pager, "boss": []},
        {"chat": chat, "pager": pager, "boss": boss},
    )
    assert [(each.level, each.severity) for each in levels] == [
        (2, "error"),
        (3, "critical"),
    ]
    assert [(e.what, e.level, e.severity, e.note) for e in history] == [
        ("raised", 0, "warning", "it is down"),
        ("told", 1, "warning", "chat"),
        ("told", 2, "error", "pager"),
        ("told", 3, "critical", "boss"),
    ]
    begun = history[0].at
    assert [(e.at - begun).total_seconds() for e in history[1:]] == [0, 300, 900]
    assert sinks == [*chat, *pager, *boss]


@pytest.mark.parametrize("change", ["acknowledge", "resolve"])
def test_whoever_cares_stops_it_and_those_who_know_are_told(run, change):
    async def scenario():
        async with playing(POLICY) as scene:
            first = scene.process()
            await scene.after(400)
            getattr(scene.desk, change)(first.alert_id, "ann").unwrap()
            return await scene.after(5000)

    told = run(scenario())
    how = {"acknowledge": "acknowledged", "resolve": "resolved"}[change]
    assert told == {
        "chat": [("firing", "warning"), (how, "error")],
        "pager": [("firing", "error"), (how, "error")],
        "boss": [],
    }


def test_a_silence_stops_it_until_it_ends_and_nothing_is_escalated_by_hand(run):
    async def scenario():
        async with playing(POLICY) as scene:
            first = scene.process()
            await scene.after(200)
            scene.silence({"source": "db"}, 1000)
            refused = scene.desk.escalate(first.alert_id, Request())
            during = await scene.after(999)
            scene.process(message="it is worse")
            still = await scene.after(0)
            return refused, during, still, await scene.after(1)

    refused, during, still, after = run(scenario())
    assert refused.error_code == "silenced"
    only_chat = {"chat": [("firing", "warning")], "pager": [], "boss": []}
    assert during == still == only_chat
    assert after["pager"] == [("firing", "error")]


def test_an_ended_silence_is_none_and_one_that_is_over_is_forgotten(run):
    async def scenario():
        async with playing() as scene:
            for _ in range(1000):
                scene.silence({"source": "db"}, 60)
            scene.process()
            nobody = await scene.after(1)
            made = silence_of({"a": "b"}, 1, scene.desk.seconds(), "", "")
            many = scene.desk.silence(made)
            await scene.after(60)
            last = scene.silence({"source": "web"}, 60)
            ended = [scene.desk.unsilence(last) for _ in range(2)]
            return nobody, many, len(scene.desk.channels.silences.all()), ended

    nobody, many, left, ended = run(scenario())
    assert nobody == {"chat": [], "pager": [], "boss": []}
    assert many.error_code == "too_many_silences"
    assert left == 0
    assert ended[0].is_success
    assert ended[1].error_code == "unknown_silence"


def test_an_alert_follows_the_first_policy_that_matches_it_to_the_end(run):
    night = FlextEscalationPolicy(
        "night", [FlextEscalationLevel("boss")], {"severity": "critical", "zone": "eu"}
    )

    async def scenario():
        async with playing(night, POLICY) as scene:
            scene.process(severity="critical", tags={"zone": "eu"})
            first = await scene.after(1000)
            scene.process(name="Slow", severity="critical", tags={"zone": "us"})
            second = await scene.after(1000)
            scene.process(name="Slow", severity="critical", tags={"zone": "eu"})
            scene.process(severity="info", tags={"zone": "eu"})
            return first, second, await scene.after(1000)

    first, second, third = run(scenario())
    critical, info = ("firing", "critical"), ("firing", "info")
    assert first == {"chat": [], "pager": [], "boss": [critical]}
    assert second == {"chat": [critical], "pager": [critical], "boss": [critical] * 2}
    assert third["boss"] == [*[critical] * 3, info]
    assert third["chat"] == second["chat"]


def test_what_no_policy_matches_is_told_to_all(run):
    policy = FlextEscalationPolicy(
        "web", [FlextEscalationLevel("boss")], {"source": "=~ web-.*"}
    )

    async def scenario():
        async with playing(policy) as scene:
            scene.process()
            scene.process(source="web-1")
            return await scene.after(0)

    told = run(scenario())
    assert [len(told[name]) for name in NAMES] == [1, 1, 2]


def test_the_levels_are_gone_through_again_so_many_times(run):
    policy = FlextEscalationPolicy(
        "again",
        [FlextEscalationLevel("chat"), FlextEscalationLevel("pager", after=60)],
        repeats=2,
        pause=40,
    )

    async def scenario():
        async with playing(policy) as scene:
            first = scene.process()
            told = await scene.after(5000)
            return told, scene.desk.get(first.alert_id).unwrap().level

    told, level = run(scenario())
    assert [len(told[name]) for name in NAMES] == [3, 3, 0]
    assert level == 2


def test_by_hand_an_alert_reaches_the_next_level_of_its_policy_early(run):
    async def scenario():
        async with playing(POLICY) as scene:
            first = scene.process()
            await scene.after(10)
            raised = scene.desk.escalate(first.alert_id, request_of({})).unwrap()
            early = await scene.after(0)
            scene.desk.escalate(first.alert_id, request_of({"level": 9})).unwrap()
            scene.desk.resolve(first.alert_id, "").unwrap()
            return raised, early, await scene.after(5000)

    raised, early, last = run(scenario())
    assert (raised.level, raised.severity) == (2, "error")
    assert early["pager"] == [("firing", "error")]
    assert early["boss"] == []
    over = ("resolved", "critical")
    assert last == {
        "chat": [("firing", "warning"), over],
        "pager": [("firing", "error"), over],
        "boss": [("firing", "critical"), over],
    }


def test_news_are_told_to_those_who_know_of_the_alert(run):
    async def scenario():
        async with playing(POLICY) as scene:
            scene.process()
            await scene.after(300)
            scene.process(message="it is worse")
            await scene.after(0)
            return {
                name: [each.message for each in end.events]
                for name, end in scene.ends.items()
            }

    assert run(scenario()) == {
        "chat": ["it is down", "it is worse"],
        "pager": ["it is down", "it is worse"],
        "boss": [],
    }


def test_a_new_alert_of_an_old_one_begins_its_policy_anew(run):
    async def scenario():
        async with playing(POLICY) as scene:
            first = scene.process()
            await scene.after(1000)
            scene.desk.resolve(first.alert_id, "").unwrap()
            second = scene.process()
            await scene.after(10)
            return scene.desk.get(second.alert_id).unwrap(), await scene.after(0)

    second, told = run(scenario())
    assert (second.level, second.severity) == (1, "warning")
    assert told["boss"] == [("firing", "critical"), ("resolved", "critical")]
    assert told["chat"][-1] == ("firing", "warning")


def test_a_forked_child_leaves_what_fires_to_its_parent():
    level = Level(["chat"], after=60)
    stage = AlertNotices({"": lambda: Escalation([level])}, Silences(), lambda *_: None)
    stage.add([Notice(Alert(name="Down"))], 0.0)
    assert stage.next_deadline() == 60
    assert stage.statistics()[""].running == 1
    stage.after_fork()
    assert stage.next_deadline() is None
    assert stage.tick(100.0) == []


def test_alerts_that_the_pipeline_makes_itself_are_told_to_channels_too(run):
    async def scenario():
        async with playing(POLICY) as scene:
            made = Alert(name="HealthCheck", labels={"check": "db"})
            over = Alert(
                name="HealthCheck", labels={"check": "db"}, status=AlertStatus.RESOLVED
            )
            scene.desk.channels.heard([made])
            await scene.after(300)
            scene.desk.channels.heard([over])
            return await scene.after(1000)

    told = run(scenario())
    assert [status for status, _ in told["chat"]] == ["firing", "resolved"]
    assert [status for status, _ in told["pager"]] == ["firing", "resolved"]
    assert told["boss"] == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["process", "acknowledge", "resolve", "escalate", "silence"]),
        st.sampled_from("ab"),
        st.sampled_from([0, 30, 300, 1000]),
    ),
    max_size=12,
)


async def played(scene, steps):
    """Do the steps; for each alert what was done, and what each channel was told."""
    for what, name, seconds in steps:
        one = alert(name, alert_id=name)
        if what == "process":
            assert scene.desk.process(one).is_success
        elif what == "escalate":
            scene.desk.escalate(name, request_of({"severity": "error"}))
        elif what == "silence":
            scene.silence({"alertname": name}, 100)
        else:
            getattr(scene.desk, what)(name, "ann")
        await scene.after(seconds)
    await scene.after(5000)
    return {
        (channel, name): [e.status.value for e in end.events if e.name == name]
        for channel, end in scene.ends.items()
        for name in "ab"
    }


@settings(max_examples=60, deadline=None)
@given(STEPS, st.booleans())
def test_whoever_is_told_that_it_fires_is_told_how_it_goes_on_once(steps, has_policy):
    async def scenario():
        async with playing(*([POLICY] if has_policy else [])) as scene:
            told = await played(scene, steps)
            return told, {each.name: each.status for each in scene.desk.active({})}

    told, active = asyncio.run(scenario())
    for (_, name), statuses in told.items():
        lives = " ".join(statuses).split("resolved")
        for number, life in enumerate(lives):
            words = life.split()
            fires = [word for word in words if word == "firing"]
            assert words == fires + ["acknowledged"] * (len(words) - len(fires))
            assert len(words) - len(fires) <= 1
            assert fires or (not words and number == len(lives) - 1)
        last = statuses[-1] if statuses else "resolved"
        assert last == active.get(name, "resolved") or not lives[-1].split()


# What cannot be meant.


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: FlextEscalationLevel([]), "channels is []; expected names of ch"),
        (lambda: FlextEscalationLevel("a", after=-1), "after is -1"),
        (lambda: FlextEscalationLevel("a", severity="bad"), "severity is 'bad'"),
        (lambda: FlextEscalationPolicy("", POLICY.levels), "name is ''"),
        (lambda: FlextEscalationPolicy("p", []), "levels is []"),
        (lambda: FlextEscalationPolicy("p", ["chat"]), "levels is a list of 1"),
        (lambda: FlextEscalationPolicy("p", POLICY.levels, 3), "matching is 3"),
        (
            lambda: FlextEscalationPolicy("p", POLICY.levels, {"a": "=~ ("}),
            "matching['a']",
        ),
        (
            lambda: FlextEscalationPolicy("p", POLICY.levels, repeats=10),
            "repeats is 10; expected a whole number from 0 to 9",
        ),
        (lambda: FlextEscalationPolicy("p", POLICY.levels, pause="x"), "pause is 'x'"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(make, told):
    with pytest.raises(FlextValidationError) as caught:
        make()
    assert told in str(caught.value)


def test_a_policy_that_names_no_channel_fails_the_start_and_each_operation():
    backend = FlextBackend(
        FlextObservabilityConfig(),
        channels={"chat": CollectingSink()},
        policies=[FlextEscalationPolicy("p", [FlextEscalationLevel("chta")])],
    )
    assert "a channel of 'p' is 'chta'" in str(backend.start().error)
    result = FlextAlertService(backend).process(alert())
    assert result.error_code == "not_running"
    assert "did you mean 'chat'?" in str(result.error)


def test_channels_and_policies_are_given_before_the_start():
    sink = CollectingSink()
    backend = FlextBackend(FlextObservabilityConfig())
    backend.add_alert_channel("chat", sink)
    backend.add_policy(FlextEscalationPolicy("p", [FlextEscalationLevel("chat")]))
    with pytest.raises(FlextConfigurationError, match="name of no other channel"):
        backend.add_alert_channel("chat", sink)
    with pytest.raises(FlextConfigurationError, match="expected a Sink"):
        backend.add_alert_channel("pager", "x")
    with pytest.raises(FlextValidationError, match="channel is 3"):
        backend.add_alert_channel(3, sink)
    with pytest.raises(FlextConfigurationError, match="a FlextEscalationPolicy"):
        backend.add_policy({"name": "p"})
    assert FlextAlertService(backend).process(alert()).is_success
    with pytest.raises(FlextConfigurationError, match="before the backend starts"):
        backend.add_alert_channel("late", sink)
    with pytest.raises(FlextConfigurationError, match="before the backend starts"):
        backend.add_policy(POLICY)
    backend.stop()
    assert [each.status for each in sink.events] == [AlertStatus.FIRING]


def test_an_alert_that_goes_past_the_service_is_told_to_channels_once(
    backend, service, channels
):
    service.process(alert())
    assert backend.alerts.emit_nowait(Alert(name="Fire", message="it burns"))
    assert backend.flush().is_success
    backend.stop()
    for sink in channels.values():
        assert sorted(each.name for each in sink.events) == ["Down", "Fire"]


def test_what_goes_past_the_service_and_is_no_alert_harms_no_neighbour(
    backend, channels
):
    odd = {"escalation.level": "x" * 9, 3: 4}
    for event in [
        Alert(name="First", annotations=odd),
        Alert(name="Second", labels={"code": 500, "list": []}, severity=3),
        Alert(name="Third", labels=None),
        Alert(name="Fourth", status="gone"),
        "no alert",
        None,
        Alert(name="Last"),
    ]:
        assert backend.alerts.emit_nowait(event)
    backend.start()
    backend.flush()
    backend.stop()
    for sink in channels.values():
        assert [each.name for each in sink.events] == ["First", "Second", "Last"]


def test_nothing_changes_that_channels_cannot_be_told_of():
    sent = []
    desk = AlertDesk(
        lambda event: sent.append(event) or True,
        AlertChannels({"chat": CollectingSink()}, [POLICY]),
    )
    first = desk.process(alert("First")).unwrap()
    while (last := desk.process(alert(f"n{len(desk)}"))).is_success:
        assert len(desk) < 10_000
    assert last.error_code == "queue_full"
    known = len(sent)
    for refused in (
        desk.acknowledge(first.alert_id, "ann"),
        desk.resolve(first.alert_id, "ann"),
        desk.escalate(first.alert_id, Request(severity="critical")),
        desk.process(alert("First", severity="critical")),
    ):
        assert refused.error_code == "queue_full"
        assert "the pipeline cannot take it now" in str(refused.error)
    assert desk.get(first.alert_id).unwrap() == first
    assert len(sent) == known
    assert desk.process(alert("First")).unwrap().times_seen == 2


def test_the_next_level_does_not_depend_on_whether_the_first_was_told_yet(channels):
    late = FlextEscalationPolicy(
        "late", [FlextEscalationLevel("chat", after=60)], {"source": "web"}
    )
    backend = FlextBackend(
        FlextObservabilityConfig(), channels=channels, policies=[late, POLICY]
    )
    service = FlextAlertService(backend)
    for number in range(50):
        first = service.process(alert(f"a{number}")).unwrap()
        assert service.escalate(first, {}).unwrap().level == 2
        other = service.process(alert(f"a{number}", source="web")).unwrap()
        assert service.escalate(other, {}).unwrap().level == 1
    backend.stop()


def test_who_knew_before_a_restart_is_told_how_it_goes_on(channels):
    backend = FlextBackend(
        FlextObservabilityConfig(), channels=channels, policies=[POLICY]
    )
    service = FlextAlertService(backend)
    first = service.process(alert()).unwrap()
    assert backend.stop().unwrap().drained
    assert service.resolve(first).error_code == "not_running"
    assert backend.start().is_success
    assert service.escalate(first, {"channels": "boss"}).unwrap().severity == "error"
    assert service.resolve(first).is_success
    backend.stop()
    assert {name: told_of(sink) for name, sink in channels.items()} == {
        "chat": [("firing", "warning"), ("resolved", "error")],
        "pager": [],
        "boss": [("firing", "error"), ("resolved", "error")],
    }


def test_threads_that_live_through_alerts_leave_nothing_behind(channels, sinks):
    backend = FlextBackend(
        FlextObservabilityConfig(),
        sinks={"alerts": [sinks]},
        channels=channels,
        policies=[POLICY],
    )

    def live(thread):
        for number in range(50):
            service = FlextAlertService(backend)
            first = service.process(alert(f"{thread}.{number}")).unwrap()
            assert service.process(alert(f"{thread}.{number}")).is_success
            assert service.escalate(first, {"channels": "boss"}).is_success
            assert service.acknowledge(first).is_success
            assert service.resolve(first).is_success

    threads = [threading.Thread(target=live, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.flush().is_success
    backend.stop()
    told = Counter(each.status.value for each in channels["boss"].events)
    assert told == {"firing": 400, "acknowledged": 400, "resolved": 400}
    told = Counter(each.status.value for each in sinks.events)
    assert told == {"firing": 800, "acknowledged": 400, "resolved": 400}
    assert FlextAlertService(backend).active().unwrap() == []
    ledger = backend.ledger()
    assert ledger.balanced
    assert ledger.lost == 0


def test_a_channel_that_hangs_keeps_nobody_from_the_others_and_from_caring():
    small = Queue(capacity=2)
    stuck, chat, kept = HangingSink(queue=small), CollectingSink(), CollectingSink()
    backend = FlextBackend(
        FlextObservabilityConfig(drain_timeout=0.1),
        sinks={"alerts": [HangingSink(queue=small), kept]},
        channels={"stuck": stuck, "chat": chat},
    )
    service = FlextAlertService(backend)

    def told(sink, name):
        return [each.status.value for each in sink.events if each.name == name]

    try:
        for number in range(10):
            first = service.process(alert(f"a{number}")).unwrap()
            assert service.acknowledge(first, "ann").is_success
            for sink in (chat, kept):
                eventually(lambda sink=sink, one=first: len(told(sink, one.name)) == 2)
    finally:
        backend.stop()
    ledger = backend.ledger()
    assert ledger.balanced
    assert ledger["hanging_sink"].dropped["queue_full"]
    assert ledger["hanging_sink_2"].dropped["queue_full"]


def test_a_silence_that_would_silence_everything_is_refused(service):
    result = service.silence({}, 60)
    assert "silences everything" in result.error
    made = asyncio.run(service.silence_alerts({"source": "db"}, 60, "why", "ann"))
    assert (made.unwrap().comment, made.unwrap().author) == ("why", "ann")
    assert asyncio.run(service.end_silence(made.unwrap())).unwrap() == made.unwrap()
    assert asyncio.run(service.end_silence(made.unwrap())).is_failure
