"""WebhookSource: alerts that others post, Alertmanager among them.

Law: nothing of a request is believed before it has shown that it may speak; a message
that comes twice is taken once.

==== ==================================================================================
200  taken, if ``ack="accepted"``; delivered, if ``ack="delivered"``, or some rejected
     and the others delivered; a signed message that was taken before; what of it is no
     alert is left out, logged and booked as dropped, ``malformed``
400  no JSON, no alert among what it says; all rejected
401  no token, password or signature that is right; a timestamp 5 minutes away from now
404  another path
405  another method than POST
408  the body took longer than ``read_timeout``
413  more than ``max_body`` bytes
415  another Content-Type than JSON, any Content-Encoding
500  a bug of ours
503  not running, stopping; no room within ``accept_timeout``; any dropped or errored,
     or not delivered within ``deliver_timeout``; a signed message that is being handled
     already: with ``Retry-After``
==== ==================================================================================
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError
from ..formats.verifying import (
    TOLERANCE,
    authorizations,
    is_authorized,
    refusal_of,
)
from ..formats.webhook import several, signing_key
from ..formats.webhook_body import ReadAlerts, decoded, read_alerts
from ..settings import Count, Port, Seconds
from ..stages import StageContext
from .receiving import (
    Acknowledge,
    Receiver,
    Reception,
    RefusedError,
    checked_ack,
    checked_seconds,
    checked_whole,
)

TOKEN: Final = re.compile(r"[!-~]+")
MAX_BODY: Final = 1024 * 1024  # bytes
KNOWN_MESSAGES: Final = 10_000  # ids that are remembered


class WebhookSource(Receiver):
    """Receives alerts by HTTP: Alertmanager's webhook, and what WebhookSink sends.

    Who may speak is told by ``secret``, ``token`` and ``basic_auth``; a request must
    satisfy one of those that are set. With none of them everybody may.

    Args:
        host: the address to listen on; default ``"127.0.0.1"``, this machine only.
        port: default 9095; 0 picks a free one, which ``port`` tells once open.
        path: what is answered; default ``"/"``.
        secret: ``whsec_`` and base64, by which Standard Webhooks are signed; several
            while keys are changed.
        token: what ``Authorization: Bearer`` must say; several while it is changed.
        basic_auth: user and password.
        read: makes events of a body's JSON, one or a list; by default alerts, of
            Alertmanager's version 4 or as ``WebhookSink`` writes them.
        max_body: bytes of a request; default 1 MiB.
        ack: ``"accepted"`` (default) answers once the pipeline has room for the events,
            ``"delivered"`` once every sink has answered for them.
        accept_timeout: seconds to wait for room; default 5.
        deliver_timeout: seconds to wait for deliveries; default 60. What is delivered
            later may arrive twice.
        read_timeout: seconds for a request's body to arrive; default 30.
        idle_timeout: seconds for a request's head to arrive on an open connection;
            default 75.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: Port = 9095,
        *,
        path: str = "/",
        secret: str | Sequence[str] | None = None,
        token: str | Sequence[str] | None = None,
        basic_auth: tuple[str, str] | None = None,
        read: Callable[[Any], Any] = read_alerts,
        max_body: Count = MAX_BODY,
        ack: Acknowledge = "accepted",
        accept_timeout: Seconds = 5.0,
        deliver_timeout: Seconds = 60.0,
        read_timeout: Seconds = 30.0,
        idle_timeout: Seconds = 75.0,
        name: str | None = None,
    ) -> None:
        reception = Reception(
            max_body=checked_whole("WebhookSource.max_body", max_body, 1),
            ack=checked_ack("WebhookSource.ack", ack),
            accept_timeout=seconds("accept_timeout", accept_timeout),
            deliver_timeout=seconds("deliver_timeout", deliver_timeout),
            read_timeout=seconds("read_timeout", read_timeout),
            idle_timeout=seconds("idle_timeout", idle_timeout),
        )
        super().__init__(host, port, checked_path(path), reception, name)
        self._keys = [
            signing_key("WebhookSource.secret", each)
            for each in several("WebhookSource.secret", secret)
        ]
        self._known = authorizations(
            map(checked_token, several("WebhookSource.token", token)),
            checked_pair(basic_auth),
        )
        self._read_events = checked_read(read)
        self._clock = SYSTEM_CLOCK
        self._messages: OrderedDict[str, float] = OrderedDict()
        self._at_work: set[str] = set()  # signed messages that are not answered yet
        self._malformed = 0

    async def open(self, context: StageContext) -> None:
        """Bind the address; requests are answered 503 until ``run``.

        Raises:
            ConfigurationError: the address cannot be had.
        """
        self._clock = context.clock
        await super().open(context)

    def check(self, request: web.Request) -> None:
        """Look at a request's head: who speaks, and in what form."""
        if not self._is_let_in(request) and not self._may_be_signed(request):
            challenge = "Basic" if self._takes_passwords else "Bearer"
            raise RefusedError(401, "who are you?", {"WWW-Authenticate": challenge})
        kind = request.content_type
        if kind != "application/json" and not kind.endswith("+json"):
            words = f"Content-Type is {kind!r}; supported is application/json"
            raise RefusedError(415, words)
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedError(415, "any Content-Encoding is unsupported")

    @property
    def _takes_passwords(self) -> bool:
        return any(each.startswith("basic ") for each in self._known)

    def _is_let_in(self, request: web.Request) -> bool:
        """Whether the head is enough."""
        if not self._known and not self._keys:
            return True
        return is_authorized(request.headers.get("Authorization"), self._known)

    def _may_be_signed(self, request: web.Request) -> bool:
        return bool(self._keys) and "webhook-signature" in request.headers

    def events_of(self, request: web.Request, body: bytes) -> list[Any]:
        """The events of a request that may speak."""
        if not self._is_let_in(request):
            now = self._clock.time_ns() / 1e9
            refusal = refusal_of(self._keys, request.headers, body, now)
            if refusal is not None:
                raise RefusedError(401, refusal)
            if self._was_taken(request.headers["webhook-id"]):
                return []
            if request.headers["webhook-id"] in self._at_work:
                raise RefusedError(503, "the same message is being handled")
        try:
            told = decoded(body)
            events = self._read_events(told)
        except RecursionError:
            raise RefusedError(400, "a body that is nested too deep") from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise RefusedError(400, f"no alerts: {error}") from None
        self._note_truncation(told)
        if isinstance(events, ReadAlerts):
            self._note_malformed(events)
        self._at_work.update(self._signed_id(request))
        return [*events] if isinstance(events, list | tuple) else [events]

    def _note_truncation(self, told: Any) -> None:
        """Log what Alertmanager has left out, since nobody else will know."""
        count = told.get("truncatedAlerts") if isinstance(told, dict) else None
        if isinstance(count, int) and count > 0:
            self._logger.warning(
                "Alertmanager left %d alerts out of a notification: max_alerts", count
            )

    def _note_malformed(self, alerts: ReadAlerts) -> None:
        """Count and log what was no alert, since its neighbours were taken."""
        if alerts.refused:
            self._malformed += alerts.refused
            count, whole = alerts.refused, alerts.refused + len(alerts)
            words = "%d of %d alerts of a request were none: %s"
            self._logger.warning(words, count, whole, alerts.why)

    def refused(self) -> Mapping[str, int]:
        """What was no alert although its neighbours were."""
        return {"malformed": self._malformed} if self._malformed else {}

    def _was_taken(self, message: str) -> bool:
        return self._messages.get(message, 0.0) > self._clock.now()

    def _signed_id(self, request: web.Request) -> list[str]:
        """The id of a message whose signature is what lets it in."""
        message = request.headers.get("webhook-id")
        signed = message and self._keys and not self._is_let_in(request)
        return [message] if message and signed else []

    def taken(self, request: web.Request) -> None:
        """Remember a signed message for as long as its timestamp is believed."""
        for message in self._signed_id(request):
            self._messages[message] = self._clock.now() + 2 * TOLERANCE
            self._messages.move_to_end(message)
            if len(self._messages) > KNOWN_MESSAGES:
                self._messages.popitem(last=False)

    def ended(self, request: web.Request) -> None:
        """A signed message may come again, if it was not taken."""
        self._at_work.difference_update(self._signed_id(request))


def seconds(field: str, value: Any) -> float:
    """``value``, if it is a number of seconds above 0."""
    return checked_seconds(f"WebhookSource.{field}", value)


def checked_path(path: Any) -> str:
    """``path``, if requests can have it."""
    if not isinstance(path, str) or not path.startswith("/") or "{" in path:
        raise ConfigurationError(
            f"WebhookSource.path is {path!r}; expected a path such as '/alerts'"
        )
    return path


def checked_token(token: Any) -> str:
    """``token``, if a header can carry it; it is not shown."""
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise ConfigurationError(
            "WebhookSource.token cannot be used; expected a text without spaces"
        )
    return token


def checked_pair(pair: Any) -> tuple[str, str] | None:
    """User and password, if they are that; they are not shown."""
    if pair is None:
        return None
    texts = isinstance(pair, list | tuple) and all(isinstance(e, str) for e in pair)
    if not texts or len(pair) != 2 or ":" in pair[0]:
        raise ConfigurationError(
            "WebhookSource.basic_auth cannot be used; expected user and password"
        )
    return pair[0], pair[1]


def checked_read(read: Any) -> Callable[[Any], Any]:
    """``read``, if it can be called."""
    if not callable(read):
        raise ConfigurationError(
            f"WebhookSource.read is {read!r}; expected a function of a body's JSON"
        )
    function: Callable[[Any], Any] = read
    return function
