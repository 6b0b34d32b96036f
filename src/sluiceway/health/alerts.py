"""HealthAlerts: an alert for each check that is not well, until it is.

Law: pure. One alert for each check, told when its status changes and at no other time;
what fires is resolved once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..alerting.labels import Matches, labels_of
from ..alerting.lasting import Lasting
from ..errors import ConfigurationError
from ..events import Alert, AlertStatus, HealthCheck, HealthStatus
from ..state import State

CHECK: Final = "check"
MOST: Final = 10_000  # alerts that are remembered


class Firing(msgspec.Struct):
    """An alert that fires.

    Attributes:
        check: the check's name.
        status: what was told last.
        alert: how it was told.
        ended: whether somebody has ended it since then.
    """

    check: str
    status: HealthStatus
    alert: Alert
    ended: bool = False


class SavedAlerts(msgspec.Struct):
    """What fires, the oldest first."""

    firing: list[Firing]


class HealthAlerts(Lasting[HealthCheck, Alert]):
    """Makes alerts of what health checks find, whenever it changes.

    An alert is known by its name and its labels, of which ``check`` is the check's
    name. It is told again, with another severity, when the check gets better or worse,
    and resolved when it is healthy or not run any more. Events that change nothing are
    filtered, as is whatever is no ``HealthCheck``.

    Args:
        alert: the alerts' name; default ``"HealthCheck"``.
        unhealthy: the severity of a critical check that is unhealthy; default
            ``"critical"``. None, here and below, is no alert.
        minor: the severity of another check that is unhealthy; default ``"warning"``.
        degraded: the severity of a check that is degraded; default ``"warning"``.
        unknown: the severity of a check of which nothing is known, for one because
            another one is unhealthy, which has its own alert. None, the default, lets
            an alert of the check stand as it is.
        labels: further labels of each alert.
        state: a file that keeps what fires across restarts, so that it is resolved by
            the first healthy result; default none.
        name: the stage's name.

    Raises:
        ConfigurationError: a severity, the name or a label is no text; at ``open``, the
            state's file cannot be used.
    """

    left_out = "filtered"

    def __init__(
        self,
        *,
        alert: str = "HealthCheck",
        unhealthy: str | None = "critical",
        minor: str | None = "warning",
        degraded: str | None = "warning",
        unknown: str | None = None,
        labels: Mapping[str, str] | None = None,
        state: State = None,
        name: str | None = None,
    ) -> None:
        self.name = name
        self.state = state
        self._alert = checked_text("alert", alert)
        self._unhealthy = checked_severity("unhealthy", unhealthy)
        self._minor = checked_severity("minor", minor)
        self._severities = {
            HealthStatus.DEGRADED: checked_severity("degraded", degraded),
            HealthStatus.UNKNOWN: checked_severity("unknown", unknown),
        }
        self._labels = checked_labels(labels)
        self._firing: OrderedDict[str, Firing] = OrderedDict()
        self._orders: list[Alert] = []

    def add(self, events: list[HealthCheck], now: float) -> list[Alert]:
        """The alerts of what has changed."""
        alerts: list[Alert] = []
        for event in events:
            if isinstance(event, HealthCheck):
                alerts += self._told(event)
        return self._kept(alerts, now)

    def _told(self, check: HealthCheck) -> list[Alert]:
        before = self._firing.get(check.name)
        severity = None if check.is_last else self._severity(check)
        if severity is None:
            unclear = check.status is HealthStatus.UNKNOWN and not check.is_last
            return [] if before is None or unclear else self._resolve(check)
        if before is not None and before.status is check.status:
            return []
        return [self._fire(check, severity, before)]

    def _severity(self, check: HealthCheck) -> str | None:
        if check.status is HealthStatus.UNHEALTHY:
            return self._unhealthy if check.critical else self._minor
        return self._severities.get(check.status)

    def _fire(self, check: HealthCheck, severity: str, before: Firing | None) -> Alert:
        start = check.time_unix_nano
        alert = Alert(
            name=self._alert,
            severity=severity,
            message=sentence(check),
            labels={**self._labels, CHECK: check.name},
            annotations={"status": check.status.value},
            starts_at_unix_nano=before.alert.starts_at_unix_nano if before else start,
        )
        if before is not None and not before.ended:
            alert.status = before.alert.status
        self._remember(Firing(check.name, check.status, alert.copy()))
        return alert

    def _remember(self, firing: Firing) -> None:
        self._firing[firing.check] = firing
        if len(self._firing) > MOST:
            self._firing.popitem(last=False)

    def _resolve(self, check: HealthCheck) -> list[Alert]:
        firing = self._firing.pop(check.name)
        if firing.ended:
            return []
        alert = firing.alert
        alert.status = AlertStatus.RESOLVED
        alert.message = sentence(check)
        alert.annotations["status"] = check.status.value
        alert.ends_at_unix_nano = check.time_unix_nano
        return [alert]

    def alerts(self) -> list[Alert]:
        """Copies of the alerts that fire."""
        firing = self._firing.values()
        return [each.alert.copy() for each in firing if not each.ended]

    def acknowledge_alerts(self, matches: Matches) -> int:
        """Take alerts on, which is told at the next flush; how many that are.

        One that was taken on so stays so until its check is healthy.
        """
        known = AlertStatus.ACKNOWLEDGED
        found = [e for e in self._meant(matches) if e.alert.status is not known]
        for each in found:
            each.alert.status = known
            self._orders.append(each.alert.copy())
        return len(found)

    def resolve_alerts(self, matches: Matches) -> int:
        """End alerts, which is told at the next flush; how many that are.

        One that was ended so fires again when its check changes, and not before.
        """
        found = self._meant(matches)
        for each in found:
            each.ended = True
            over = each.alert.copy()
            over.status = AlertStatus.RESOLVED
            self._orders.append(over)
        return len(found)

    def _meant(self, matches: Matches) -> list[Firing]:
        """Those that fire and match."""
        return [
            each
            for each in self._firing.values()
            if not each.ended and matches(labels_of(each.alert))
        ]

    def flush(self, now: float) -> list[Alert]:
        """What was ordered by hand."""
        orders, self._orders = self._orders, []
        for alert in orders:
            if alert.status is AlertStatus.RESOLVED:
                alert.ends_at_unix_nano = self._time_ns(now)
        return self._kept(orders, now)

    def tick(self, now: float) -> list[Alert]:
        """Nothing, but what has changed is kept."""
        return self._kept([], now)

    def next_deadline(self) -> float | None:
        """When what has changed is to be kept."""
        return self._soonest(None)

    def snapshot(self) -> SavedAlerts:
        """What fires."""
        return SavedAlerts([*self._firing.values()])

    def restore(self, saved: SavedAlerts, now: float) -> None:  # noqa: ARG002 - the events tell the time
        """Go on with it."""
        for firing in saved.firing:
            self._remember(firing)

    def __repr__(self) -> str:
        return f"<HealthAlerts firing={len(self._firing)}>"


def sentence(check: HealthCheck) -> str:
    """``database is unhealthy: why``."""
    said = f"{check.name} is {check.status.value}"
    return f"{said}: {check.message}" if check.message else said


def checked_text(setting: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(
            f"HealthAlerts.{setting} is {value!r}; expected a text that is not empty"
        )
    return value


def checked_severity(setting: str, value: Any) -> str | None:
    """A severity, or None."""
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigurationError(
            f"HealthAlerts.{setting} is {value!r}; "
            "expected a severity such as 'warning', or None"
        )
    return value


def checked_labels(labels: Any) -> dict[str, str]:
    """Labels that go with the one that names the check."""
    found = {} if labels is None else labels
    texts = isinstance(found, Mapping) and all(
        isinstance(text, str) for pair in found.items() for text in pair
    )
    if not texts or CHECK in found:
        raise ConfigurationError(
            f"HealthAlerts.labels is {labels!r}; expected texts by their names, "
            f"none of them {CHECK!r}"
        )
    return dict(found)
