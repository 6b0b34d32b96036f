"""Channels: who is told of alerts, besides Alertmanager.

Law: a channel is good or does not exist; what is secret of it is in no ``repr``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import field, frozen

from sluiceway import Alert, ConfigurationError, Sink

from . import addresses, validation
from .exceptions import FlextValidationError
from .fields import by, unless_empty, with_checks

NEEDS: Final = {
    "webhook": ("url",),
    "slack": ("url",),
    "pagerduty": ("key",),
    "alertmanager": ("url",),
}
TAKES: Final = {
    "webhook": ("url", "key", "headers"),
    "slack": ("url",),
    "pagerduty": ("url", "key"),
    "alertmanager": ("url", "headers"),
}


@frozen(field_transformer=with_checks)
class FlextChannel:
    """One way to tell people or programs of alerts.

    Args:
        name: by which escalations call it; of the sink, too.
        type: ``"webhook"``, ``"slack"``, ``"pagerduty"`` or ``"alertmanager"``.
        url: where to; needed but for ``"pagerduty"``. It may hold a secret.
        key: PagerDuty's integration key, or what signs a webhook's requests.
        headers: further headers of a webhook's or Alertmanager's requests.

    Raises:
        FlextValidationError: a field cannot be meant, or not with this type.
    """

    name: str = field(metadata=by(validation.text))
    type: str = field(metadata=by(validation.one_of, tuple(NEEDS)))
    url: str = field(
        default="", repr=False, metadata=unless_empty(addresses.secret_url)
    )
    key: str = field(default="", repr=False, metadata=by(validation.any_text))
    headers: dict[str, str] = field(
        factory=dict, repr=False, metadata=by(addresses.headers)
    )

    def __attrs_post_init__(self) -> None:
        for name in ("url", "key", "headers"):
            told = getattr(self, name)
            if told and name not in TAKES[self.type]:
                expected = f"nothing: a channel of type {self.type} has no {name}"
                raise FlextValidationError(name, told, expected)
            if not told and name in NEEDS[self.type]:
                expected = f"the {name} that a channel of type {self.type} needs"
                raise FlextValidationError(name, told, expected)
        try:
            self.sink()
        except ConfigurationError as error:
            expected = f"settings of a {self.type} ({error})"
            raise FlextValidationError("channel", self.name, expected) from None

    def sink(self) -> Sink[Alert]:
        """A sink that tells alerts there; nothing is opened."""
        from .channel_sinks import SINKS  # noqa: PLC0415 - it loads aiohttp

        return SINKS[self.type](self)


def channels(field: str, value: Any) -> tuple[FlextChannel, ...]:
    """Channels, each with a name of its own."""
    told = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(each, FlextChannel) for each in told):
        raise FlextValidationError(field, value, "channels: [[channels]] in TOML")
    names = [each.name for each in told]
    for name in names:
        if names.count(name) > 1:
            expected = f"channels of different names, and not two called {name!r}"
            raise FlextValidationError(field, value, expected)
    return told
