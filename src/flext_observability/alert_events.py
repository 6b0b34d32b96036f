"""What the pipeline is told of an alert: its labels, its times, and what else is known.

Law: pure. The labels are the alert's identity: its tags and its source, of which none
stands in for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sluiceway import Alert
from sluiceway.events import AlertStatus

from . import validation
from .escalation import exact_text
from .exceptions import FlextValidationError
from .health_reports import nanoseconds
from .models import FlextAlert

Identity = tuple[str, frozenset[tuple[str, str]]]

SOURCE: Final = "source"
TAKEN: Final = frozenset({SOURCE, "alertname", "severity"})
PREFIX: Final = "tag_"
ALERT_ID: Final = "alert_id"
LEVEL: Final = "escalation.level"  # as sluiceway.alerting calls it
TARGET: Final = "escalation.target"  # what target_of reads


def own_alert(alert: object) -> FlextAlert:
    """An alert's copy that nobody else changes, of nothing but plain values.

    Raises:
        FlextValidationError: it is none, does not fire, or was tampered with.
    """
    if not isinstance(alert, FlextAlert):
        expected = "a FlextAlert, as flext_create_alert makes one"
        raise FlextValidationError("alert", alert, expected)
    if validation.text("status", alert.status) != "firing":
        expected = "'firing'; acknowledge_alert and resolve_alert take the others"
        raise FlextValidationError("status", alert.status, expected)
    tags = validation.tags("tags", alert.tags)
    return FlextAlert(
        exact_text("name", alert.name),
        exact_text("severity", alert.severity),
        exact_text("message", alert.message),
        exact_text("source", alert.source),
        {exact_text("tags", key): str.__str__(value) for key, value in tags.items()},
        exact_text("alert_id", alert.alert_id),
        created_at=checked_moment(alert.created_at),
    )


def checked_moment(value: object) -> datetime:
    """A time, in UTC."""
    return validation.moment("created_at", value).astimezone(UTC)


def labels_by(alert: FlextAlert) -> dict[str, str]:
    """Its labels: the tags, but for the names that are taken, and the source."""
    labels = {SOURCE: alert.source}
    for name in sorted(alert.tags):
        label = name
        while label in TAKEN or (label != name and label in alert.tags):
            label = PREFIX + label
        labels[label] = alert.tags[name]
    return labels


def identity_by(alert: FlextAlert) -> Identity:
    """What tells it from others; a tag that is empty says nothing."""
    present = ((key, value) for key, value in labels_by(alert).items() if value)
    return alert.name, frozenset(present)


def event_of(alert: FlextAlert, notes: Mapping[str, str] | None = None) -> Alert:
    """What the pipeline is told.

    Args:
        alert: as it is now.
        notes: further annotations.
    """
    known = {ALERT_ID: alert.alert_id, LEVEL: str(alert.level or "")}
    known |= {"acknowledged_by": alert.acknowledged_by, **(notes or {})}
    ends = nanoseconds(alert.resolved_at) if alert.resolved_at is not None else 0
    return Alert(
        name=alert.name,
        severity=alert.severity,
        status=AlertStatus(alert.status),
        message=alert.message,
        labels=labels_by(alert),
        annotations={key: text for key, text in known.items() if text},
        starts_at_unix_nano=nanoseconds(alert.created_at),
        ends_at_unix_nano=ends,
    )


def told_to(alert: Alert, channel: str) -> Alert:
    """The alert as one channel is told of it."""
    copy = alert.copy()
    copy.annotations[TARGET] = channel
    return copy


def level_of(alert: Alert) -> int:
    """The level at which it is told; 0 for none."""
    text = alert.annotations.get(LEVEL, "")
    return int(text) if text.isdecimal() and len(text) < 4 else 0


def of_texts(alert: Any) -> Alert | None:
    """A copy of an alert that was made elsewhere; None if it cannot be one."""
    try:
        copy: Alert = alert.copy()
        copy.name, copy.severity = str(copy.name), str(copy.severity)
        copy.message, copy.status = str(copy.message), AlertStatus(copy.status)
        copy.labels = {str(key): str(text) for key, text in copy.labels.items()}
        notes = copy.annotations.items()
        copy.annotations = {str(key): str(text) for key, text in notes}
    except Exception:  # noqa: BLE001 - whatever a user's object does
        return None
    return copy
