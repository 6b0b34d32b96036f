"""Alerts as Alertmanager's API v2 takes them, and as its webhook tells them.

Law: pure; what is made of an alert is valid for every Alertmanager since 0.16, and what
its webhook tells of it afterwards makes the same alert again. Source: Alertmanager,
``api/v2/openapi.yaml``, ``template/template.go`` (webhook version 4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..events import Alert, AlertStatus
from .prometheus_names import label_name, label_value
from .webhook import rfc3339, unix_nano

VALID: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
ADDRESS: Final = re.compile(  # what Go's url.ParseRequestURI takes, or less
    r"https?://"
    r"(?:(?:[\w.~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-f:.]+\]|[\w.~-]+)"
    r"(?::[0-9]*)?"
    r"(?:/(?:[^\s?%]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?\S*)?"
)
NAME: Final = "alertname"
SEVERITY: Final = "severity"
SUMMARY: Final = "summary"
VERSION: Final = "4"
Posted = dict[str, Any]


class Told(msgspec.Struct, rename="camel"):
    """One alert of a webhook; other keys are ignored."""

    labels: dict[str, str]
    status: str = ""
    annotations: dict[str, str] = {}
    starts_at: str = ""
    ends_at: str = ""
    generator_url: str = msgspec.field(default="", name="generatorURL")


class Group(msgspec.Struct, rename="camel"):
    """A webhook's body; other keys are ignored.

    Attributes:
        alerts: each a ``Told`` of its own, so that a wrong one harms no other.
        truncated_alerts: how many alerts the sender has left out.
    """

    version: str
    alerts: list[Any]
    status: str = ""
    receiver: str = ""
    group_key: str = ""
    truncated_alerts: int = 0


def posted(alert: Alert, now_ns: int, lasting_ns: int, began_ns: int = 0) -> Posted:
    """An alert as ``POST /api/v2/alerts`` takes it.

    Name and severity become the labels ``alertname`` and ``severity``, the message the
    annotation ``summary``, unless the alert has these itself. Names that Alertmanager
    would refuse are made valid; values of labels that become one join by ``;``.

    Args:
        alert: what to tell.
        now_ns: nanoseconds since the epoch.
        lasting_ns: after how many more a firing alert counts as resolved, unless it is
            told again.
        began_ns: when an alert began that does not say so; 0 for ``now_ns``.

    Raises:
        ValueError: no label is left, or a time is one that no calendar has.
        OverflowError: the same.
    """
    resolved = alert.status is AlertStatus.RESOLVED
    ends = now_ns + lasting_ns
    if resolved:
        ends = min(alert.ends_at_unix_nano or now_ns, now_ns)
    begins = alert.starts_at_unix_nano or began_ns or now_ns
    starts = min(begins, ends if resolved else now_ns)
    labels = names_made_valid(
        {NAME: alert.name, SEVERITY: alert.severity, **alert.labels}
    )
    if not labels:
        raise ValueError("it has neither a name nor a label")
    return {
        "labels": labels,
        "annotations": names_made_valid({SUMMARY: alert.message, **alert.annotations}),
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
        "generatorURL": generator(alert.generator_url),
    }


def ending(alert: Posted, ends_ns: int) -> Posted:
    """The same alert with another end."""
    return {**alert, "endsAt": rfc3339(ends_ns)}


def generator(url: str) -> str:
    """A URL that Alertmanager takes, or nothing: it refuses a body for a bad one."""
    return url if ADDRESS.fullmatch(url) and url.isprintable() else ""


def names_made_valid(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by names that Alertmanager takes; empty texts count as absent."""
    valid: dict[str, str] = {}
    for key in sorted(texts, key=str):
        text = label_value(texts[key])
        if text:
            name = key if VALID.fullmatch(str(key)) else label_name(str(key))
            valid[name] = f"{valid[name]};{text}" if name in valid else text
    return valid


def read_alert(told: Told) -> Alert:
    """An alert as Alertmanager tells it.

    Raises:
        ValueError: a time or a status is none.
    """
    labels, annotations = dict(told.labels), dict(told.annotations)
    status = AlertStatus(told.status)
    ends = unix_nano(told.ends_at)
    alert = Alert(
        name=labels.pop(NAME, ""),
        status=status,
        message=annotations.pop(SUMMARY, annotations.get("description", "")),
        labels=labels,
        annotations=annotations,
        starts_at_unix_nano=unix_nano(told.starts_at),
        ends_at_unix_nano=ends if status is AlertStatus.RESOLVED else 0,
        generator_url=told.generator_url,
    )
    alert.severity = labels.pop(SEVERITY, alert.severity)
    return alert
