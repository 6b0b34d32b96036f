"""Escalation: an alert that nobody acknowledges is told to more and more people.

Law: an accumulator that is told the time. An escalation that runs keeps the policy that
it began with; an acknowledgement, the end of the alert or a silence stops it. Source:
PagerDuty's and Grafana OnCall's escalation policies.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count
from typing import Final

import msgspec
from attrs import define, field, frozen

from ..errors import ConfigurationError
from ..events import Alert, AlertStatus
from ..settings import number
from ..state import State
from .labels import (
    MOST_ALERTS,
    Identity,
    Matches,
    alerts_among,
    dated,
    identity_of,
    labels_of,
    too_many,
)
from .lasting import Silenced
from .muting import SavedSilence, Silence, Silences
from .policy import LONGEST, TARGET, Level, Policy, SavedLevel, raised

LOOK_AGAIN: Final = 10.0  # seconds between two looks at what is silenced
SOONEST: Final = 0.001  # since the end of a silence may be a little off by rounding


@define(eq=False)
class Course:
    """One alert's way through a policy.

    Attributes:
        alert: as it was told of last.
        policy: the one that it began with.
        began: when, on the pipeline's clock.
        step: which comes next.
        told: whom it was told to, and as what.
        acknowledged: when somebody took it on; None before.
        due: when it is looked at next; None for never.
    """

    alert: Alert
    policy: Policy
    began: float
    step: int = 0
    told: dict[str, Alert] = field(factory=dict)
    acknowledged: float | None = None
    due: float | None = None


class SavedCourse(msgspec.Struct):
    """A course; times are seconds since the epoch."""

    alert: Alert
    levels: list[SavedLevel]
    repeats: int
    pause: float
    began: float
    step: int
    told: dict[str, Alert]
    acknowledged: float | None
    due: float | None


class SavedEscalation(msgspec.Struct):
    """What an escalation keeps across restarts."""

    courses: list[SavedCourse]
    silences: list[SavedSilence] = []


@frozen
class EscalationStatistics:
    """What an escalation has in hand.

    Attributes:
        running: alerts that climb, or have reached the end of their policy.
        acknowledged: alerts that somebody has taken on.
    """

    running: int
    acknowledged: int


@define(eq=False, slots=False, repr=False)
class Escalation(Silenced):
    """Tells of an alert again, to others, until somebody acknowledges it.

    An alert with the status ``ACKNOWLEDGED`` that comes in, from whichever source,
    stops the escalation of the alert of the same name and labels; whoever was told that
    it fires is told that it is acknowledged, and later that it is resolved. Of an alert
    that does not fire nothing can be acknowledged.

    Args:
        levels: whom it is told, and when; put in the order of their times.
        repeats: how many times the levels are gone through again; at most 9, default 0.
        pause: seconds after the last level before that; default 300.
        acknowledged_for: seconds after which an alert that is acknowledged and still
            fires begins its escalation anew; None (default) for never.
        silences: alerts that nobody is told of: a list, or a ``Silences``; a level
            whose time comes meanwhile is told after the silence.
        max_alerts: alerts that it knows at most; further ones are rejected, as
            ``too_many_alerts``; default 10,000.
        state: a file that keeps the escalations, and silences that were added, across
            restarts, so that nobody is told twice; default none.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    mutates = False

    levels: Sequence[Level]
    repeats: int = field(default=0, kw_only=True, validator=number(0, 9, whole=True))
    pause: float = field(default=300.0, kw_only=True, validator=number(0, LONGEST))
    acknowledged_for: float | None = field(
        default=None, kw_only=True, validator=number(0.001, optional=True)
    )
    silences: Silences | Sequence[Silence] = field(default=(), kw_only=True)
    max_alerts: int = field(
        default=MOST_ALERTS, kw_only=True, validator=number(1, whole=True)
    )
    state: State = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self.levels or not all(isinstance(x, Level) for x in self.levels):
            raise ConfigurationError(
                f"Escalation.levels is {self.levels!r}; expected a list of Level"
            )
        given = self.silences
        self._silences = given if isinstance(given, Silences) else Silences(given)
        self._courses: dict[Identity, Course] = {}
        self._due: list[tuple[float, int, Identity]] = []
        self._numbers = count()
        self._orders: list[Alert] = []
        self._held: set[Identity] = set()  # whose level waits for a silence's end

    # What an operator does.

    def alerts(self) -> list[Alert]:
        """Copies of the alerts that fire, also those that somebody has taken on."""
        found = [course.alert.copy() for course in self._courses.values()]
        for alert, course in zip(found, self._courses.values(), strict=True):
            if course.acknowledged is not None:
                alert.status = AlertStatus.ACKNOWLEDGED
        return found

    def acknowledge_alerts(self, matches: Matches) -> int:
        """Stop the escalation of alerts; it is told at the next tick or flush.

        Args:
            matches: the test of an alert's labels, ``label_matcher`` makes one.

        Returns:
            How many alerts that are.
        """
        return self._order(AlertStatus.ACKNOWLEDGED, matches)

    def resolve_alerts(self, matches: Matches) -> int:
        """End alerts; it is told at the next tick or flush. How many that are."""
        return self._order(AlertStatus.RESOLVED, matches)

    def _order(self, status: AlertStatus, matches: Matches) -> int:
        found = [a for a in self.alerts() if matches(labels_of(a))]
        found = [alert for alert in found if alert.status is not status]
        for alert in found:
            alert.status = status
            self._orders.append(alert)
        return len(found)

    def flush(self, now: float) -> list[Alert]:
        """What an operator has ordered, who may have ended a silence early, too."""
        for identity in self._held:
            course = self._courses[identity]
            if not self._silences.mutes(labels_of(course.alert), self._time(now)):
                self._look(identity, course, now)
        orders, self._orders = self._orders, []
        for alert in orders:
            if alert.status is AlertStatus.RESOLVED:
                alert.ends_at_unix_nano = self._time_ns(now)
        return self.add(orders, now)

    def policy(self) -> Policy:
        """What an escalation that begins now will follow."""
        levels = sorted(self.levels, key=lambda level: level.after)
        return Policy(tuple(levels), self.repeats, self.pause)

    def add(self, events: list[Alert], now: float) -> list[Alert]:
        """Take alerts in; what is to be told by it.

        Raises:
            PartialError: some are no alerts, or too many.
        """
        told: list[Alert] = []
        alerts, failed = alerts_among(events, "an Escalation")
        for index, alert in alerts.items():
            identity = identity_of(alert)
            is_new = identity not in self._courses
            fires = alert.status is AlertStatus.FIRING
            if is_new and fires and len(self._courses) >= self.max_alerts:
                failed[index] = too_many("an Escalation", self.max_alerts)
            else:
                told += self._take(identity, alert, now)
        return self._refusing(failed, self._kept(told + self._due_now(now), now))

    def _take(self, identity: Identity, alert: Alert, now: float) -> list[Alert]:
        course = self._courses.get(identity)
        if alert.status is AlertStatus.FIRING:
            if course is None:
                course = Course(alert, self.policy(), now)
                self._courses[identity] = course
                self._begin(identity, course, now)
            began = course.alert.starts_at_unix_nano
            course.alert = dated(alert, self._time_ns(now), began=began)
            return []
        if course is None:
            return []
        if alert.status is AlertStatus.RESOLVED:
            return self._end(identity, course, dated(alert, self._time_ns(now)))
        return self._acknowledge(identity, course, alert, now)

    def _end(self, identity: Identity, course: Course, alert: Alert) -> list[Alert]:
        """Nobody need care any more; whoever was told of it is told so."""
        del self._courses[identity]
        self._held.discard(identity)
        return [after(told, alert) for told in course.told.values()]

    def _acknowledge(
        self, identity: Identity, course: Course, alert: Alert, now: float
    ) -> list[Alert]:
        """Somebody cares; who says it again, such as a Notifier, changes nothing."""
        if course.acknowledged is not None:
            return []
        course.acknowledged, course.due = now, None
        self._held.discard(identity)
        if self.acknowledged_for is not None:
            self._look(identity, course, now + self.acknowledged_for)
        return [after(told, alert) for told in course.told.values()]

    def _begin(self, identity: Identity, course: Course, now: float) -> None:
        """Follow the policy as it is now, from its first level on."""
        course.policy, course.began, course.step = self.policy(), now, 0
        self._look(identity, course, now + (course.policy.due(0) or 0.0))

    def _look(self, identity: Identity, course: Course, when: float) -> None:
        course.due = when
        heapq.heappush(self._due, (when, next(self._numbers), identity))

    def tick(self, now: float) -> list[Alert]:
        """What is to be told, since its time has come."""
        return self.flush(now) if self._orders else self._kept(self._due_now(now), now)

    def _due_now(self, now: float) -> list[Alert]:
        told: list[Alert] = []
        while self._due and self._due[0][0] <= now:
            when, _, identity = heapq.heappop(self._due)
            course = self._courses.get(identity)
            if course is not None and course.due == when:
                told += self._step(identity, course, now)
        return told

    def _step(self, identity: Identity, course: Course, now: float) -> list[Alert]:
        """What a level tells; an old acknowledgement is none any more."""
        if course.acknowledged is not None:
            course.acknowledged = None
            self._begin(identity, course, now)
            return []
        silenced = self._silences.until(labels_of(course.alert), self._time(now))
        if silenced is not None:
            self._held.add(identity)
            look = min(self._now(silenced), now + LOOK_AGAIN)
            self._look(identity, course, max(look, now + SOONEST))
            return []
        self._held.discard(identity)
        number_, level = course.policy.level(course.step)
        course.step += 1
        due = course.policy.due(course.step)
        course.due = None
        if due is not None:
            self._look(identity, course, max(now, course.began + due))
        told = [raised(course.alert, level, number_, each) for each in level.targets]
        course.told |= {alert.annotations[TARGET]: alert for alert in told}
        return [alert.copy() for alert in told]

    def next_deadline(self) -> float | None:
        """When the next level of any alert is due."""
        return self._soonest(self._next_due())

    def _next_due(self) -> float | None:
        while self._due:
            when, _, identity = self._due[0]
            course = self._courses.get(identity)
            if course is not None and course.due == when:
                return when
            heapq.heappop(self._due)
        return None

    def snapshot(self) -> SavedEscalation:
        """The escalations that run, and the silences that were added."""
        courses = [self._saved(course) for course in self._courses.values()]
        return SavedEscalation(courses, self._silences.saved())

    def _saved(self, course: Course) -> SavedCourse:
        policy = course.policy
        levels = [SavedLevel([*x.targets], x.after, x.severity) for x in policy.levels]
        return SavedCourse(
            course.alert,
            levels,
            policy.repeats,
            policy.pause,
            self._time(course.began),
            course.step,
            course.told,
            self._time_or_none(course.acknowledged),
            self._time_or_none(course.due),
        )

    def restore(self, saved: SavedEscalation, now: float) -> None:
        """Go on with them; what came due meanwhile is due at once."""
        self._courses.clear()
        self._held.clear()
        self._silences.restore(saved.silences, self._time(now))
        for kept in saved.courses:
            levels = tuple(Level(x.targets, x.after, x.severity) for x in kept.levels)
            course = Course(
                kept.alert,
                Policy(levels, kept.repeats, kept.pause),
                self._now(kept.began),
                kept.step,
                kept.told,
                self._now_or_none(kept.acknowledged),
            )
            identity = identity_of(kept.alert)
            self._courses[identity] = course
            if kept.due is not None:
                self._look(identity, course, max(now, self._now(kept.due)))

    def statistics(self) -> EscalationStatistics:
        """A snapshot of what it has in hand."""
        known = sum(c.acknowledged is not None for c in self._courses.values())
        return EscalationStatistics(len(self._courses) - known, known)

    def __repr__(self) -> str:
        seen = self.statistics()
        counts = f"{seen.running} running, {seen.acknowledged} acknowledged"
        return f"<Escalation {len(self.levels)} levels, {counts}>"


def after(told: Alert, alert: Alert) -> Alert:
    """What becomes of an alert, for somebody who was told of it."""
    news = told.copy()
    news.status = alert.status
    news.message = alert.message or told.message
    news.ends_at_unix_nano = alert.ends_at_unix_nano
    return news


def target_of(alert: Alert) -> str:
    """Whom an alert of an ``Escalation`` is for, to choose its way.

    ``escalation >> route(target_of, {"chat": slack, "pager": pagerduty})``.
    """
    return alert.annotations.get(TARGET, "")
