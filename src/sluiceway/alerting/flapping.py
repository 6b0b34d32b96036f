"""FlapDamper: an alert that comes and goes all the time is one that fires.

Law: an accumulator that is told the time. What it swallows is told once the alert is
calm, if that is news by then.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import Final

import msgspec
from attrs import define, field, frozen

from ..events import Alert, AlertStatus
from ..settings import number
from ..state import State
from .labels import MOST_ALERTS, Identity, alerts_among, identity_of
from .lasting import Lasting

FLAPPING: Final = "flapping"


@define(eq=False)
class Pattern:
    """How one alert has come and gone.

    Attributes:
        latest: as it is now.
        changes: when it began or ceased to fire, within the window; no more than it
            takes to flap.
        flapping: whether its changes are swallowed.
        waits: whether a moment is set at which it is looked at.
    """

    latest: Alert
    changes: deque[float]
    flapping: bool = False
    waits: bool = False


class SavedPattern(msgspec.Struct):
    """A pattern; times are seconds since the epoch."""

    latest: Alert
    changes: list[float]
    flapping: bool


class SavedDamper(msgspec.Struct):
    """What a damper keeps across restarts."""

    patterns: list[SavedPattern]


@frozen
class FlapStatistics:
    """What a damper watches.

    Attributes:
        watched: alerts that have changed lately.
        flapping: of these, how many do too often.
    """

    watched: int
    flapping: int


@define(eq=False, slots=False, repr=False)
class FlapDamper(Lasting[Alert, Alert]):
    """Lets an alert begin and end so many times, and then holds it as firing.

    An alert that has changed more than ``limit`` times within ``window`` seconds is let
    through once more as firing, with the annotation ``flapping``; what it does then is
    merged, until it has not changed for ``window`` seconds. If it is over by then, or
    acknowledged, that is let through.

    Args:
        limit: changes (a beginning is one, an end another) that pass; default 6.
        window: seconds that a change counts for; default 600.
        max_alerts: alerts that it watches at most; further ones pass as they are;
            default 10,000.
        state: a file that keeps what has changed lately across restarts; default none.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    mutates = False

    limit: int = field(default=6, validator=number(1, 1_000_000, whole=True))
    window: float = field(default=600.0, kw_only=True, validator=number(0.001))
    max_alerts: int = field(
        default=MOST_ALERTS, kw_only=True, validator=number(1, whole=True)
    )
    state: State = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._patterns: dict[Identity, Pattern] = {}
        self._due: list[tuple[float, int, Identity]] = []
        self._numbers = count()

    def add(self, events: list[Alert], now: float) -> list[Alert]:
        """Take alerts in; those that pass.

        Raises:
            PartialError: some are no alerts.
        """
        passed: list[Alert] = []
        alerts, failed = alerts_among(events, "a FlapDamper")
        for alert in alerts.values():
            passed += self._calm(now) + self._take(alert, now)
        return self._refusing(failed, self._kept(passed, now))

    def _take(self, alert: Alert, now: float) -> list[Alert]:
        identity = identity_of(alert)
        pattern = self._patterns.get(identity)
        if pattern is None:
            full = len(self._patterns) >= self.max_alerts
            if full or alert.status is AlertStatus.RESOLVED:
                return [alert]  # whoever knows of it may hear that it is over
            pattern = self._patterns[identity] = self._pattern(alert)
            changed = True
        else:
            changed = is_over(pattern.latest.status) != is_over(alert.status)
        pattern.latest = alert.copy()
        if changed:
            pattern.changes.append(now)
            self._look(identity, pattern, now + self.window)
        return self._passed(pattern, alert, now)

    def _pattern(self, latest: Alert, changes: Iterable[float] = ()) -> Pattern:
        return Pattern(latest, deque(changes, self.limit + 1))

    def _look(self, identity: Identity, pattern: Pattern, when: float) -> None:
        """Look at it then, unless that is going to be earlier anyway."""
        if not pattern.waits:
            pattern.waits = True
            heapq.heappush(self._due, (when, next(self._numbers), identity))

    def _passed(self, pattern: Pattern, alert: Alert, now: float) -> list[Alert]:
        """The alert if it may pass."""
        if pattern.flapping:
            return []
        self._forget(pattern, now)
        if len(pattern.changes) <= self.limit:
            return [alert]
        pattern.flapping = True
        held = alert.copy()
        held.status, held.ends_at_unix_nano = AlertStatus.FIRING, 0
        often = f"{len(pattern.changes)} changes in {self.window:g} s"
        held.annotations[FLAPPING] = often
        return [held]

    def _forget(self, pattern: Pattern, now: float) -> None:
        """Leave out the changes that are too old."""
        while pattern.changes and pattern.changes[0] + self.window <= now:
            pattern.changes.popleft()

    def tick(self, now: float) -> list[Alert]:
        """What is told of alerts that are calm again."""
        return self._kept(self._calm(now), now)

    def _calm(self, now: float) -> list[Alert]:
        passed: list[Alert] = []
        while self._due and self._due[0][0] <= now:
            _, _, identity = heapq.heappop(self._due)
            pattern = self._patterns.get(identity)
            if pattern is None:
                continue
            self._forget(pattern, now)
            pattern.waits = False
            if pattern.changes:
                self._look(identity, pattern, pattern.changes[0] + self.window)
                continue
            over = is_over(pattern.latest.status)
            is_news = pattern.latest.status is not AlertStatus.FIRING
            if pattern.flapping and is_news:
                passed.append(pattern.latest.copy())
            pattern.flapping = False
            if over:
                del self._patterns[identity]
        return passed

    def next_deadline(self) -> float | None:
        """When a change leaves its window."""
        return self._soonest(self._due[0][0] if self._due else None)

    def snapshot(self) -> SavedDamper:
        """What has changed lately."""
        return SavedDamper(
            [
                SavedPattern(p.latest, [*map(self._time, p.changes)], p.flapping)
                for p in self._patterns.values()
            ]
        )

    def restore(self, saved: SavedDamper, now: float) -> None:
        """Go on with it."""
        for kept in saved.patterns:
            identity = identity_of(kept.latest)
            pattern = self._pattern(kept.latest, map(self._now, kept.changes))
            pattern.flapping = kept.flapping
            self._patterns[identity] = pattern
            first = pattern.changes[0] if pattern.changes else now - self.window
            self._look(identity, pattern, first + self.window)

    def statistics(self) -> FlapStatistics:
        """A snapshot of what it watches."""
        flapping = sum(pattern.flapping for pattern in self._patterns.values())
        return FlapStatistics(len(self._patterns), flapping)

    def __repr__(self) -> str:
        seen = self.statistics()
        return f"<FlapDamper {seen.watched} watched, {seen.flapping} flapping>"


def is_over(status: AlertStatus) -> bool:
    """Whether an alert does not fire any more."""
    return status is AlertStatus.RESOLVED
