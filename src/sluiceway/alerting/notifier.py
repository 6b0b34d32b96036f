"""Notifier: alerts grouped, repeated, silenced and explained, then told.

Law: an accumulator that is told the time; what it releases at once is one notification.
Source: Alertmanager, ``docs/configuration.md``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from attrs import define, field, frozen

from ..errors import ConfigurationError
from ..events import Alert, AlertStatus
from ..settings import number
from ..stages import Batches
from ..state import State
from .grouping import Group, Told
from .labels import (
    MOST_ALERTS,
    Identity,
    Labels,
    Matches,
    alerts_among,
    dated,
    identity_of,
    labels_of,
    too_many,
)
from .lasting import Silenced
from .muting import (
    Inhibition,
    SavedSilence,
    Silence,
    Silences,
)
from .policy import LONGEST

ALL: Final = "..."
GroupKey = tuple[tuple[str, str], ...]


class SavedTold(msgspec.Struct):
    """What was told of a group."""

    firing: list[Identity]
    resolved: list[Identity]
    at: float
    acknowledged: list[Identity] = []


class SavedGroup(msgspec.Struct):
    """A group; times are seconds since the epoch."""

    key: GroupKey
    due: float
    alerts: list[Alert]
    told: SavedTold | None


class SavedNotifier(msgspec.Struct):
    """What a notifier keeps across restarts."""

    groups: list[SavedGroup]
    silences: list[SavedSilence]


@frozen
class NotifierStatistics:
    """What a notifier has in hand.

    Attributes:
        groups: how many.
        firing: alerts that fire.
        muted: of these, how many nobody is told of.
    """

    groups: int
    firing: int
    muted: int


@define(eq=False, slots=False, repr=False)
class Notifier(Silenced):
    """Tells of alerts in groups, with Alertmanager's meaning of every setting.

    What is released together is one notification: a sink without a ``batch`` setting
    gets each as one write. Unlike Alertmanager it tells that an alert is over to those,
    and only those, who were told that it fires: not of one that was resolved before its
    group was told of, but also of one that was silenced in between. That one is
    acknowledged is told once; it is not repeated any more, and stays so whatever its
    source says until it is over. An empty group is forgotten at once, so that its next
    alert waits for ``group_wait`` again.

    Args:
        group_by: labels by whose values alerts are grouped, ``alertname`` and
            ``severity`` among them; default ``["alertname"]``; ``["..."]`` for each
            alert alone, ``[]`` for all together.
        group_wait: seconds that a new group waits for more; default 30.
        group_interval: seconds between two looks at a group; default 300.
        repeat_interval: seconds after which what still fires is told again, looked at
            each ``group_interval``; default 14,400.
        send_resolved: whether it is told what has been resolved; default True.
        inhibit: alerts that others explain.
        silences: alerts that nobody is told of: a list, or a ``Silences`` to which
            more can be added.
        max_alerts: alerts that it knows at most; further ones are rejected, as
            ``too_many_alerts``; default 10,000.
        state: a file that keeps groups, what was told of them, and silences that were
            added, across restarts; default none.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    mutates = False

    group_by: Sequence[str] = ("alertname",)
    group_wait: float = field(default=30.0, kw_only=True, validator=number(0, LONGEST))
    group_interval: float = field(
        default=300.0, kw_only=True, validator=number(0.001, LONGEST)
    )
    repeat_interval: float = field(default=14400.0, kw_only=True, validator=number(0))
    send_resolved: bool = field(default=True, kw_only=True)
    inhibit: Sequence[Inhibition] = field(default=(), kw_only=True)
    silences: Silences | Sequence[Silence] = field(default=(), kw_only=True)
    max_alerts: int = field(
        default=MOST_ALERTS, kw_only=True, validator=number(1, whole=True)
    )
    state: State = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        labels = self.group_by
        if isinstance(labels, str) or not all(isinstance(x, str) for x in labels):
            raise ConfigurationError(
                f"Notifier.group_by is {labels!r}; expected a list of labels, "
                f"such as ['alertname', 'zone'] or [{ALL!r}]"
            )
        if not all(isinstance(each, Inhibition) for each in self.inhibit):
            raise ConfigurationError(
                f"Notifier.inhibit is {self.inhibit!r}; expected a list of Inhibition"
            )
        given = self.silences
        self._silences = given if isinstance(given, Silences) else Silences(given)
        self._groups: dict[GroupKey, Group] = {}
        self._places: dict[Identity, GroupKey] = {}  # in which group an alert is
        self._due: list[tuple[float, GroupKey]] = []

    def alerts(self) -> list[Alert]:
        """Copies of all alerts that fire, told or not."""
        return [
            alert.copy()
            for group in self._groups.values()
            for alert in group.alerts.values()
            if alert.status is not AlertStatus.RESOLVED
        ]

    # What the engine calls.

    def acknowledge_alerts(self, matches: Matches) -> int:
        """Take alerts on; it is told at the next look at their groups.

        Returns:
            How many alerts that are.
        """
        return self._order(AlertStatus.ACKNOWLEDGED, matches)

    def resolve_alerts(self, matches: Matches) -> int:
        """End alerts; it is told at the next look at their groups.

        Returns:
            How many alerts that are.
        """
        return self._order(AlertStatus.RESOLVED, matches)

    def _order(self, status: AlertStatus, matches: Matches) -> int:
        found = [
            alert
            for group in self._groups.values()
            for alert in group.alerts.values()
            if alert.status not in (status, AlertStatus.RESOLVED)
            and matches(labels_of(alert))
        ]
        for alert in found:
            alert.status = status
        return len(found)

    def add(self, events: list[Alert], now: float) -> list[Any]:
        """Take alerts in; the notifications that are due.

        Raises:
            PartialError: some are no alerts, or too many.
        """
        alerts, failed = alerts_among(events, "a Notifier")
        for index, alert in alerts.items():
            key, identity = self._key(alert), identity_of(alert)
            place = self._places.get(identity)
            if place is not None:
                self._take(alert, key, place, now)
            elif alert.status is AlertStatus.RESOLVED:
                pass  # nobody was told that it fired, or it is told already
            elif len(self._places) >= self.max_alerts:
                failed[index] = too_many("a Notifier", self.max_alerts)
            else:
                self._take(alert, key, key, now)
        return self._refusing(failed, self.tick(now))

    def _take(self, alert: Alert, key: GroupKey, place: GroupKey, now: float) -> None:
        """Take an alert in, which may go to another group than that of its place."""
        identity = identity_of(alert)
        if alert.status is AlertStatus.RESOLVED:
            key = place
        elif place != key:
            self._groups[place].leave(identity)
        self._places[identity] = key
        group = self._groups.get(key)
        known = None if group is None else group.alerts.get(identity)
        first = self._first_look(alert, now)
        if group is None:
            group = self._groups[key] = Group(first)
            heapq.heappush(self._due, (first, key))
        elif group.waits and first < group.due:
            group.due = first
            heapq.heappush(self._due, (first, key))
        group.alerts[identity] = merged(known, alert, self._time_ns(now))

    def _key(self, alert: Alert) -> GroupKey:
        labels = labels_of(alert)
        names = sorted(labels) if ALL in self.group_by else self.group_by
        return tuple([(name, labels.get(name, "")) for name in names])

    def _first_look(self, alert: Alert, now: float) -> float:
        """When a new group is told: at once if an alert of it has fired for long."""
        begun = alert.starts_at_unix_nano / 1e9
        if begun and begun + self.group_wait < self._time(now):
            return now
        return now + self.group_wait

    def tick(self, now: float) -> list[Any]:
        """The notifications of the groups that are due."""
        released: Batches[Any] = Batches()
        mutes: Callable[[Labels], bool] | None = None
        while self._due and self._due[0][0] <= now:
            when, key = heapq.heappop(self._due)
            group = self._groups.get(key)
            if group is None or group.due != when:
                continue
            if mutes is None:
                mutes = self._muting(now)
            told = self._told(key, group, mutes, now)
            if told:
                released.append(told)
            self._look_again(key, group, now)
        return self._kept(released, now)

    def _told(
        self, key: GroupKey, group: Group, mutes: Callable[[Labels], bool], now: float
    ) -> list[Alert]:
        """What is to be told of a group; what is over has no place afterwards."""
        before = [*group.alerts]
        told = group.tell(
            now,
            mutes,
            repeat_interval=self.repeat_interval,
            send_resolved=self.send_resolved,
        )
        for identity in before:
            if identity not in group.alerts and self._places.get(identity) == key:
                del self._places[identity]
        time_ns = self._time_ns(now)  # what was ended by hand does not say when
        return [dated(alert, time_ns) for alert in told]

    def _look_again(self, key: GroupKey, group: Group, now: float) -> None:
        """A group that holds nothing any more is forgotten."""
        group.waits = False
        if group.alerts:
            group.due = now + self.group_interval
            heapq.heappush(self._due, (group.due, key))
        else:
            del self._groups[key]

    def _muting(self, now: float) -> Callable[[Labels], bool]:
        """What says whether nobody is told of an alert now."""
        firing = [labels_of(alert) for alert in self.alerts()] if self.inhibit else []
        explained = [each.among(firing) for each in self.inhibit]
        silences, time = self._silences, self._time(now)
        return lambda labels: (
            silences.mutes(labels, time) or any(mutes(labels) for mutes in explained)
        )

    def next_deadline(self) -> float | None:
        """When the next group is due."""
        return self._soonest(self._due[0][0] if self._due else None)

    def snapshot(self) -> SavedNotifier:
        """The groups, what was told of them, and the silences."""
        return SavedNotifier(
            [
                SavedGroup(
                    key,
                    self._time(group.due),
                    [*group.alerts.values()],
                    None if group.told is None else self._saved(group.told),
                )
                for key, group in self._groups.items()
            ],
            self._silences.saved(),
        )

    def _saved(self, told: Told) -> SavedTold:
        at, acknowledged = self._time(told.at), [*told.acknowledged]
        return SavedTold([*told.firing], [*told.resolved], at, acknowledged)

    def restore(self, saved: SavedNotifier, now: float) -> None:
        """Go on with them; what came due meanwhile is due at once."""
        self._groups.clear()
        self._places.clear()
        self._due.clear()
        for kept in saved.groups:
            group = self._groups[kept.key] = Group(max(now, self._now(kept.due)))
            group.alerts = {identity_of(alert): alert for alert in kept.alerts}
            self._places |= dict.fromkeys(group.alerts, kept.key)
            if kept.told is not None:
                firing, resolved = kept.told.firing, kept.told.resolved
                at = self._now(kept.told.at)
                known = frozenset(kept.told.acknowledged)
                group.told = Told(frozenset(firing), frozenset(resolved), at, known)
                group.waits = False
            heapq.heappush(self._due, (group.due, kept.key))
        self._silences.restore(saved.silences, self._time(now))

    def statistics(self) -> NotifierStatistics:
        """A snapshot of what it has in hand, as of the last look at each group."""
        firing = self.alerts()
        told: set[Identity] = set()
        for group in self._groups.values():
            told |= group.told.firing if group.told is not None else set()
        muted = sum(identity_of(alert) not in told for alert in firing)
        return NotifierStatistics(len(self._groups), len(firing), muted)

    def __repr__(self) -> str:
        seen = self.statistics()
        return f"<Notifier {seen.groups} groups, {seen.firing} firing>"


def merged(known: Alert | None, alert: Alert, now_ns: int) -> Alert:
    """An update of an alert: the earliest start, everything else of the newest."""
    if known is None or known.status is AlertStatus.RESOLVED:
        return dated(alert, now_ns)
    newest = dated(alert, now_ns, began=known.starts_at_unix_nano)
    starts = known.starts_at_unix_nano, newest.starts_at_unix_nano
    newest.starts_at_unix_nano = min(starts)
    if newest.status is AlertStatus.FIRING:
        newest.status = known.status
    return newest
