"""PagerDutySink: alerts as incidents of PagerDuty."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any, Final, get_args

from ..batching import BatchBy
from ..errors import ConfigurationError
from ..events import Alert
from ..formats.pagerduty import Action, action_of, encode_event, event_complaint
from ..settings import Count, Queue, Retry, Seconds
from .endpoint import checked_function, secret_destination
from .hook import BATCH, QUEUE, RETRY, TIMEOUT
from .messages import WAITING, MessageSink
from .newest import alert_key

KEY: Final = re.compile(r"[!-~]+")
URL: Final = "https://events.pagerduty.com/v2/enqueue"


class PagerDutySink(MessageSink):
    """Triggers, acknowledges and resolves incidents, by the Events API v2.

    An alert's name and labels are its incident's key: a firing alert triggers, a
    resolved one resolves, and what is told twice does no harm. An event that is larger
    than PagerDuty takes is sent without its details.

    Retried are 429, 5xx, lost connections and time-outs, not before a ``Retry-After``
    has passed; other answers reject the alert, in PagerDuty's words. While an alert
    waits, a later one of the same name and labels supersedes it, booked as merged; an
    acknowledgement supersedes nothing.

    Args:
        routing_key: of the service's integration; it is kept secret.
        url: default ``"https://events.pagerduty.com/v2/enqueue"``.
        action: tells what to do for an alert: ``"trigger"``, ``"acknowledge"`` or
            ``"resolve"``; by default its status says so.
        refuse_private: connect to addresses of the public internet only; default False.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.
        batch: how alerts are gathered; default 20 alerts or 0.2 seconds.
        retry: after transient errors; default ``Retry()``.
        timeout: seconds for one request; default 15; None for no bound.
        max_in_flight: writes that may wait for their next try; default 8. Requests are
            made one after the other all the same.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self,
        routing_key: str,
        *,
        url: str = URL,
        action: Callable[[Alert], Action] = action_of,
        refuse_private: bool = False,
        name: str | None = None,
        queue: Queue = QUEUE,
        batch: BatchBy | None = BATCH,
        retry: Retry | None = RETRY,
        timeout: Seconds | None = TIMEOUT,
        max_in_flight: Count = WAITING,
    ) -> None:
        if not isinstance(routing_key, str) or not KEY.fullmatch(routing_key):
            raise ConfigurationError(
                "PagerDutySink.routing_key cannot be used; expected an "
                "integration key, without spaces"
            )
        super().__init__(
            secret_destination("PagerDutySink", url, secrets=[routing_key]),
            complain=event_complaint,
            refuse_private=refuse_private,
            name=name,
            queue=queue,
            batch=batch,
            retry=retry,
            timeout=timeout,
            max_in_flight=max_in_flight,
        )
        self._routing_key = routing_key
        self._action = checked_function("PagerDutySink.action", action)

    def body_of(self, event: Any) -> bytes:
        """The event for an alert."""
        return encode_event(event, self._routing_key, self._action_of(event))

    def key_of(self, event: Any) -> Hashable | None:
        """The alert; None for an acknowledgement, without which none is triggered."""
        return None if self._action_of(event) == "acknowledge" else alert_key(event)

    def _action_of(self, event: Any) -> Action:
        action = self._action(event)
        if action not in get_args(Action):
            words = ", ".join(map(repr, get_args(Action)))
            raise ValueError(f"the action is {action!r}; expected one of {words}")
        return action
