"""SlackSink: alerts as messages in a channel of Slack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..batching import BatchBy
from ..errors import ConfigurationError
from ..formats.complaints import any_complaint
from ..formats.slack import api_complaint, slack_message
from ..formats.webhook import encode_payload
from ..settings import Count, Queue, Retry, Seconds
from .endpoint import checked_function, secret_destination
from .hook import BATCH, QUEUE, RETRY, TIMEOUT
from .messages import WAITING, MessageSink

TEXT: Final = "expected a text that is not empty"
API: Final = "https://slack.com/api/chat.postMessage"


class SlackSink(MessageSink):
    """Posts each alert as a message to Slack.

    Give either the address of an incoming webhook, which is a secret as a whole, or a
    token and a channel for the Web API, where only ``"ok": true`` counts as success.

    Retried are 429, 5xx, lost connections, time-outs and answers such as
    ``rate_limited``, not before a ``Retry-After`` has passed; other answers reject the
    alert, and after a 410 nothing is sent any more. While an alert waits, a later one
    of the same name and labels supersedes it, booked as merged. A time-out can mean
    that the message has arrived: it then comes twice.

    Args:
        url: an incoming webhook; with ``token`` by default the Web API's
            ``chat.postMessage``.
        token: of the Web API.
        channel: where the Web API posts.
        payload: makes a message of an event; default
            ``sluiceway.formats.slack.slack_message``.
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
        url: str | None = None,
        *,
        token: str | None = None,
        channel: str | None = None,
        payload: Callable[[Any], Any] = slack_message,
        refuse_private: bool = False,
        name: str | None = None,
        queue: Queue = QUEUE,
        batch: BatchBy | None = BATCH,
        retry: Retry | None = RETRY,
        timeout: Seconds | None = TIMEOUT,
        max_in_flight: Count = WAITING,
    ) -> None:
        check_way(url, token, channel)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        super().__init__(
            secret_destination("SlackSink", url or API, headers),
            complain=any_complaint if token is None else api_complaint,
            refuse_private=refuse_private,
            name=name,
            queue=queue,
            batch=batch,
            retry=retry,
            timeout=timeout,
            max_in_flight=max_in_flight,
        )
        self._channel = channel
        self._payload = checked_function("SlackSink.payload", payload)

    def body_of(self, event: Any) -> bytes:
        """The message for an alert."""
        message = self._payload(event)
        if self._channel is not None:
            message = {"channel": self._channel, **message}
        return encode_payload(message)


def check_way(url: str | None, token: str | None, channel: str | None) -> None:
    """Refuse what is neither a webhook nor the Web API; nothing secret is shown."""
    for setting, text in (("token", token), ("channel", channel)):
        if text is not None and (not isinstance(text, str) or not text.strip()):
            raise ConfigurationError(f"SlackSink.{setting} cannot be used; {TEXT}")
    if token is None and url is None:
        raise ConfigurationError(
            "SlackSink has neither url nor token; expected the address of an incoming "
            "webhook, or a token and a channel"
        )
    if (token is None) != (channel is None):
        given, missing = ("channel", "token") if token is None else ("token", "channel")
        raise ConfigurationError(
            f"SlackSink has a {given} and no {missing}; the Web API needs both"
        )
