"""WebhookSink: alerts to an HTTP endpoint, signed so that it can trust them.

Law: a batch that is tried again is the same message, with the same ``webhook-id``; a
batch that is sent anew is a new one, even if it says the same.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from ..batching import BatchBy
from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError, PermanentError, TransientError
from ..formats.webhook import encode_event, join_events, signature, signing_key
from ..layers.retry import raise_failures
from ..settings import Queue, Retry
from ..stages import Sink, StageContext
from .addresses import checked_headers, origin, without_path, wrong_with
from .http import Answer, Destination, HttpClient, failure_of

RETRYABLE: Final = frozenset({429, *range(500, 600)})
BATCH: Final = BatchBy(max_events=20, flush_interval=0.2)
QUEUE: Final = Queue()
RETRY: Final = Retry()
UNFINISHED: Final = 64  # messages that may be tried again


class WebhookSink(Sink[Any]):
    """POSTs events as a JSON list, with a secret signed by Standard Webhooks.

    An alert becomes an object with ``name``, ``severity``, ``status``, ``message``,
    ``labels``, ``annotations``, ``starts_at``, ``ends_at`` (RFC 3339 or null) and
    ``generator_url``; other events are sent as the JSON that they are.

    Any 2xx is delivered. Retried are 429, 5xx, lost connections and time-outs; other
    statuses reject the events, 410 and redirects among them. The address's path is
    kept as secret as the headers' values.

    Args:
        url: the endpoint.
        secret: ``whsec_`` and base64, shared with the receiver; None sends unsigned.
        headers: further headers of each request; their values are kept secret.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.
        batch: how events are gathered; default 20 events or 0.2 seconds.
        retry: after transient errors; default ``Retry()``.
        timeout: seconds for one attempt; default 15; None for no bound.
        max_in_flight: writes at the same time; default 1, which keeps order.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
        queue: Queue = QUEUE,
        batch: BatchBy | None = BATCH,
        retry: Retry | None = RETRY,
        timeout: float | None = 15.0,
        max_in_flight: int = 1,
    ) -> None:
        self.name = name
        self.queue = queue
        self.batch = batch
        self.retry = retry
        self.timeout = timeout
        self.max_in_flight = max_in_flight
        self._to = destination(url, headers)
        self._key = None if secret is None else signing_key(secret)
        self._client = HttpClient()
        self._clock = SYSTEM_CLOCK
        self._messages = MessageIds()

    def __repr__(self) -> str:
        state = "open" if self._client.is_open else "closed"
        signed = "unsigned" if self._key is None else "signed"
        return f"<WebhookSink {self._to.shown} {signed} {state}>"

    async def open(self, context: StageContext) -> None:
        """Get a connection pool; nothing is connected yet."""
        self._clock = context.clock
        await self._client.open()

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()

    async def write(self, events: list[Any]) -> None:
        """Send the events as one message.

        Raises:
            TransientError: trying again can help: ``http_503`` and the like,
                ``connection``, ``timeout``, ``tls``, ``not_http``.
            PermanentError: it cannot: ``http_410`` and the like.
            PartialError: some events are ``not_json``; or these and the error of the
                others.
        """
        failed: dict[int, Exception] = {}
        encoded: dict[int, bytes] = {}
        for index, event in enumerate(events):
            try:
                encoded[index] = encode_event(event)
            except Exception as error:  # noqa: BLE001 - whatever a user's object does
                failed[index] = not_json(event, error)
        if encoded:
            try:
                chosen = [events[index] for index in encoded]
                await self._send(chosen, join_events(list(encoded.values())))
            except (TransientError, PermanentError) as error:
                failed |= dict.fromkeys(encoded, error)
        raise_failures(failed, len(events))

    async def _send(self, events: list[Any], body: bytes) -> None:
        """One attempt to send a message."""
        message = self._messages.begin(events)
        now = self._clock.time_ns()
        headers = {
            "Content-Type": "application/json",
            **self._signed(message, now, body),
        }
        answer = await self._client.send(self._to, body, headers, keep=0)
        failure = None if answer.is_success else self._failure(answer)
        if not isinstance(failure, TransientError):
            self._messages.end(events)
        if failure is not None:
            raise failure

    def _signed(self, message: str, now_ns: int, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks."""
        seconds = now_ns // 1_000_000_000
        headers = {"webhook-id": message, "webhook-timestamp": str(seconds)}
        if self._key is not None:
            signed = signature(self._key, message, seconds, body)
            headers["webhook-signature"] = signed
        return headers

    def _failure(self, answer: Answer) -> Exception:
        return failure_of(
            answer,
            self._to,
            retryable=RETRYABLE,
            words=answer.text() if answer.is_text else "",
            now_ns=self._clock.time_ns(),
        )


class MessageIds:
    """The ``webhook-id`` of each message that may have to be sent again.

    A message is known by its events, the very objects; they are held meanwhile, so that
    no other object can be mistaken for one of them.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ...], tuple[str, list[Any]]] = OrderedDict()

    def begin(self, events: list[Any]) -> str:
        """The message's id: the same until ``end``."""
        key = tuple(map(id, events))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (f"msg_{secrets.token_hex(16)}", events)
            if len(self._known) > UNFINISHED:  # the oldest was given up
                self._known.popitem(last=False)
        return known[0]

    def end(self, events: list[Any]) -> None:
        """Forget a message that is not sent again."""
        self._known.pop(tuple(map(id, events)), None)


def destination(url: str, headers: Mapping[str, str] | None) -> Destination:
    """Where the messages go.

    Raises:
        ConfigurationError: the address or a header cannot be used.
    """
    wrong = wrong_with(url)
    if wrong is not None:
        raise ConfigurationError(
            f"WebhookSink.url is {without_path(str(url))!r}...; expected {wrong}"
        )
    checked = checked_headers(headers or {}, "WebhookSink.headers")
    return Destination(url=url, shown=origin(url), headers=checked)


def not_json(event: Any, error: Exception) -> PermanentError:
    """The error for an event that JSON cannot hold."""
    return PermanentError(
        f"{type(event).__name__} is no JSON: {type(error).__name__}: {error}",
        reason="not_json",
    )
