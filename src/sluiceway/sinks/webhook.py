"""WebhookSink: alerts to an HTTP endpoint, signed so that it can trust them.

Law: a batch that is tried again is the same message, with the same ``webhook-id``; a
batch that is sent anew is a new one, even if it says the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..batching import BatchBy
from ..errors import DeliveryError, PermanentError, TransientError
from ..formats.complaints import Complain
from ..formats.webhook import (
    PREFIX,
    encode_event,
    encode_payload,
    join_events,
    several,
    signatures,
    signing_key,
)
from ..layers.retry import raise_failures
from ..settings import Count, Queue, Retry, Seconds
from .endpoint import checked_function, secret_destination
from .hook import BATCH, QUEUE, RETRY, TIMEOUT, HookSink, built, one_by_one
from .tries import Tries

TOO_LARGE: Final = "http_413"
NOT_JSON: Final = "not_json"
MessageIds = dict[tuple[int, ...], str]  # by the events, which a try holds


class WebhookSink(HookSink):
    """POSTs events as JSON, with a secret signed by Standard Webhooks.

    A batch is one message: a JSON list. An alert becomes an object with ``name``,
    ``severity``, ``status``, ``message``, ``labels``, ``annotations``, ``starts_at``,
    ``ends_at`` (RFC 3339 or null) and ``generator_url``; other events are sent as the
    JSON that they are. With ``payload`` each event is a message of its own.

    Any 2xx is delivered. Retried are 429, 5xx, lost connections and time-outs, not
    before a ``Retry-After`` has passed; 413 sends the halves of the batch. Other
    statuses reject the events, redirects among them; after a 410 nothing is sent any
    more and all is rejected as ``disabled``. The address's path is kept as secret as
    the headers' values.

    Args:
        url: the endpoint.
        secret: ``whsec_`` and base64, shared with the receiver; several, while keys are
            changed, sign each message with all of them; None sends unsigned.
        headers: further headers of each request; their values are kept secret.
        payload: makes of one event what its message says, anything that JSON can hold.
        complain: finds the failure in the body of a 2xx, such as ``any_complaint`` of
            ``sluiceway.formats.complaints``; by default the status is believed.
        refuse_private: connect to addresses of the public internet only; default False.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.
        batch: how events are gathered; default 20 events or 0.2 seconds.
        retry: after transient errors; default ``Retry()``.
        timeout: seconds for one request; default 15; None for no bound.
        max_in_flight: writes at the same time; default 1, which keeps order.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        payload: Callable[[Any], Any] | None = None,
        complain: Complain | None = None,
        refuse_private: bool = False,
        name: str | None = None,
        queue: Queue = QUEUE,
        batch: BatchBy | None = BATCH,
        retry: Retry | None = RETRY,
        timeout: Seconds | None = TIMEOUT,
        max_in_flight: Count = 1,
    ) -> None:
        known = several("WebhookSink.secret", secret)
        self._keys = [signing_key("WebhookSink.secret", each) for each in known]
        self._payload = payload
        if payload is not None:
            checked_function("WebhookSink.payload", payload)
        super().__init__(
            secret_destination("WebhookSink", url, headers, words_in(known)),
            complain=None
            if complain is None
            else checked_function("WebhookSink.complain", complain),
            refuse_private=refuse_private,
            name=name,
            queue=queue,
            batch=batch,
            retry=retry,
            timeout=timeout,
            max_in_flight=max_in_flight,
        )
        self._tries = Tries[MessageIds](dict, MessageIds.clear)

    def __repr__(self) -> str:
        signed = "signed" if self._keys else "unsigned"
        return (
            f"<WebhookSink {self._endpoint.to.shown} {signed} {self._endpoint.state}>"
        )

    async def write(self, events: list[Any]) -> None:
        """Send the events as one message, or one each.

        Raises:
            TransientError: trying again can help: ``http_503`` and the like,
                ``connection``, ``timeout``, ``tls``, ``not_http``.
            PermanentError: it cannot: ``http_410`` and the like, ``disabled``.
            PartialError: some events failed, those that are ``not_json`` among them.
        """
        self._tries.begin(events)
        if self._payload is not None:
            failed = await one_by_one(events, self._send_alone)
        else:
            failed = await self._send_together(events)
        if not any(isinstance(error, TransientError) for error in failed.values()):
            self._tries.end()
        raise_failures(failed, len(events))

    async def _send_alone(self, event: Any) -> None:
        await self._send([event], built(self._body_of, event, NOT_JSON))

    def _body_of(self, event: Any) -> bytes:
        return encode_payload(self._payload(event) if self._payload else event)

    async def _send_together(self, events: list[Any]) -> dict[int, Exception]:
        """Send what can be sent as one message; the errors of the others."""
        failed: dict[int, Exception] = {}
        encoded: dict[int, bytes] = {}
        for index, event in enumerate(events):
            try:
                encoded[index] = built(encode_event, event, NOT_JSON)
            except PermanentError as error:
                failed[index] = error
        if encoded:
            failed |= await self._send_list(events, encoded)
        return failed

    async def _send_list(
        self, events: list[Any], encoded: dict[int, bytes]
    ) -> dict[int, Exception]:
        """Send a message, or its halves where it is too large."""
        indices = list(encoded)
        try:
            chosen = [events[index] for index in indices]
            await self._send(chosen, join_events(list(encoded.values())))
        except DeliveryError as error:
            if error.reason != TOO_LARGE or len(indices) == 1:
                return dict.fromkeys(indices, error)
        else:
            return {}
        failed: dict[int, Exception] = {}
        middle = len(indices) // 2
        for half in (indices[:middle], indices[middle:]):
            part = {index: encoded[index] for index in half}
            failed |= await self._send_list(events, part)
        return failed

    async def _send(self, events: list[Any], body: bytes) -> None:
        """One attempt to send a message; its id is the same at the next one."""
        ids = self._tries.memory
        key = tuple(map(id, events))
        message = ids.setdefault(key, f"msg_{secrets.token_hex(16)}")
        try:
            await self._endpoint.post(body, self._signed(message, body))
        except TransientError:
            raise
        except PermanentError:
            del ids[key]
            raise
        del ids[key]

    def _signed(self, message: str, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks."""
        seconds = self._clock.time_ns() // 1_000_000_000
        headers = {"webhook-id": message, "webhook-timestamp": str(seconds)}
        if self._keys:
            signed = signatures(self._keys, message, seconds, body)
            headers["webhook-signature"] = signed
        return headers


def words_in(secrets: list[str]) -> list[str]:
    """What no error may repeat of the secrets."""
    return [each.removeprefix(PREFIX) for each in secrets]
