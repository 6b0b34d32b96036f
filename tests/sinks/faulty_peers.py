"""Every network sink as the battery of faults makes it, with what it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sluiceway import Alert, MetricPoint
from sluiceway.sinks import (
    AlertmanagerSink,
    OtlpSink,
    PagerDutySink,
    PushgatewaySink,
    SlackSink,
    WebhookSink,
)

NAMES = ("a", "b", "c")
POINTS = [MetricPoint(name=name, value=1) for name in NAMES]
ALERTS = [Alert(name=name) for name in NAMES]
SECRETS = ("open-sesame", "swordfish")
HEADERS = {"Authorization": "Bearer open-sesame", "X-Key": "swordfish"}


def to_webhook(url: str, **settings: Any) -> WebhookSink:
    """A webhook whose address and key are secrets."""
    return WebhookSink(
        f"{url}/open-sesame",
        secret="whsec_c3dvcmRmaXNoc3dvcmRmaXNoc3dvcmRmaXNo",
        headers=HEADERS,
        **settings,
    )


def to_chat(url: str, **settings: Any) -> SlackSink:
    """A chat by its webhook, whose address is the secret."""
    return SlackSink(f"{url}/open-sesame/swordfish", **settings)


def to_pager(url: str, **settings: Any) -> PagerDutySink:
    """A pager by its routing key."""
    return PagerDutySink("open-sesame", url=f"{url}/swordfish", **settings)


def with_headers(kind: Callable[..., Any], **more: Any) -> Callable[..., Any]:
    """A sink that is let in by its headers."""
    return partial(kind, headers=HEADERS, **more)


@dataclass(frozen=True)
class Case:
    """A network sink.

    Attributes:
        make: takes the address and the settings of the battery.
        events: three that it can send.
        rules: which of the columns of ``FAULTS`` is its own.
        one_by_one: whether each event is a request of its own.
        timed: whether a request tells when it was made.
    """

    make: Callable[..., Any]
    events: list[Any] = field(default_factory=lambda: ALERTS)
    rules: str = "http"
    one_by_one: bool = False
    timed: bool = False


CASES = {
    "OtlpSink": Case(with_headers(OtlpSink), POINTS, "otlp"),
    "OtlpSink JSON": Case(with_headers(OtlpSink, protocol="http/json"), POINTS, "otlp"),
    "OtlpSink gRPC": Case(with_headers(OtlpSink, protocol="grpc"), POINTS, "grpc"),
    "PushgatewaySink": Case(with_headers(PushgatewaySink), POINTS),
    "WebhookSink": Case(to_webhook),
    "AlertmanagerSink": Case(with_headers(AlertmanagerSink), timed=True),
    "SlackSink": Case(to_chat, rules="spoken", one_by_one=True),
    "PagerDutySink": Case(to_pager, rules="spoken", one_by_one=True),
}
