"""Alerts as messages for Slack.

Law: pure; what an alert says is shown, never obeyed: no mention, link or format of
Slack's can be made by a label. Source: Slack, "Sending messages using incoming
webhooks", "Formatting text", "Rate limits".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..events import Alert, AlertStatus
from .complaints import Complaint, json_complaint, object_in

COLOURS: Final[Mapping[str, str]] = {
    "critical": "danger",
    "error": "danger",
    "warning": "warning",
    "info": "#439FE0",
}
RESOLVED: Final = "good"
LONGEST_TEXT: Final = 3000  # characters
LONGEST_FIELD: Final = 300
MOST_FIELDS: Final = 20
ESCAPES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def slack_message(alert: Alert) -> dict[str, Any]:
    """The message for an alert: its state, what it says, and its labels.

    Raises:
        AttributeError: it is no alert.
    """
    resolved = alert.status is AlertStatus.RESOLVED
    fires = alert.status is AlertStatus.FIRING
    state = (alert.severity if fires else alert.status.value).upper()
    title = shortened(f"[{state}] {alert.name}", LONGEST_FIELD)
    colour = RESOLVED if resolved else COLOURS.get(alert.severity, "warning")
    texts = {**alert.labels, **alert.annotations}
    when = alert.ends_at_unix_nano if resolved else alert.starts_at_unix_nano
    attachment: dict[str, Any] = {
        "color": colour,
        "fallback": title,
        "title": title,
        "text": shortened(alert.message, LONGEST_TEXT),
        "fields": [field(name, texts[name]) for name in list(texts)[:MOST_FIELDS]],
        "mrkdwn_in": [],
    }
    if alert.generator_url.startswith(("http://", "https://")):
        attachment["title_link"] = alert.generator_url
    if when:
        attachment["ts"] = when // 1_000_000_000
    return {"text": title, "mrkdwn": False, "attachments": [attachment]}


def field(name: str, text: Any) -> dict[str, Any]:
    """A name and what it says."""
    shown = shortened(str(text), LONGEST_FIELD)
    title = shortened(str(name), LONGEST_FIELD)
    return {"title": title, "value": shown, "short": len(shown) <= 40}


def shortened(text: str, most: int) -> str:
    """The text as Slack shows it, cut to so many characters of its own."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return cut.translate(ESCAPES)


def api_complaint(body: bytes) -> Complaint | None:
    """What Slack's Web API says went wrong: only ``"ok": true`` is a success."""
    told = object_in(body)
    if told is None:
        return Complaint("not_ok", "an answer that is no JSON", retryable=True)
    if told.get("ok") is True:
        return None
    return json_complaint(body) or Complaint("not_ok", "an answer without ok")
