"""Alerts that another stage makes, such as one for health checks, become known.

Law: what the desk makes of an alert takes its place on the same way, so that a flush
waits for it; one that cannot be known is sent as it is.
"""

from __future__ import annotations

from sluiceway import Alert, Processor
from sluiceway.events import AlertStatus

from .alert_desk import NOT_FIRING, UNKNOWN, AlertDesk
from .alert_events import SOURCE
from .creating import attempted
from .models import FlextAlert, moment_of


class AlertLearner(Processor[Alert, Alert]):
    """Lets alerts of another stage be acknowledged and escalated as all others.

    Args:
        desk: by which they are known from then on.
    """

    name = "alert_learner"

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk

    def process(self, events: list[Alert]) -> list[Alert]:
        """The alerts as they are known."""
        return [each for event in events for each in self._learned(event)]

    def _learned(self, event: Alert) -> list[Alert]:
        sent: list[Alert] = []

        def keep(alert: Alert) -> bool:
            sent.append(alert)
            return True

        desk = self._desk.sending(keep)
        is_over = event.status is AlertStatus.RESOLVED
        take = desk.over if is_over else desk.process
        known = attempted(lambda: entity_of(event)).flat_map(take)
        if known.is_failure and known.error_code not in {UNKNOWN, NOT_FIRING}:
            return [event]
        return [told_by(event, each) for each in sent]


def entity_of(event: Alert) -> FlextAlert:
    """The alert that another stage tells of.

    Raises:
        FlextValidationError: it cannot be one of ours.
    """
    tags = {**event.labels}
    source = tags.pop(SOURCE, "")
    return FlextAlert(
        event.name,
        event.severity,
        event.message,
        source,
        tags,
        created_at=moment_of(event.starts_at_unix_nano),
    )


def told_by(event: Alert, ours: Alert) -> Alert:
    """What is sent of it: all that the stage says, as we know it.

    Args:
        event: what the stage says.
        ours: the same alert, or one that had to give way to it.
    """
    if (ours.name, ours.labels) != (event.name, event.labels):
        return ours
    ours.annotations = {**event.annotations, **ours.annotations}
    ours.message = event.message
    return ours
