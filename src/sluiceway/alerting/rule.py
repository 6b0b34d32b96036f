"""Rule: what all rules share, from an event to an alert.

Law: an accumulator that is told the time and holds no event: what it is given is merged
into numbers. It looks at these each ``interval`` and releases an ``Alert`` when one
begins or ceases to fire, never in between.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import Attribute, define, field, frozen

from ..errors import ConfigurationError
from ..events import Alert, AlertStatus
from ..settings import number
from ..state import State
from .labels import Matches
from .labels import labels_of as all_labels_of
from .lasting import Lasting
from .lifecycle import Lifecycle, Phase
from .matching import matcher
from .reading import labels_of, text_of
from .wording import checked_template, checked_templates, filled

Where = Mapping[str, Any] | Callable[[Any], Any]
By = Sequence[str] | Mapping[str, Any]

MOST_SERIES: Final = 10_000


def a_word(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected a word"
        )


class Measure(ABC):
    """The numbers of one series."""

    @abstractmethod
    def add(self, event: Any, now: float) -> None:
        """Take an event in."""

    @abstractmethod
    def value(self, now: float) -> float | None:
        """What the rule looks at; None if there is nothing to look at."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Whether nothing would be lost by forgetting it, after ``value`` was asked."""


class Series:
    """One set of labels: its numbers and its alert.

    Attributes:
        labels: that tell it from the others of the rule.
        event: the latest one, for texts.
        value: what it measured when it was looked at last.
        alert: what was told last, while it fires.
        stays_until: when a series that was restored is looked at, if too little is
            heard.
    """

    def __init__(
        self, labels: dict[str, str], measure: Measure, life: Lifecycle
    ) -> None:
        self.labels = labels
        self.measure = measure
        self.life = life
        self.event: Any = None
        self.value: float | None = None
        self.alert: Alert | None = None
        self.stays_until = 0.0


class SavedSeries(msgspec.Struct):
    """A series that is pending or firing; times are seconds since the epoch."""

    key: tuple[str, ...]
    phase: Phase
    since: float
    broken_since: float | None
    alert: Alert | None


class SavedRule(msgspec.Struct):
    """What a rule keeps across restarts."""

    series: list[SavedSeries]


@frozen
class RuleStatistics:
    """What a rule watches.

    Attributes:
        series: sets of labels that it keeps numbers of.
        pending: of these, how many are about to fire.
        firing: how many fire.
        refused: events of further series that had no room.
    """

    series: int
    pending: int
    firing: int
    refused: int


@define(eq=False, slots=False, repr=False)
class Rule(Lasting[Any, Alert]):
    """What every rule takes; use one of the classes derived from it.

    Args:
        alert: the alert's name; also the stage's, unless ``name`` says otherwise.
        where: which events it looks at: what must stand at each path
            (``{"kind": "server"}``, with signs as in ``">= 500"``), or a function of
            one event; default all.
        by: what splits it into series with an alert each: paths such as
            ``"attributes.http.route"``, which become labels, or paths by label.
        for_: seconds that the condition must hold before it fires; default 0.
        keep_firing_for: seconds that it goes on firing after that; default 0.
        severity: of its alerts: info, warning (default), error or critical.
        message: one line for a person; it and the annotations may hold ``{value}``,
            ``{threshold}``, ``{alert}``, ``{labels[KEY]}`` and ``{event.FIELD}`` of the
            latest event, with forms as in ``{value:.1%}``.
        labels: further labels of its alerts.
        annotations: further texts of its alerts.
        interval: seconds between two looks; default 1.
        max_series: series at most; what comes for others is refused, counted and told
            of once; default 10,000.
        state: a file that keeps what is pending and firing across restarts; its numbers
            are gathered anew, and until enough is heard, or the window has passed, an
            alert stays what it was. Default none.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    mutates = False

    alert: str = field(validator=a_word)
    where: Where = field(factory=dict, kw_only=True)
    by: By = field(default=(), kw_only=True)
    for_: float = field(default=0.0, kw_only=True, validator=number(0))
    keep_firing_for: float = field(default=0.0, kw_only=True, validator=number(0))
    severity: str = field(default="warning", kw_only=True, validator=a_word)
    message: str = field(default="", kw_only=True)
    labels: Mapping[str, str] = field(factory=dict, kw_only=True)
    annotations: Mapping[str, str] = field(factory=dict, kw_only=True)
    interval: float = field(default=1.0, kw_only=True, validator=number(0.001))
    max_series: int = field(
        default=MOST_SERIES, kw_only=True, validator=number(1, whole=True)
    )
    state: State = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        kind = type(self).__name__
        self.name = self.name or self.alert
        self._match = matcher(f"{kind}.where", self.where)
        self._by = labels_of(f"{kind}.by", self.by)
        self._reads = [*self._by.values()]
        checked_template(f"{kind}.message", self.message)
        checked_templates(f"{kind}.labels", self.labels)
        checked_templates(f"{kind}.annotations", self.annotations)
        self._series: dict[tuple[str, ...], Series] = {}
        self._due = 0.0
        self._ended: list[Series] = []
        self._taken_on: list[Series] = []
        self._refused = 0

    # What a kind of rule adds.

    @abstractmethod
    def new_measure(self) -> Measure:
        """The numbers of a new series."""

    @abstractmethod
    def holds(self, value: float | None, *, firing: bool) -> bool:
        """Whether the condition holds for what a series measures."""

    @property
    @abstractmethod
    def threshold(self) -> float:
        """What a value is held against, for texts."""

    @property
    @abstractmethod
    def patience(self) -> float:
        """Seconds after a restart that a silent series stays what it was."""

    # What the engine calls.

    def add(self, events: list[Any], now: float) -> list[Alert]:
        """Take the events into the numbers; the alerts if a look is due."""
        match = self._match
        for event in events:
            if match is None or match(event):
                self._take(event, now)
        return self.tick(now)

    def _take(self, event: Any, now: float) -> None:
        key = tuple([text_of(read(event)) for read in self._reads])
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self.max_series:
                self._refuse(key)
                return
            series = self.new_series(key)
        series.event = event
        series.measure.add(event, now)

    def _refuse(self, key: tuple[str, ...]) -> None:
        """Count an event that has no room; the first of a start is told of."""
        self._refused += 1
        logger, self._logger = self._logger, None
        if logger is not None:
            logger.warning(
                "%s has max_series, %d, and leaves further ones out, such as %r",
                *(self.alert, self.max_series, dict(zip(self._by, key, strict=True))),
            )

    def new_series(self, key: tuple[str, ...]) -> Series:
        """A series for these labels."""
        labels = dict(zip(self._by, key, strict=True))
        life = Lifecycle(self.for_, self.keep_firing_for)
        series = self._series[key] = Series(labels, self.new_measure(), life)
        return series

    def tick(self, now: float) -> list[Alert]:
        """The alerts that begin or cease to fire, if a look is due."""
        if now < self._due:
            return []
        return self.flush(now)

    def flush(self, now: float) -> list[Alert]:
        """The alerts that begin or cease to fire."""
        self._due = now + self.interval
        told = self._ordered(now)
        for key, series in [*self._series.items()]:
            value = series.value = series.measure.value(now)
            unknown = series.event is None or value is None
            if unknown and now < series.stays_until:
                continue
            firing = series.life.phase in {Phase.FIRING, Phase.ENDED}
            holds = self.holds(value, firing=firing)
            if series.life.step(holds=holds, now=now):
                told.append(self._tell(series, now))
            if series.life.phase is Phase.INACTIVE and series.measure.is_idle():
                del self._series[key]
        return self._kept(told, now)

    def _ordered(self, now: float) -> list[Alert]:
        """What an operator's orders have made of alerts."""
        told = [self._over(series, now) for series in self._ended]
        self._ended.clear()
        told += [series.alert.copy() for series in self._taken_on if series.alert]
        self._taken_on.clear()
        return told

    def next_deadline(self) -> float | None:
        """When it looks again; never while there is nothing to look at."""
        return self._due if self._series else None

    def _tell(self, series: Series, now: float) -> Alert:
        """The alert of a series that begins or ceases to fire."""
        if series.life.phase is not Phase.FIRING:
            return self._over(series, now)
        series.alert = self._new_alert(series, self._time_ns(now))
        return series.alert.copy()

    def _over(self, series: Series, now: float) -> Alert:
        assert series.alert is not None
        alert, series.alert = series.alert, None
        alert.status = AlertStatus.RESOLVED
        alert.ends_at_unix_nano = self._time_ns(now)
        return alert

    def _new_alert(self, series: Series, now_ns: int) -> Alert:
        fields = {
            "alert": self.alert,
            "value": series.value,
            "threshold": self.threshold,
            "labels": series.labels,
            "event": series.event,
        }
        return Alert(
            name=self.alert,
            severity=self.severity,
            message=filled(self.message, fields),
            labels={k: filled(t, fields) for k, t in self.labels.items()}
            | series.labels,
            annotations={k: filled(t, fields) for k, t in self.annotations.items()},
            starts_at_unix_nano=now_ns,
        )

    def alerts(self) -> list[Alert]:
        """Copies of the alerts that fire."""
        return [alert.copy() for _, alert in self._firing()]

    def pending_alerts(self) -> list[Alert]:
        """Alerts that are about to fire, which begin when their condition began."""
        return [
            self._new_alert(series, self._time_ns(series.life.since))
            for series in self._series.values()
            if series.life.phase is Phase.PENDING
        ]

    def acknowledge_alerts(self, matches: Matches) -> int:
        """Take alerts on, which is told at the next look; how many that are."""
        known = AlertStatus.ACKNOWLEDGED
        found = 0
        for series, alert in self._firing():
            if alert.status is not known and matches(all_labels_of(alert)):
                alert.status = known
                self._taken_on.append(series)
                found += 1
        return found

    def resolve_alerts(self, matches: Matches) -> int:
        """End alerts, which is told at the next look; how many that are.

        One that was ended so fires again only after its condition has ceased to hold.
        """
        found = [s for s, alert in self._firing() if matches(all_labels_of(alert))]
        for series in found:
            series.life.phase = Phase.ENDED
        self._ended += found
        return len(found)

    def _firing(self) -> list[tuple[Series, Alert]]:
        return [
            (series, series.alert)
            for series in self._series.values()
            if series.alert is not None and series.life.phase is Phase.FIRING
        ]

    def snapshot(self) -> SavedRule:
        """The series that are pending or firing."""
        return SavedRule(
            [
                SavedSeries(
                    key,
                    series.life.phase,
                    self._time(series.life.since),
                    self._time_or_none(series.life.broken_since),
                    series.alert,
                )
                for key, series in self._series.items()
                if series.life.phase is not Phase.INACTIVE
            ]
        )

    def restore(self, saved: SavedRule, now: float) -> None:
        """Go on with those; what was split by other labels is left aside."""
        for kept in saved.series:
            firing = kept.phase is Phase.FIRING
            if len(kept.key) != len(self._by) or firing != (kept.alert is not None):
                continue
            series = self.new_series(kept.key)
            series.alert = kept.alert
            series.life.phase = kept.phase
            series.life.since = self._now(kept.since)
            series.life.broken_since = self._now_or_none(kept.broken_since)
            series.stays_until = now + self.patience

    def statistics(self) -> RuleStatistics:
        """A snapshot of what it watches."""
        phases = [series.life.phase for series in self._series.values()]
        return RuleStatistics(
            len(phases),
            phases.count(Phase.PENDING),
            phases.count(Phase.FIRING),
            self._refused,
        )

    def __repr__(self) -> str:
        seen = self.statistics()
        counts = f"{seen.series} series, {seen.firing} firing"
        return f"<{type(self).__name__} {self.alert} {counts}>"
