"""Alerts as events for PagerDuty.

Law: pure; within the limits of the service, whatever an alert says. Source: PagerDuty,
"Events API v2 overview".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from ..events import Alert
from .complaints import Complaint, object_in
from .valid_json import encoded
from .webhook import rfc3339

Action = Literal["trigger", "acknowledge", "resolve"]

ACTIONS: Final[Mapping[str, Action]] = {
    "firing": "trigger",
    "acknowledged": "acknowledge",
    "resolved": "resolve",
}
SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
UNKNOWN_SEVERITY: Final = "error"
SOURCES: Final = ("instance", "host.name", "host", "service.name", "service", "job")
LONGEST_SUMMARY: Final = 1024  # characters
LONGEST_KEY: Final = 255
LONGEST_EVENT: Final = 512_000  # bytes
TOO_LARGE: Final = {"note": "left out: the event would be larger than PagerDuty takes"}


def action_of(alert: Alert) -> Action:
    """What to do for an alert, by its status."""
    return ACTIONS[alert.status.value]


def dedup_key(alert: Alert) -> str:
    """What tells an alert's incident from others: a digest of its name and labels."""
    known = [alert.name, sorted(alert.labels.items())]
    return hashlib.sha256(encoded(known)).hexdigest()


def encode_event(alert: Alert, routing_key: str, action: Action) -> bytes:
    """The body of a request.

    Args:
        alert: what to tell; only its key matters unless it triggers.
        routing_key: of the service's integration.
        action: what to do.

    Raises:
        AttributeError: it is no alert.
        ValueError: it cannot be written, or is too large even without its details.
    """
    event = pagerduty_event(alert, routing_key, action)
    body = encoded(event)
    if len(body) > LONGEST_EVENT and "payload" in event:
        event["payload"]["custom_details"] = TOO_LARGE
        body = encoded(event)
    if len(body) > LONGEST_EVENT:
        raise ValueError(f"an event of {len(body)} bytes; at most are {LONGEST_EVENT}")
    return body


def pagerduty_event(alert: Alert, routing_key: str, action: Action) -> dict[str, Any]:
    """An event of PagerDuty's Events API v2."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(alert),
    }
    if action != "trigger":
        return event
    event["payload"] = payload_of(alert)
    event["client"] = "sluiceway"
    if alert.generator_url.startswith(("http://", "https://")):
        event["client_url"] = alert.generator_url
        event["links"] = [{"href": alert.generator_url, "text": "where it was found"}]
    return event


def payload_of(alert: Alert) -> dict[str, Any]:
    """What is wrong, and where."""
    summary = f"{alert.name}: {alert.message}" if alert.message else alert.name
    severity = alert.severity if alert.severity in SEVERITIES else UNKNOWN_SEVERITY
    payload: dict[str, Any] = {
        "summary": shortened(summary or "an alert without a name"),
        "source": source_of(alert),
        "severity": severity,
        "class": alert.name,
        "custom_details": {**alert.labels, **alert.annotations},
    }
    when = rfc3339(alert.starts_at_unix_nano)
    if when is not None:
        payload["timestamp"] = when
    return payload


def source_of(alert: Alert) -> str:
    """What is affected, as the labels tell; PagerDuty wants to know."""
    found = (alert.labels[name] for name in SOURCES if alert.labels.get(name))
    return shortened(next(found, "") or alert.generator_url or "sluiceway")


def shortened(text: str) -> str:
    """At most as much as a summary may be."""
    return text if len(text) <= LONGEST_SUMMARY else text[: LONGEST_SUMMARY - 1] + "…"


def event_complaint(body: bytes) -> Complaint | None:
    """What an answer says went wrong: a status other than ``success``."""
    told = object_in(body)
    if told is None or told.get("status") in (None, "success"):
        return None
    status = str(told["status"])
    limited = "thrott" in status.lower()
    return Complaint(
        "throttled" if limited else "invalid_event",
        f"{status}: {told.get('message', '')}",
        retryable=limited,
    )
