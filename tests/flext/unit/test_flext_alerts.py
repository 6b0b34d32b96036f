"""FlextAlertService: an alert is one, whoever tells of it, and told when it changes."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flext_observability import (
    FlextAlert,
    FlextAlertService,
    FlextBackend,
    FlextObservabilityConfig,
    flext_create_alert,
)
from flext_observability.alert_book import AlertBook
from flext_observability.alert_channels import AlertChannels
from flext_observability.alert_desk import AlertDesk
from flext_observability.escalation import Request
from flext_observability.process import PROCESS
from flext_observability.protocols import FlextAlertProtocol
from sluiceway.events import AlertStatus
from sluiceway.testing import CollectingSink, ManualClock


@pytest.fixture
def told():
    return CollectingSink()


@pytest.fixture
def backend(told):
    backend = FlextBackend(FlextObservabilityConfig(), sinks={"alerts": [told]})
    yield backend
    backend.stop()


@pytest.fixture
def service(backend):
    return FlextAlertService(backend)


def run(coroutine):
    return asyncio.run(coroutine)


def alert(name="Down", severity="warning", message="it is down", source="db", **more):
    return flext_create_alert(name, severity, message, source, **more).unwrap()


def raised(service, *arguments, **more):
    return service.process(alert(*arguments, **more)).unwrap()


def statuses(backend, told):
    assert backend.flush().is_success
    return [(each.status.value, each.severity) for each in told.events]


def happened(service, alert_id):
    return [each.what for each in service.history(alert_id).unwrap()]


# One alert.


def test_an_alert_is_taken_told_and_kept_under_its_id(backend, service, told):
    first = alert(tags={"zone": "eu", "shard": 7})
    before = datetime.now(UTC)
    known = run(service.process_alert(first)).unwrap()
    assert known.alert_id == first.alert_id
    assert (known.status, known.level, known.times_seen) == ("firing", 0, 1)
    assert known.last_seen >= before
    assert service.get(first.alert_id).unwrap() == known
    assert backend.flush().is_success
    (event,) = told.events
    assert (event.name, event.severity, event.message) == (
        "Down",
        "warning",
        "it is down",
    )
    assert event.labels == {"zone": "eu", "shard": "7", "source": "db"}
    assert event.annotations == {"alert_id": first.alert_id}
    assert event.starts_at_unix_nano == int(first.created_at.timestamp() * 1e9)
    assert event.ends_at_unix_nano == 0


def test_the_service_is_what_the_protocol_asks_for(service):
    assert isinstance(service, FlextAlertProtocol)


def test_the_same_alert_again_is_counted_and_not_told(backend, service, told):
    first, again = alert(tags={"a": "1", "b": ""}), alert(tags={"a": "1"})
    service.process(first)
    known = service.process(again).unwrap()
    assert known.alert_id == again.alert_id
    assert known.times_seen == 2
    assert known.created_at == first.created_at
    assert statuses(backend, told) == [("firing", "warning")]
    assert [a.alert_id for a in service.active().unwrap()] == [first.alert_id]


def test_both_ids_of_an_alert_that_was_told_twice_name_it(service):
    first, again = alert(), alert()
    service.process(first)
    service.process(again)
    for one in (first, again, first.alert_id, again.alert_id):
        assert service.get(one).unwrap().times_seen == 2
    assert service.get(again).unwrap().alert_id == again.alert_id
    resolved = service.resolve(again).unwrap()
    assert (resolved.alert_id, resolved.status) == (again.alert_id, "resolved")
    assert service.get(first).unwrap().status == "resolved"


@pytest.mark.parametrize(
    "other",
    [{"name": "Slow"}, {"source": "web"}, {"tags": {"zone": "eu"}}],
    ids=lambda other: next(iter(other)),
)
def test_name_source_and_tags_tell_alerts_apart(service, other):
    raised(service)
    assert raised(service, **other).times_seen == 1
    assert len(service.active().unwrap()) == 2


def test_another_severity_or_message_is_told(backend, service, told):
    for severity, message in [
        ("warning", "it is down"),
        ("error", "it is down"),
        ("error", "it is on fire"),
        ("error", "it is on fire"),
        ("info", "it is on fire"),
    ]:
        raised(service, severity=severity, message=message)
    assert statuses(backend, told) == [
        ("firing", "warning"),
        ("firing", "error"),
        ("firing", "error"),
        ("firing", "info"),
    ]
    (known,) = service.active().unwrap()
    assert (known.message, known.times_seen) == ("it is on fire", 5)
    assert happened(service, known) == ["raised", "changed", "changed", "changed"]


def test_a_tag_never_stands_in_for_the_source_or_a_label_of_alertmanager(
    backend, service, told
):
    tags = {"source": "x", "tag_source": "y", "severity": "z", "alertname": "w"}
    raised(service, tags=tags)
    raised(service, tags={**tags, "source": "other"})
    assert backend.flush().is_success
    assert [event.labels["source"] for event in told.events] == ["db", "db"]
    assert told.events[0].labels == {
        "source": "db",
        "tag_tag_source": "x",
        "tag_source": "y",
        "tag_severity": "z",
        "tag_alertname": "w",
    }


def test_an_id_is_of_one_alert_only(service):
    first = raised(service)
    other = alert("Slow", alert_id=first.alert_id)
    result = service.process(other)
    assert result.error_code == "conflict"
    assert "'Down'" in result.error


@pytest.mark.parametrize("status", ["acknowledged", "resolved"])
def test_only_what_fires_is_processed(service, status):
    result = service.process(FlextAlert("Down", message="m", status=status))
    assert result.error.startswith(f"status is {status!r}; expected 'firing'")
    assert service.active().unwrap() == []


# Its life.


def test_an_alert_is_acknowledged_and_then_resolved_and_each_is_told(
    backend, service, told
):
    first = raised(service)
    taken = run(service.acknowledge_alert(first, by="ann")).unwrap()
    assert (taken.status, taken.acknowledged_by) == ("acknowledged", "ann")
    assert service.active().unwrap() == [taken]
    over = run(service.resolve_alert(first.alert_id, by="bob")).unwrap()
    assert over.status == "resolved"
    assert over.resolved_at >= first.created_at
    assert service.active().unwrap() == []
    assert statuses(backend, told) == [
        ("firing", "warning"),
        ("acknowledged", "warning"),
        ("resolved", "warning"),
    ]
    assert told.events[1].annotations["acknowledged_by"] == "ann"
    assert told.events[2].annotations["resolved_by"] == "bob"
    assert told.events[2].ends_at_unix_nano > told.events[2].starts_at_unix_nano
    history = run(service.alert_history(first)).unwrap()
    assert [(e.what, e.by) for e in history] == [
        ("raised", ""),
        ("acknowledged", "ann"),
        ("resolved", "bob"),
    ]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("acknowledge acknowledge", "is acknowledged by ann; only one that is firi"),
        ("resolve acknowledge", "is resolved; only one that is firing can be ackno"),
        ("resolve resolve", "is resolved; only one that is firing or acknowledged"),
    ],
)
def test_a_change_that_cannot_be_is_a_failure_that_says_so(
    backend, service, told, steps, why
):
    first = raised(service)
    before, then = steps.split()
    getattr(service, before)(first, "ann")
    result = getattr(service, then)(first, "bob")
    assert result.error_code == "not_firing"
    assert why in result.error
    assert len(statuses(backend, told)) == 2


def test_an_acknowledged_alert_that_is_told_again_stays_acknowledged(
    backend, service, told
):
    first = raised(service)
    service.acknowledge(first, "ann")
    assert raised(service).status == "acknowledged"
    assert raised(service, severity="error").status == "acknowledged"
    assert statuses(backend, told)[1:] == [
        ("acknowledged", "warning"),
        ("acknowledged", "error"),
    ]


def test_a_resolved_alert_that_fires_again_is_a_new_one(backend, service, told):
    first = raised(service)
    service.resolve(first)
    second = raised(service)
    assert second.alert_id != first.alert_id
    assert (second.status, second.times_seen) == ("firing", 1)
    assert service.get(first).unwrap().status == "resolved"
    assert happened(service, second) == ["raised"]
    assert [status for status, _ in statuses(backend, told)] == [
        "firing",
        "resolved",
        "firing",
    ]


def test_one_that_fires_again_by_its_old_id_goes_on_in_its_history(service):
    first = alert()
    service.process(first)
    service.resolve(first)
    again = service.process(first).unwrap()
    assert (again.alert_id, again.status) == (first.alert_id, "firing")
    assert again.created_at > first.created_at
    assert again.resolved_at is None
    assert happened(service, first) == ["raised", "resolved", "raised"]


def test_an_old_id_names_the_alert_that_fires_now_once_it_is_told_by_it(service):
    first, second = alert(), alert()
    service.process(first)
    service.resolve(first)
    service.process(second)
    assert service.process(first).unwrap().times_seen == 2
    assert service.get(first).unwrap().status == "firing"
    assert happened(service, second) == ["raised", "resolved", "raised"]
    service.resolve(first)
    assert service.get(second).unwrap().status == "resolved"


def test_an_unknown_id_is_a_failure_that_says_so(service):
    for ask in (service.get, service.history, service.resolve, service.acknowledge):
        result = ask(alert())
        assert result.error_code == "unknown_alert"
        assert "was not processed, or is long over" in result.error


# Questions.


def test_active_alerts_can_be_asked_for_by_severity_and_source(service):
    raised(service, "a", "error", source="db")
    raised(service, "b", "critical", source="db")
    raised(service, "c", "critical", source="web")

    def names(**wanted):
        return [each.name for each in run(service.active_alerts(**wanted)).unwrap()]

    assert names() == ["a", "b", "c"]
    assert names(severity="critical") == ["b", "c"]
    assert names(severity="CRITICAL", source="db") == ["b"]
    assert names(source="moon") == []
    result = service.active("critcal")
    assert "did you mean 'critical'?" in result.error


def test_questions_are_answered_while_the_backend_is_stopped(backend, service):
    first = raised(service)
    backend.stop()
    assert service.get(first).is_success
    assert len(service.active().unwrap()) == 1
    assert happened(service, first) == ["raised"]
    for change in (service.process, service.acknowledge, service.resolve):
        assert change(first).error_code == "not_running"
    assert service.escalate(first, {}).error_code == "not_running"
    assert backend.start().is_success
    assert service.resolve(first).is_success


def test_services_without_a_backend_share_that_of_the_process(backend):
    before = PROCESS.use(backend)
    try:
        first = run(FlextAlertService().process_alert(alert())).unwrap()
        assert run(FlextAlertService().resolve_alert(first)).is_success
        assert run(FlextAlertService().get_alert(first)).unwrap().status == "resolved"
    finally:
        PROCESS.use(before)


# Room.


def desk(most_active=1000, most_resolved=1000, emit=None, channels=None):
    sent = []
    made = AlertDesk(
        emit or (lambda event: sent.append(event) or True),
        channels or AlertChannels(),
        AlertBook(most_active, most_resolved),
        ManualClock(),
    )
    return made, sent


def test_resolved_alerts_are_forgotten_oldest_first():
    made, _ = desk(most_resolved=3)
    alerts = [alert(f"a{n}") for n in range(5)]
    for each in alerts:
        made.process(each)
        made.resolve(each.alert_id, "")
    known = [made.get(each.alert_id).is_success for each in alerts]
    assert known == [False, False, True, True, True]
    assert len(made) == 3


def test_a_new_alert_is_never_refused_for_want_of_room():
    made, sent = desk(most_active=2)
    first, second, third = (alert(name) for name in "abc")
    for each in (first, second, first, third):
        assert made.process(each).is_success
    assert [each.name for each in made.active({})] == ["a", "c"]
    gone = made.get(second.alert_id).unwrap()
    assert gone.status == "resolved"
    assert made.history(gone.alert_id).unwrap()[-1].note == "there were too many alerts"
    last = sent[-2]
    assert (last.name, last.status) == ("b", AlertStatus.RESOLVED)
    assert last.annotations["resolved_because"] == "there were too many alerts"


def test_an_alert_that_repeats_for_ever_takes_no_more_room():
    made, _ = desk()
    first = alert()
    made.process(first)
    for number in range(12_000):
        made.process(alert(message=f"{number}"))
    assert len(made) == 1
    assert len(made._book._others) <= 10_000
    assert len(made.history(first.alert_id).unwrap()) == 100
    assert made.get(first.alert_id).unwrap().times_seen == 12_001


def test_the_latest_events_of_a_history_are_kept():
    made, _ = desk()
    first, second = alert(), alert()
    for one in (first, second):
        made.process(one)
        for number in range(120):
            made.process(alert(alert_id=one.alert_id, message=f"{number}"))
        made.resolve(one.alert_id, "")
    made.process(second)
    made.process(first)
    history = made.history(first.alert_id).unwrap()
    assert len(history) == 100
    assert [each.what for each in history[-2:]] == ["resolved", "raised"]


# Trouble.


def test_what_no_sink_was_told_is_said_and_told_by_the_next_try():
    open_ = [False]
    sent = []

    def emit(event):
        if open_[0]:
            sent.append(event.status.value)
        return open_[0]

    made, _ = desk(emit=emit)
    first = alert()
    result = made.process(first)
    assert result.error_code == "queue_full"
    assert "no sink was told" in str(result.error)
    open_[0] = True
    assert made.process(first).unwrap().times_seen == 2
    open_[0] = False
    assert made.resolve(first.alert_id, "").error_code == "queue_full"
    open_[0] = True
    assert made.resolve(first.alert_id, "").unwrap().status == "resolved"
    assert made.resolve(first.alert_id, "").error_code == "not_firing"
    assert sent == ["firing", "resolved"]


class Liar(dict):
    """A mapping that says one thing and does another."""

    def __getitem__(self, key):
        raise RuntimeError("no")

    def __iter__(self):
        yield "level"
        yield 7

    def items(self):
        raise OSError("never")


class Text(str):
    """A text that cannot be compared."""

    __slots__ = ()

    def __eq__(self, other):
        raise RuntimeError("no")

    def __hash__(self):
        raise RuntimeError("no")


class Endless(dict):
    def __iter__(self):
        number = 0
        while True:
            yield (number := number + 1)


def tampered(**fields):
    made = alert()
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


HOSTILE = [
    *[None, 3, "", " ", b"x", [], {}, object(), alert, Liar(), ValueError("x")],
    FlextAlert,
    tampered(tags=Liar()),
    tampered(tags=None, name=3),
    tampered(name=""),
    tampered(status=None),
    tampered(created_at="now"),
    tampered(created_at=datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))),
    tampered(alert_id=b"1"),
    object.__new__(FlextAlert),
    "x" * 5000,
    "\ud800",
]


@pytest.mark.parametrize("given", HOSTILE, ids=lambda given: type(given).__name__)
def test_whatever_is_given_for_an_alert_no_exception_leaves(service, given):
    good = raised(service)
    for ask in (
        service.process,
        service.acknowledge,
        service.resolve,
        service.get,
        service.history,
    ):
        assert ask(given).is_failure
    assert service.escalate(given, {}).is_failure
    for bad in (given, 5, None):
        assert service.unsilence(bad).is_failure
    assert service.get(good).unwrap() == good


@pytest.mark.parametrize(
    "given", [*HOSTILE[1:2], object(), b"x", [], Liar()], ids=lambda x: type(x).__name__
)
def test_whatever_is_given_besides_no_exception_leaves(service, given):
    good = raised(service)
    assert service.acknowledge(good, given).is_failure
    assert service.resolve(good, given).is_failure
    assert service.active(given).is_failure
    assert service.active(None, given).is_failure
    assert service.silence(given, 5).is_failure
    assert service.silence({"source": "db"}, given, "why", given).is_failure
    assert service.silence({given: "db"} if given == 3 else {}, 5).is_failure
    assert service.get(good).unwrap() == good


def test_a_text_that_cannot_be_compared_is_a_text(service):
    odd = tampered(name=Text("Down"), alert_id=Text("odd"))
    assert service.process(odd).unwrap().alert_id == "odd"
    assert service.get(Text("odd")).is_success
    assert raised(service).times_seen == 2


def test_whoever_changes_an_alert_that_he_holds_changes_nothing_here(service):
    mine = alert(tags={"zone": "eu"})
    held = [mine, service.process(mine).unwrap(), service.get(mine).unwrap()]
    held += service.active().unwrap()
    for each in held:
        each.tags["zone"] = "us"
    assert raised(service, tags={"zone": "eu"}).times_seen == 2
    assert service.get(mine).unwrap().tags == {"zone": "eu"}


def test_eight_threads_that_tell_of_one_alert_make_one(backend, told):
    def tell():
        for _ in range(100):
            assert FlextAlertService(backend).process(alert()).is_success

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (known,) = FlextAlertService(backend).active().unwrap()
    assert known.times_seen == 800
    assert statuses(backend, told) == [("firing", "warning")]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["process", "acknowledge", "resolve", "escalate"]),
        st.sampled_from("ab"),
        st.sampled_from(["info", "warning", "error", "critical"]),
        st.integers(0, 3),
    ),
    max_size=40,
)
ORDER = ["info", "warning", "error", "critical"]
ALLOWED = {
    ("resolved", "firing"),
    ("firing", "firing"),
    ("firing", "acknowledged"),
    ("firing", "resolved"),
    ("acknowledged", "acknowledged"),
    ("acknowledged", "resolved"),
}


@given(OPERATIONS)
def test_whatever_is_done_what_was_told_is_what_is_so(operations):
    made, sent = desk(most_active=5, most_resolved=2)
    told = {"a": "resolved", "b": "resolved"}
    for what, name, severity, number in operations:
        before = len(sent)
        one = alert(name, severity, alert_id=f"{name}{number}")
        known = made.get(one.alert_id)
        if what == "process":
            assert made.process(one).unwrap().alert_id == one.alert_id
        elif what == "escalate":
            result = made.escalate(one.alert_id, Request(severity=severity))
            if result.is_success:
                was, now = known.unwrap(), result.unwrap()
                worse = max(was.severity, severity, key=ORDER.index)
                assert (now.severity, now.level) == (worse, was.level + 1)
        else:
            getattr(made, what)(one.alert_id, "")
        for event in sent[before:]:
            assert (told[event.name], event.status.value) in ALLOWED
            told[event.name] = event.status.value
    active = {each.name: each.status for each in made.active({})}
    assert active == {n: status for n, status in told.items() if status != "resolved"}
