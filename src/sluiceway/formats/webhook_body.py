"""What a webhook's body says: alerts, in our own words or in Alertmanager's.

Law: pure; what is no alert costs no other one. A body without any is a ``ValueError``
with one line of words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ..events import Alert, AlertStatus
from .alertmanager import VERSION, Group, Told, read_alert
from .webhook import unix_nano


class Said(msgspec.Struct):
    """An alert in our own words; other keys are ignored."""

    name: str
    severity: str = "warning"
    status: str = "firing"
    message: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str = ""


class ReadAlerts(list[Alert]):
    """The alerts of a body.

    Attributes:
        refused: how many others are no alerts.
        why: what the first of these lacks.
    """

    refused = 0
    why = ""


def decoded(body: bytes) -> Any:
    """The JSON of a body.

    Raises:
        ValueError: it is none.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"a body that is no JSON: {error}") from None


def read_alerts(told: Any) -> ReadAlerts:
    """The alerts of a webhook: Alertmanager's version 4, one object, or a list.

    Args:
        told: the JSON of the body.

    Raises:
        ValueError: it is none of these, or all of its alerts are wrong.
    """
    if isinstance(told, dict) and "alerts" in told:
        return read_each(group_of(told).alerts, read_told)
    return read_each(told if isinstance(told, list) else [told], read_said)


def read_each(listed: Iterable[Any], read: Callable[[Any], Alert]) -> ReadAlerts:
    """Those that can be read.

    Raises:
        ValueError: there are some, and none of them can.
    """
    alerts = ReadAlerts()
    for each in listed:
        try:
            alerts.append(read(each))
        except ValueError as error:
            alerts.refused += 1
            alerts.why = alerts.why or str(error)
    if alerts.refused and not alerts:
        raise ValueError(alerts.why)
    return alerts


def group_of(told: Any) -> Group:
    """Alertmanager's notification.

    Raises:
        ValueError: it is of another version or form.
    """
    group: Group = converted(told, Group)
    if group.version != VERSION:
        raise ValueError(f"version {group.version!r}; expected {VERSION!r}")
    return group


def read_told(told: Any) -> Alert:
    """An alert as Alertmanager tells it.

    Raises:
        ValueError: it is none.
    """
    return read_alert(converted(told, Told))


def read_said(told: Any) -> Alert:
    """An alert in our own words.

    Raises:
        ValueError: it is none.
    """
    said: Said = converted(told, Said)
    return Alert(
        name=said.name,
        severity=said.severity,
        status=AlertStatus(said.status),
        message=said.message,
        labels=said.labels,
        annotations=said.annotations,
        starts_at_unix_nano=unix_nano(said.starts_at),
        ends_at_unix_nano=unix_nano(said.ends_at),
        generator_url=said.generator_url,
    )


def converted(told: Any, kind: Any) -> Any:
    """``told`` as a ``kind``."""
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
