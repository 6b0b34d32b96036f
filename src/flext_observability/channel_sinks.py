"""What tells a channel: a sink for each type that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sluiceway import Alert, Sink
from sluiceway.sinks import AlertmanagerSink, PagerDutySink, SlackSink, WebhookSink

from .channels import FlextChannel


def webhook(channel: FlextChannel) -> WebhookSink:
    """Signed, if there is a key."""
    return WebhookSink(
        channel.url,
        secret=channel.key or None,
        headers=channel.headers,
        name=channel.name,
    )


def slack(channel: FlextChannel) -> SlackSink:
    """By an incoming webhook of Slack's."""
    return SlackSink(channel.url, name=channel.name)


def pagerduty(channel: FlextChannel) -> PagerDutySink:
    """By PagerDuty's events, at its own address if no other is told."""
    if channel.url:
        return PagerDutySink(channel.key, url=channel.url, name=channel.name)
    return PagerDutySink(channel.key, name=channel.name)


def alertmanager(channel: FlextChannel) -> AlertmanagerSink:
    """A further Alertmanager."""
    return AlertmanagerSink(channel.url, headers=channel.headers, name=channel.name)


SINKS: Final[dict[str, Callable[[FlextChannel], Sink[Alert]]]] = {
    "webhook": webhook,
    "slack": slack,
    "pagerduty": pagerduty,
    "alertmanager": alertmanager,
}
