"""FlextAlertService: alerts that are raised, acknowledged, escalated and resolved.

Law: an operation returns a ``FlextResult`` and raises nothing. An alert is known by its
ids: no service and no object needs to be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from sluiceway.alerting import Silence

from . import validation
from .alert_book import FlextAlertEvent
from .alert_events import own_alert
from .creating import refused, understood
from .escalation import (
    exact_text,
    labels_wanted,
    request_of,
    severity_or_none,
    words,
)
from .exceptions import FlextValidationError, is_a
from .models import FlextAlert
from .process import OfBackend
from .result import FlextResult

Read = TypeVar("Read")

NAMES: Final = "a FlextAlert or the id of one"


class FlextAlertService(OfBackend):
    """Raises alerts, tells whom they concern, and knows what became of them.

    Services are cheap: all that are made without a backend share that of the process,
    and its alerts. An alert is told to the backend's sinks, such as Alertmanager, and
    to its channels: by the first policy that matches it, or to all at once.

    Args:
        backend: whose alerts; by default the one of the process.
    """

    async def process_alert(self, alert: FlextAlert) -> FlextResult[FlextAlert]:
        """Take in an alert that fires.

        One of the same name, source and tags that fires already is counted, and told
        again only if its severity or message is another. Both ids name it then.

        Returns:
            The alert as it is known now, under the id that it was given with; a failure
            if it does not fire, its id is another alert's, or it cannot be taken now.
        """
        return self.process(alert)

    def process(self, alert: FlextAlert) -> FlextResult[FlextAlert]:
        """As ``process_alert``, for programs without an event loop."""
        read = understood(lambda: own_alert(alert))
        return self._running(read).flat_map(self.backend.alert_desk.process)

    async def acknowledge_alert(
        self, alert: FlextAlert | str, by: str = ""
    ) -> FlextResult[FlextAlert]:
        """Take care of an alert that fires: its escalation stops.

        Args:
            alert: the alert, of which only the id is looked at, or its id.
            by: who does.
        """
        return self.acknowledge(alert, by)

    def acknowledge(
        self, alert: FlextAlert | str, by: str = ""
    ) -> FlextResult[FlextAlert]:
        """As ``acknowledge_alert``, for programs without an event loop."""
        read = understood(lambda: (id_of(alert), words("by", by)))
        desk = self.backend.alert_desk
        return self._running(read).flat_map(lambda both: desk.acknowledge(*both))

    async def resolve_alert(
        self, alert: FlextAlert | str, by: str = ""
    ) -> FlextResult[FlextAlert]:
        """Say that an alert is over; if it fires again, that is a new one.

        Args:
            alert: the alert, of which only the id is looked at, or its id.
            by: who says so.
        """
        return self.resolve(alert, by)

    def resolve(self, alert: FlextAlert | str, by: str = "") -> FlextResult[FlextAlert]:
        """As ``resolve_alert``, for programs without an event loop."""
        read = understood(lambda: (id_of(alert), words("by", by)))
        desk = self.backend.alert_desk
        return self._running(read).flat_map(lambda both: desk.resolve(*both))

    async def escalate_alert(
        self, alert: FlextAlert | str, escalation_config: Mapping[str, Any]
    ) -> FlextResult[FlextAlert]:
        """Raise an alert to a level, and tell the channels of that level at once.

        Neither level nor severity is ever lowered. A policy that runs goes on.

        Args:
            alert: the alert, of which only the id is looked at, or its id.
            escalation_config: ``level`` (1 to 100; the next one by default),
                ``severity`` and ``channels`` (by default as the alert's policy says of
                that level; without one as it is, and all), ``reason`` and ``by``. Other
                keys are ignored, which the history and the log say.

        Returns:
            The alert as it is now; a failure if it does not fire, is silenced, or what
            is asked for cannot be meant.
        """
        return self.escalate(alert, escalation_config)

    def escalate(
        self, alert: FlextAlert | str, escalation_config: Mapping[str, Any]
    ) -> FlextResult[FlextAlert]:
        """As ``escalate_alert``, for programs without an event loop."""
        read = understood(lambda: (id_of(alert), request_of(escalation_config)))
        desk = self.backend.alert_desk
        return self._running(read).flat_map(lambda both: desk.escalate(*both))

    def _running(self, read: FlextResult[Read]) -> FlextResult[Read]:
        """What was read, if something can be done with it now."""
        backend = self.backend
        if read.is_success and not backend.ready():
            return backend.refusal()
        return read

    # Questions; nothing is started for them.

    async def get_alert(self, alert_id: FlextAlert | str) -> FlextResult[FlextAlert]:
        """An alert as it is now, under the id that is asked for."""
        return self.get(alert_id)

    def get(self, alert_id: FlextAlert | str) -> FlextResult[FlextAlert]:
        """As ``get_alert``, for programs without an event loop."""
        read = understood(lambda: id_of(alert_id))
        return read.flat_map(self.backend.alert_desk.get)

    async def active_alerts(
        self, severity: str | None = None, source: str | None = None
    ) -> FlextResult[list[FlextAlert]]:
        """The alerts that fire or are acknowledged, by their first ids, oldest first.

        Args:
            severity: only alerts that have it.
            source: only alerts from there.
        """
        return self.active(severity, source)

    def active(
        self, severity: str | None = None, source: str | None = None
    ) -> FlextResult[list[FlextAlert]]:
        """As ``active_alerts``, for programs without an event loop."""
        read = understood(lambda: wanted_fields(severity, source))
        return read.map(self.backend.alert_desk.active)

    async def alert_history(
        self, alert_id: FlextAlert | str
    ) -> FlextResult[list[FlextAlertEvent]]:
        """What happened to an alert, the latest last; 100 events at most."""
        return self.history(alert_id)

    def history(self, alert_id: FlextAlert | str) -> FlextResult[list[FlextAlertEvent]]:
        """As ``alert_history``, for programs without an event loop."""
        read = understood(lambda: id_of(alert_id))
        return read.flat_map(self.backend.alert_desk.history)

    # Silences.

    async def silence_alerts(
        self,
        matching: Mapping[str, Any],
        duration: float,
        comment: str = "",
        by: str = "",
    ) -> FlextResult[Silence]:
        """Tell no channel of some alerts for a while; sinks are told all the same.

        An escalation waits, and goes on when the silence ends.

        Args:
            matching: what their labels must be: ``alertname``, ``severity``,
                ``source`` and the tags, as in ``{"source": "=~ db-.*"}``.
            duration: seconds, above 0.
            comment: why.
            by: who says so.

        Returns:
            The silence, which ``end_silence`` takes.
        """
        return self.silence(matching, duration, comment, by)

    def silence(
        self,
        matching: Mapping[str, Any],
        duration: float,
        comment: str = "",
        by: str = "",
    ) -> FlextResult[Silence]:
        """As ``silence_alerts``, for programs without an event loop."""
        desk = self.backend.alert_desk
        said = understood(lambda: (words("comment", comment), words("by", by)))
        read = said.flat_map(
            lambda both: understood(
                lambda: silence_of(matching, duration, desk.seconds(), *both)
            )
        )
        return read.flat_map(desk.silence)

    async def end_silence(self, silence: Silence) -> FlextResult[Silence]:
        """Let a silence end before its time."""
        return self.unsilence(silence)

    def unsilence(self, silence: Silence) -> FlextResult[Silence]:
        """As ``end_silence``, for programs without an event loop."""
        if not is_a(silence, Silence):
            expected = "a Silence, as silence_alerts returns it"
            return refused(FlextValidationError("silence", silence, expected))
        return self.backend.alert_desk.unsilence(silence)


def id_of(alert: object) -> str:
    """The id that names an alert."""
    if isinstance(alert, FlextAlert):
        return exact_text("alert_id", alert.alert_id)
    if not isinstance(alert, str):
        raise FlextValidationError("alert", alert, NAMES)
    return exact_text("alert", alert)


def wanted_fields(severity: object, source: object) -> dict[str, str]:
    """What the fields of alerts must be."""
    wanted = {"severity": severity_or_none("severity", severity)}
    wanted["source"] = "" if source is None else words("source", source)
    return {name: value for name, value in wanted.items() if value}


def silence_of(
    matching: object, duration: object, now: float, comment: str, author: str
) -> Silence:
    """A silence from now on."""
    seconds = float(validation.above_zero("duration", duration))
    wanted = labels_wanted("matching", matching)
    return Silence(wanted, ends_at=now + seconds, comment=comment, author=author)
