"""AlertDesk: where alerts are raised, taken care of, made worse and ended.

Law: what changes is told: a change that channels cannot be told of does not happen, and
one that did not reach the sinks is told by the failure, and again by the next try.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from logging import getLogger
from typing import Any, Final

from attrs import evolve

from sluiceway import Alert, Chain, Clock
from sluiceway.alerting import Silence, labels_of
from sluiceway.fork import follow_forks

from .alert_book import AlertBook, FlextAlertEvent, Record
from .alert_channels import AlertChannels
from .alert_events import ALERT_ID, event_of, identity_by, level_of
from .alert_notices import Notice
from .escalation import HIGHEST, Request, worst
from .models import CLOCK, FlextAlert, moment_of
from .result import FlextFailure, FlextResult

LOG: Final = getLogger(__name__)
CONFLICT: Final = "conflict"
UNKNOWN: Final = "unknown_alert"
NOT_FIRING: Final = "not_firing"
SILENCED: Final = "silenced"
UNKNOWN_SILENCE: Final = "unknown_silence"
TOO_MANY: Final = "too_many_silences"
MOST_SILENCES: Final = 1000
QUEUE_FULL: Final = "queue_full"
RIGHT: Final[FlextResult[None]] = FlextResult.ok(None)
BEFORE: Final = {
    "acknowledged": ("firing",),
    "resolved": ("firing", "acknowledged"),
}
CROWDED: Final = "there were too many alerts"


class AlertDesk:
    """The alerts of one backend, safe for threads.

    Args:
        emit: takes an alert for the sinks, or answers False.
        channels: who is told besides.
        book: what is kept.
        clock: tells the time.

    Attributes:
        channels: the channels, the policies and the silences.
    """

    def __init__(
        self,
        emit: Callable[[Alert], bool],
        channels: AlertChannels,
        book: AlertBook | None = None,
        clock: Clock = CLOCK,
    ) -> None:
        self.channels = channels
        self._emit = emit
        self._book = AlertBook() if book is None else book
        self._clock = clock
        self._lock = threading.RLock()
        follow_forks(self)

    def after_fork(self) -> None:
        """In a forked child: what fires is the parent's to end."""
        self._lock = threading.RLock()
        self._book.forget()

    def __len__(self) -> int:
        return len(self._book)

    def now(self) -> datetime:
        """The time of day."""
        return moment_of(self._clock.time_ns())

    def seconds(self) -> float:
        """The same, in seconds since the epoch."""
        return self._clock.time_ns() / 1e9

    def chains(self) -> list[Chain]:
        """What a pipeline needs so that channels are told."""
        return self.channels.chains(self._told)

    def sending(self, emit: Callable[[Alert], bool]) -> AlertDesk:
        """The same desk, for who sends on himself what is for the sinks.

        Args:
            emit: takes what becomes of the alerts that he tells of.
        """
        desk = copy.copy(self)
        desk._emit = emit  # noqa: SLF001 - its own
        return desk

    # Raising.

    def process(self, alert: FlextAlert) -> FlextResult[FlextAlert]:
        """Take in an alert that fires: a new one, or one that does already."""
        identity = identity_by(alert)
        with self._lock:
            other = self._book.find(alert.alert_id)
            if other is not None and other.identity != identity:
                return taken_id(alert.alert_id, other.alert)
            record = self._book.same(identity)
            if record is not None:
                return self._repeated(record, alert)
            raised = evolve(alert, times_seen=1, last_seen=self.now())
            if other is not None:  # it was over: its beginning is now
                raised = evolve(raised, created_at=self.now())
            return self._raised(Record(raised, identity))

    def _raised(self, record: Record) -> FlextResult[FlextAlert]:
        event = event_of(record.alert)
        record.policy = self.channels.policy_for(event)
        if not self.channels.tell(Notice(event, record.policy)):
            return full(f"the alert {record.alert.name!r} was not taken")
        crowded_out = self._book.add(record)
        record.wrote("raised", self.now(), note=record.alert.message)
        for each in crowded_out:
            self._resolved(each, "", CROWDED)
        alert_id = record.alert.alert_id
        return self._sent(record, event).map(lambda _: record.known_by(alert_id))

    def _repeated(self, record: Record, alert: FlextAlert) -> FlextResult[FlextAlert]:
        """It fires again: count it, and tell it if it is not what it was."""
        before = record.alert
        seen = evolve(
            before,
            times_seen=before.times_seen + 1,
            last_seen=self.now(),
            severity=worst([alert.severity, record.least or alert.severity]),
            message=alert.message,
        )
        is_news = (seen.severity, seen.message) != (before.severity, before.message)
        if is_news and not self._told_news(record, seen):
            return full(f"the change of {before.name!r} was not taken")
        record.alert = seen
        self._book.seen(record, alert.alert_id)
        if is_news:
            record.wrote("changed", self.now(), note=alert.message)
        sent = self._sent(record) if is_news or record.untold else RIGHT
        return sent.map(lambda _: record.known_by(alert.alert_id))

    def _told_news(self, record: Record, alert: FlextAlert) -> bool:
        """Tell the channels how it is now, unless somebody takes care of it."""
        notice = Notice(event_of(alert), record.policy, is_news=True)
        return alert.status != "firing" or self.channels.tell(notice)

    # What somebody does.

    def acknowledge(self, alert_id: str, by: str) -> FlextResult[FlextAlert]:
        """Somebody takes care of an alert."""
        with self._lock:
            found = self._found(alert_id, "acknowledged")
            if isinstance(found, FlextFailure):
                return found
            record = found.value
            taken = evolve(record.alert, status="acknowledged", acknowledged_by=by)
            changed = self._changed(record, taken, "acknowledged", by)
            return changed.map(lambda _: record.known_by(alert_id))

    def over(self, alert: FlextAlert) -> FlextResult[FlextAlert]:
        """An alert is over, as somebody tells who does not know its id."""
        with self._lock:
            record = self._book.same(identity_by(alert))
            if record is None:
                return unknown(alert.alert_id)
            return self.resolve(record.alert.alert_id, "")

    def resolve(self, alert_id: str, by: str) -> FlextResult[FlextAlert]:
        """An alert is over."""
        with self._lock:
            found = self._found(alert_id, "resolved")
            if isinstance(found, FlextFailure):
                return found
            record = found.value
            changed = self._resolved(record, by)
            return changed.map(lambda _: record.known_by(alert_id))

    def _resolved(self, record: Record, by: str, note: str = "") -> FlextResult[None]:
        was_active = record.is_active
        ended_at = record.alert.resolved_at or self.now()
        ended = evolve(record.alert, status="resolved", resolved_at=ended_at)
        changed = self._changed(record, ended, "resolved", by, note)
        if was_active and not record.is_active:
            self._book.over(record)
        return changed

    def _found(self, alert_id: str, status: str) -> FlextResult[Record]:
        """An alert that can get a status; one that has it, to tell it again."""
        record = self._book.find(alert_id)
        if record is None:
            return unknown(alert_id)
        is_told = not (record.untold and record.alert.status == status)
        if is_told and record.alert.status not in BEFORE[status]:
            why = f"only one that is {' or '.join(BEFORE[status])} can be {status}"
            return not_firing(record.alert, why)
        return FlextResult.ok(record)

    def _changed(
        self, record: Record, alert: FlextAlert, what: str, by: str, note: str = ""
    ) -> FlextResult[None]:
        """Tell a change of status, and keep it; only the sinks, if it is so already."""
        if alert.status == record.alert.status:
            return self._sent(record)
        event = event_of(alert, {f"{what}_by": by, "resolved_because": note})
        if not self.channels.tell(Notice(event, record.policy)):
            return full(f"the alert {alert.name!r} stays {record.alert.status}")
        record.alert = alert
        record.wrote(what, self.now(), by, note)
        return self._sent(record, event)

    def escalate(self, alert_id: str, request: Request) -> FlextResult[FlextAlert]:
        """Raise an alert to a level, and tell the channels of that level."""
        known = self.channels.known("escalation_config['channels']", request.channels)
        if isinstance(known, FlextFailure):
            return known
        with self._lock:
            found = self._escalatable(alert_id)
            if isinstance(found, FlextFailure):
                return found
            record = found.value
            escalated = self._escalated(record, request)
            return escalated.map(lambda _: record.known_by(alert_id))

    def _escalatable(self, alert_id: str) -> FlextResult[Record]:
        record = self._book.find(alert_id)
        if record is None:
            return unknown(alert_id)
        if record.alert.status != "firing":
            return not_firing(record.alert, "only one that is firing can be escalated")
        return self._not_silenced(record)

    def _not_silenced(self, record: Record) -> FlextResult[Record]:
        labels = labels_of(event_of(record.alert))
        if not self.channels.silences.mutes(labels, self.seconds()):
            return FlextResult.ok(record)
        error = f"the alert {record.alert.name!r} is silenced, and not escalated"
        return FlextResult.fail(error, SILENCED)

    def _escalated(self, record: Record, request: Request) -> FlextResult[None]:
        before, policy = record.alert, self.channels.policy(record.policy)
        reached = max(before.level, policy.begins_with if policy else 0)
        level = min(max(reached, request.level or reached + 1), HIGHEST)
        step = policy.level(level) if policy else None
        asked = request.severity or (step.severity if step else "")
        least = worst(each for each in (record.least, asked, "info") if each)
        severity = worst([before.severity, least])
        to = request.channels or tuple(step.channels if step else self.channels.names())
        alert = evolve(before, level=level, severity=severity)
        notes = {"escalation.reason": request.reason, "escalation.by": request.by}
        event = event_of(alert, notes)
        if not self.channels.tell(Notice(event, record.policy, to)):
            return full(f"the alert {alert.name!r} was not escalated")
        record.alert, record.least = alert, least
        record.wrote("escalated", self.now(), request.by, note_of(request))
        if request.ignored:
            LOG.warning("%s: %s", before.name, ignored_keys(request))
        return self._sent(record, event)

    def _told(self, event: Alert, channels: list[str]) -> None:
        """Note that channels are told of an alert, and what their level makes of it."""
        with self._lock:
            record = self._book.find(event.annotations.get(ALERT_ID, ""))
            if record is None:
                return
            level, severity = level_of(event), event.severity
            told = FlextAlertEvent(
                self.now(), "told", "", level, severity, ", ".join(channels)
            )
            record.history.append(told)
            if record.alert.status == "firing":
                self._raised_to(record, level, severity)

    def _raised_to(self, record: Record, level: int, severity: str) -> None:
        """A policy has reached a level."""
        before = record.alert
        worse = worst([before.severity, severity])
        record.alert = evolve(before, level=max(before.level, level), severity=worse)
        if worse != before.severity:
            record.least = worse
            self._sent(record)

    def _sent(self, record: Record, event: Alert | None = None) -> FlextResult[None]:
        """Tell the sinks how an alert is now."""
        alert = record.alert
        record.untold = not self._emit(event.copy() if event else event_of(alert))
        if record.untold:
            return full(f"the alert {alert.name!r} is {alert.status}: no sink was told")
        return RIGHT

    # Silences.

    def silence(self, silence: Silence) -> FlextResult[Silence]:
        """Tell no channel of some alerts; what is over is forgotten."""
        silences = self.channels.silences
        with self._lock:
            silences.forget_ended(self.seconds())
            if len(silences.all()) >= MOST_SILENCES:
                error = f"there are {MOST_SILENCES} silences already; end one first"
                return FlextResult.fail(error, TOO_MANY)
            silences.add(silence)
        return FlextResult.ok(silence)

    def unsilence(self, silence: Silence) -> FlextResult[Silence]:
        """End a silence."""
        with self._lock:
            if self.channels.silences.remove(silence):
                return FlextResult.ok(silence)
        error = "there is no such silence: it was ended, or is over"
        return FlextResult.fail(error, UNKNOWN_SILENCE)

    # Questions.

    def get(self, alert_id: str) -> FlextResult[FlextAlert]:
        """An alert as it is now."""
        with self._lock:
            record = self._book.find(alert_id)
            if record is None:
                return unknown(alert_id)
            return FlextResult.ok(record.known_by(alert_id))

    def history(self, alert_id: str) -> FlextResult[list[FlextAlertEvent]]:
        """What happened to an alert, the latest last."""
        with self._lock:
            record = self._book.find(alert_id)
            if record is None:
                return unknown(alert_id)
            return FlextResult.ok([*record.history])

    def active(self, wanted: Mapping[str, str]) -> list[FlextAlert]:
        """The alerts that are not over and have these fields, in order."""
        with self._lock:
            alerts = self._book.active()
        return [
            evolve(alert)
            for alert in alerts
            if all(getattr(alert, name) == value for name, value in wanted.items())
        ]


def unknown(alert_id: str) -> FlextResult[Any]:
    """The failure of an id that names nothing."""
    error = f"no alert has the id {alert_id!r}: it was not processed, or is long over"
    return FlextResult.fail(error, UNKNOWN)


def full(what: str) -> FlextResult[Any]:
    """The failure of a change that could not be told."""
    return FlextResult.fail(f"{what}: the pipeline cannot take it now", QUEUE_FULL)


def taken_id(alert_id: str, other: FlextAlert) -> FlextResult[Any]:
    """The failure of an alert with another one's id."""
    error = f"alert_id is {alert_id!r}; expected one that is not of {other.name!r}"
    return FlextResult.fail(error, CONFLICT, {"field": "alert_id"})


def not_firing(alert: FlextAlert, why: str) -> FlextResult[Any]:
    """The failure of a change that an alert's status does not allow."""
    by = f" by {alert.acknowledged_by}" if alert.acknowledged_by else ""
    how = f"{alert.status}{by if alert.status == 'acknowledged' else ''}"
    error = f"the alert {alert.name!r} ({alert.alert_id}) is {how}; {why}"
    return FlextResult.fail(error, NOT_FIRING, {"status": alert.status})


def note_of(request: Request) -> str:
    """What the history says of an escalation that somebody asked for."""
    parts = [request.reason, ignored_keys(request)]
    return "; ".join(part for part in parts if part)


def ignored_keys(request: Request) -> str:
    """Which keys of its configuration mean nothing; ``""`` if all do."""
    if not request.ignored:
        return ""
    return f"escalation_config ignores {', '.join(request.ignored)}"
