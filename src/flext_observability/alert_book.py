"""AlertBook: the alerts that there are, what became of them, and by which ids.

Law: told the time, and does no input or output. An alert is one as long as it fires,
whatever ids it is told by; what is over is kept for a while. Room is bounded: of alerts
that fire the one that was heard of longest ago gives way, of the others the oldest.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime
from itertools import islice
from typing import Final

from attrs import define, evolve, field, frozen

from .alert_events import Identity
from .models import FlextAlert

MOST_ACTIVE: Final = 10_000
MOST_RESOLVED: Final = 1000
MOST_IDS: Final = 10_000  # of alerts that were told by another id before
MOST_EVENTS: Final = 100  # of one alert's history


@frozen
class FlextAlertEvent:
    """Something that happened to an alert.

    Attributes:
        at: when.
        what: raised, changed, told, escalated, acknowledged or resolved.
        by: who did it; ``""`` if that was not said.
        level: its level of escalation then.
        severity: its severity then.
        note: what else is to be said of it.
    """

    at: datetime
    what: str
    by: str
    level: int
    severity: str
    note: str


@define(eq=False)
class Record:
    """What is known of an alert.

    Attributes:
        alert: as it is now, by its first id.
        identity: what tells it from others.
        policy: whose levels it follows; ``""`` for none.
        least: the severity that it has been raised to; ``""`` for none.
        untold: whether its last change did not reach the sinks.
        history: what happened, the latest last.
    """

    alert: FlextAlert
    identity: Identity
    policy: str = ""
    least: str = ""
    untold: bool = False
    history: deque[FlextAlertEvent] = field(
        factory=lambda: deque[FlextAlertEvent](maxlen=MOST_EVENTS)
    )

    @property
    def is_active(self) -> bool:
        """Whether it is not over."""
        return self.alert.status != "resolved"

    def wrote(self, what: str, at: datetime, by: str = "", note: str = "") -> None:
        """Add to its history what has made it what it is now."""
        alert = self.alert
        event = FlextAlertEvent(at, what, by, alert.level, alert.severity, note)
        self.history.append(event)

    def known_by(self, alert_id: str) -> FlextAlert:
        """A copy of the alert, under the id that somebody knows it by."""
        return evolve(self.alert, alert_id=alert_id)


class AlertBook:
    """The alerts of one backend; not safe for threads by itself.

    Args:
        most_active: alerts that are not over.
        most_resolved: alerts that are.
    """

    def __init__(
        self, most_active: int = MOST_ACTIVE, most_resolved: int = MOST_RESOLVED
    ) -> None:
        self._most_active = most_active
        self._most_resolved = most_resolved
        self.forget()

    def forget(self) -> None:
        """Begin with nothing."""
        self._active: OrderedDict[Identity, Record] = OrderedDict()
        self._resolved: OrderedDict[str, Record] = OrderedDict()
        self._by_id: dict[str, Record] = {}
        self._others: OrderedDict[str, str] = OrderedDict()  # ids, and the first ones

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, alert_id: str) -> Record | None:
        """The alert of an id, whichever of its ids that is."""
        while alert_id in self._others:
            alert_id = self._others[alert_id]
        return self._by_id.get(alert_id)

    def same(self, identity: Identity) -> Record | None:
        """The alert that is not over and is this one."""
        return self._active.get(identity)

    def active(self) -> list[FlextAlert]:
        """The alerts that are not over, by their first ids, as they were raised."""
        return sorted(
            (record.alert for record in self._active.values()),
            key=lambda alert: alert.created_at,
        )

    # What changes.

    def add(self, record: Record) -> list[Record]:
        """Take in an alert that fires; those that have no room any more.

        Of an alert that was over and had the same id, the history goes on.
        """
        alert_id = record.alert.alert_id
        self._join(self.find(alert_id), record)
        self._others.pop(alert_id, None)
        self._active[record.identity] = record
        self._by_id[alert_id] = record
        excess = len(self._active) - self._most_active
        return [*islice(self._active.values(), max(0, excess))]

    def seen(self, record: Record, alert_id: str) -> None:
        """It was processed again, by whatever id."""
        self._active.move_to_end(record.identity)
        self._join(self.find(alert_id), record)
        self._also(alert_id, record)

    def _join(self, before: Record | None, record: Record) -> None:
        """Let an alert that was over go on in the one that has its id now."""
        if before is None or before is record:
            return
        record.history = deque([*before.history, *record.history], MOST_EVENTS)
        before_id = before.alert.alert_id
        self._resolved.pop(before_id, None)
        self._by_id.pop(before_id, None)
        self._also(before_id, record)

    def _also(self, alert_id: str, record: Record) -> None:
        """Find it by a further id."""
        if alert_id == record.alert.alert_id:
            return
        self._others[alert_id] = record.alert.alert_id
        self._others.move_to_end(alert_id)
        if len(self._others) > MOST_IDS:
            self._others.popitem(last=False)

    def over(self, record: Record) -> None:
        """It is resolved: keep it for a while, and not more than there is room for."""
        alert_id = record.alert.alert_id
        self._active.pop(record.identity, None)
        self._resolved[alert_id] = record
        if len(self._resolved) > self._most_resolved:
            oldest, _ = self._resolved.popitem(last=False)
            del self._by_id[oldest]
