"""What a source that is an HTTP server does, whatever it is sent.

Law: an answer is a promise, so it is given only after the pipeline has taken the events
(or delivered them); what cannot be promised is refused, with a status that says whether
trying again can help. From ``stop`` on it is 503, while what was taken is handed over.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from logging import getLogger
from typing import Any, Final, Literal, get_args
from weakref import WeakSet

from aiohttp import web
from attrs import field, frozen

from ..delivery import Outcome
from ..errors import ConfigurationError, nearest
from ..sinks.addresses import cannot_listen, checked_host
from ..sinks.server_log import SERVER_LOG
from ..stages import Send, Source, StageContext
from .bodies import read_body
from .presence import Presence
from .talks import end_talks

Acknowledge = Literal["accepted", "delivered"]

RETRY_AFTER: Final = "1"  # second
LONGEST_WORDS: Final = 1000  # characters of an error in an answer
STOP_GRACE: Final = 1.0  # seconds that a request may still arrive after a stop
CLOSE_GRACE: Final = 0.3  # seconds that answers may still leave


class RefusedError(Exception):
    """A request is not taken: the status to answer with, and why."""

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        if status == 503:
            self.headers.setdefault("Retry-After", RETRY_AFTER)


@frozen
class ReceiverStatistics:
    """What a receiver has answered.

    Attributes:
        answers: how many requests, by HTTP status.
        events: how many events were taken.
    """

    answers: Mapping[int, int] = field(factory=dict)
    events: int = 0


@frozen
class Reception:
    """How a receiver takes requests.

    Attributes:
        max_body: bytes of a request.
        ack: ``"accepted"`` or ``"delivered"``.
        accept_timeout: seconds to wait for room.
        deliver_timeout: seconds to wait for deliveries.
        read_timeout: seconds for a body to arrive.
        idle_timeout: seconds for a head to arrive on an open connection.
    """

    max_body: int
    ack: Acknowledge
    accept_timeout: float
    deliver_timeout: float
    read_timeout: float
    idle_timeout: float


class Receiver(Source[Any]):
    """A source that listens; a subclass says what it is sent.

    Args:
        host: the address to listen on.
        port: 0 picks a free one, which ``port`` tells once open.
        path: what is answered; other paths are 404.
        reception: how requests are taken.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self, host: str, port: int, path: str, reception: Reception, name: str | None
    ) -> None:
        self.name = name
        owner = type(self).__name__
        self.host = checked_host(f"{owner}.host", host)
        self._wanted_port = checked_whole(f"{owner}.port", port, 0, 65535)
        self._port = self._wanted_port
        self._path = path
        self._reception = reception
        self.wants_delivery = reception.ack == "delivered"
        self._logger = getLogger("sluiceway.sources")
        self._runner: web.AppRunner | None = None
        self._send: Send[Any] | None = None
        self._stopping = False
        self._answers: Counter[int] = Counter()
        self._events = 0

    @property
    def port(self) -> int:
        """The port: the bound one while open, the wished one before."""
        return self._port

    def __repr__(self) -> str:
        state = "closed" if self._runner is None else "open"
        state = "stopping" if self._stopping and self._runner else state
        kind = type(self).__name__
        return f"<{kind} {self.host}:{self.port} {state} ack={self._reception.ack}>"

    def statistics(self) -> ReceiverStatistics:
        """A snapshot of what was answered."""
        return ReceiverStatistics(dict(self._answers), self._events)

    # What a subclass says.

    @abstractmethod
    def check(self, request: web.Request) -> None:
        """Look at a request's head before its body is read.

        Raises:
            RefusedError: it is not wanted.
        """

    @abstractmethod
    def events_of(self, request: web.Request, body: bytes) -> list[Any]:
        """The events of a request.

        Raises:
            RefusedError: there are none that can be taken.
        """

    def taken(self, request: web.Request) -> None:
        """The request's events have been taken, or delivered if that was waited for."""

    def ended(self, request: web.Request) -> None:
        """The request is about to be answered, whatever became of its events."""

    # What the engine calls.

    async def open(self, context: StageContext) -> None:
        """Bind the address; requests are answered 503 until ``run``.

        Raises:
            ConfigurationError: the address cannot be had.
        """
        self._logger = context.logger
        self._stopping = False
        self._stopped = asyncio.Event()
        self._arriving = Presence()
        self._handing_over = Presence()
        self._talks: WeakSet[asyncio.Task[None]] = WeakSet()
        application = web.Application()
        application.router.add_post(self._path, self._handle)
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=SERVER_LOG,
            auto_decompress=False,
            keepalive_timeout=self._reception.idle_timeout,
            shutdown_timeout=CLOSE_GRACE,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self._wanted_port).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError | ValueError):
                raise cannot_listen(
                    type(self).__name__, self.host, self._wanted_port, error
                ) from error
            raise
        self._runner = runner
        self._port = int(runner.addresses[0][1])
        context.logger.info("listening on %s, port %d", self.host, self._port)

    async def run(self, send: Send[Any]) -> None:
        """Serve until ``stop``, then until what has come in is handed over."""
        self._send = send
        try:
            await self._stopped.wait()
            await self._arriving.end(STOP_GRACE)
            await self._handing_over.end()
        finally:
            self._send = None

    def stop(self) -> bool:
        """Answer 503 from now on; ``run`` returns once the rest is handed over."""
        self._stopping = True
        self._stopped.set()
        return True

    async def close(self) -> None:
        """Let the address and the connections go."""
        runner, self._runner = self._runner, None
        self._port = self._wanted_port
        if runner is not None:
            await runner.cleanup()
            await end_talks(self._talks)

    # What a request goes through.

    async def _handle(self, request: web.Request) -> web.Response:
        """Answer one request; whatever goes wrong has an answer too."""
        self._talks.add(request.task)
        try:
            words = await self._receive(request)
            response = web.Response(text=words)
        except RefusedError as refusal:
            response = refusal_answer(refusal)
        except Exception:
            self._logger.exception("a request to %s failed", request.path)
            response = refusal_answer(RefusedError(500, "the receiver failed"))
        self._answers[response.status] += 1
        if self._stopping:
            response.force_close()
        return response

    async def _receive(self, request: web.Request) -> str:
        """Take a request's events; what to say about it.

        Raises:
            RefusedError: they are not taken.
        """
        if self._stopping or self._send is None:
            raise RefusedError(503, "the receiver is not running")
        self.check(request)
        with self._arriving:
            taken = self._reception
            body = await read_body(
                request, taken.max_body, taken.read_timeout, RefusedError
            )
            events = self.events_of(request, body)
        try:
            words = await self._hand_over(events) if events else ""
            self.taken(request)
        finally:
            self.ended(request)
        return words

    async def _hand_over(self, events: list[Any]) -> str:
        """Give events to the pipeline; what became of them, if that is asked for."""
        if self._send is None:
            raise RefusedError(503, "the receiver is stopping")
        with self._handing_over:
            try:
                async with asyncio.timeout(self._reception.accept_timeout):
                    delivery = await self._send(events)
            except TimeoutError:
                raise RefusedError(503, "the pipeline is full") from None
        self._events += len(events)
        if self._reception.ack == "accepted":
            return ""
        seconds = self._reception.deliver_timeout
        try:
            async with asyncio.timeout(seconds):
                return outcome_words(await delivery)
        except TimeoutError:
            words = f"not delivered within {seconds:g} s"
            raise RefusedError(503, words) from None


def outcome_words(outcome: Outcome) -> str:
    """What a sender is told of events of which at least some were delivered.

    Raises:
        RefusedError: not all were delivered and trying again can help; or all were
            rejected.
    """
    words = "" if outcome.error is None else str(outcome.error)
    words = words or (
        f"{outcome.dropped} dropped, {outcome.errored} errored, "
        f"{outcome.rejected} rejected"
    )
    if outcome.dropped or outcome.errored:
        raise RefusedError(503, f"not delivered: {words}")
    if outcome.rejected and not outcome.delivered:
        raise RefusedError(400, f"rejected: {words}")
    told = f"{outcome.rejected} rejected: {words}" if outcome.rejected else ""
    return told[:LONGEST_WORDS]


def refusal_answer(refusal: RefusedError) -> web.Response:
    """The answer for a request that is not taken."""
    words = str(refusal)[:LONGEST_WORDS]
    return web.Response(status=refusal.status, text=words, headers=refusal.headers)


def checked_whole(setting: str, value: Any, low: int, high: int | None = None) -> int:
    """``value``, if it is a whole number from ``low`` to ``high``."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        limits = f"from {low}" if high is None else f"from {low} to {high}"
        raise ConfigurationError(
            f"{setting} is {value!r}; expected a whole number {limits}"
        )
    return int(value)


def checked_seconds(setting: str, value: Any) -> float:
    """``value``, if it is a number of seconds above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ConfigurationError(f"{setting} is {value!r}; expected seconds above 0")
    return float(value)


def checked_ack(setting: str, ack: Any) -> Acknowledge:
    """``ack``, if it is one of its two words."""
    for word in get_args(Acknowledge):
        if ack == word:
            known: Acknowledge = word
            return known
    words = get_args(Acknowledge)
    raise ConfigurationError(
        f"{setting} is {ack!r}; expected one of "
        f"{', '.join(map(repr, words))}{nearest(ack, words)}"
    )
