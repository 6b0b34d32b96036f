"""OtlpSource: an OTLP receiver over HTTP, for whatever speaks OpenTelemetry.

Law: a 200 is a promise, so it is given only after the pipeline has taken the events (or
delivered them); whatever else happens, the answer says whether trying again can help.
Source: OpenTelemetry protocol 1.11, ``docs/specification.md``, "OTLP/HTTP".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from logging import getLogger
from types import TracebackType
from typing import Any, Final, Literal, get_args
from weakref import WeakSet

from aiohttp import web
from anyio import CapacityLimiter, to_thread
from attrs import frozen

from ..errors import ConfigurationError, nearest
from ..events import LogRecord, MetricPoint, Span
from ..formats.compression import CorruptError, OversizedError, decompress
from ..formats.otlp_protobuf import (
    MalformedError,
    decode_logs,
    decode_metrics,
    decode_traces,
)
from ..sinks.addresses import cannot_listen, checked_host
from ..stages import Send, Source, StageContext
from .otlp_answers import (
    RefusedError,
    check_head,
    outcome_answer,
    refusal_answer,
    success,
)

Telemetry = Span | MetricPoint | LogRecord
Acknowledge = Literal["accepted", "delivered"]
Decode = Callable[[bytes], list[Any]]

PATHS: Final[Mapping[str, Decode]] = {
    "/v1/traces": decode_traces,
    "/v1/metrics": decode_metrics,
    "/v1/logs": decode_logs,
}
MAX_BODY: Final = 64 * 1024 * 1024  # bytes
LARGE: Final = 64 * 1024  # bytes from which a body is worked on beside the loop
STOP_GRACE: Final = (
    1.0  # seconds that a request under way may still arrive after a stop
)
CLOSE_GRACE: Final = 0.3  # seconds that answers may still leave


@frozen
class OtlpSourceStatistics:
    """What an OtlpSource has answered.

    Attributes:
        answers: how many requests, by HTTP status.
        events: how many events were taken.
    """

    answers: Mapping[int, int]
    events: int


class OtlpSource(Source[Telemetry]):
    """Receives spans, metric points and log records over OTLP/HTTP in protobuf.

    A request is answered 200 when its events are taken (``"accepted"``) or delivered
    (``"delivered"``); every other answer stands in ``otlp_answers``.

    Args:
        host: the address to listen on; default ``"127.0.0.1"``, this machine only.
        port: default 4318; 0 picks a free one, which ``port`` tells once open.
        max_body: bytes of a request, packed and unpacked; default 64 MiB.
        ack: ``"accepted"`` (default) answers once the pipeline has room for the events,
            ``"delivered"`` once every sink has answered for them.
        accept_timeout: seconds to wait for room; default 5. What is given up then is
            booked as dropped, though the sender keeps it and tries again.
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
        port: int = 4318,
        *,
        max_body: int = MAX_BODY,
        ack: Acknowledge = "accepted",
        accept_timeout: float = 5.0,
        deliver_timeout: float = 60.0,
        read_timeout: float = 30.0,
        idle_timeout: float = 75.0,
        name: str | None = None,
    ) -> None:
        self.name = name
        self.host = checked_host("OtlpSource.host", host)
        self._wanted_port = checked_number("port", port, 0, 65535)
        self._port = self._wanted_port
        self._max_body = checked_number("max_body", max_body, 1)
        self._ack = checked_ack(ack)
        self.wants_delivery = ack == "delivered"
        self._accept_timeout = checked_seconds("accept_timeout", accept_timeout)
        self._deliver_timeout = checked_seconds("deliver_timeout", deliver_timeout)
        self._read_timeout = checked_seconds("read_timeout", read_timeout)
        self._idle_timeout = checked_seconds("idle_timeout", idle_timeout)
        self._logger = getLogger("sluiceway.sources.otlp")
        self._runner: web.AppRunner | None = None
        self._send: Send[Telemetry] | None = None
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
        return f"<OtlpSource {self.host}:{self.port} {state} ack={self._ack}>"

    def statistics(self) -> OtlpSourceStatistics:
        """A snapshot of what was answered."""
        return OtlpSourceStatistics(dict(self._answers), self._events)

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
        self._decoders = CapacityLimiter(1)  # more would only share the interpreter
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self._idle_timeout,
            shutdown_timeout=CLOSE_GRACE,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self._wanted_port).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError | ValueError):
                raise cannot_listen(
                    "OtlpSource", self.host, self._wanted_port, error
                ) from error
            raise
        self._runner = runner
        self._port = int(runner.addresses[0][1])

    def _application(self) -> web.Application:
        application = web.Application()
        for path in PATHS:
            application.router.add_post(path, self._handle)
        return application

    async def run(self, send: Send[Telemetry]) -> None:
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
            await self._end_talks()

    async def _end_talks(self) -> None:
        """End the tasks of connections that the server knows no more.

        One whose client went away before all of its body had come waits for the rest.
        """
        talks = [task for task in self._talks if not task.done()]
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    # What a request goes through.

    async def _handle(self, request: web.Request) -> web.Response:
        """Answer one request; whatever goes wrong has an answer too."""
        self._talks.add(request.task)
        try:
            response = await self._receive(request)
        except RefusedError as refusal:
            response = refusal_answer(request, refusal)
        except Exception:
            self._logger.exception("a request to %s failed", request.path)
            failure = RefusedError(500, "the receiver failed")
            response = refusal_answer(request, failure)
        self._answers[response.status] += 1
        if self._stopping:
            response.force_close()
        return response

    async def _receive(self, request: web.Request) -> web.Response:
        """Take a request's events.

        Raises:
            RefusedError: they are not taken.
        """
        if self._stopping or self._send is None:
            raise RefusedError(503, "the receiver is not running")
        unpack = check_head(request)
        with self._arriving:
            body = await self._read(request)
            if unpack:
                body = await self._unpack(body)
            events = await self._decode(PATHS[request.path], body)
        if not events:
            return success()
        return await self._hand_over(events)

    async def _read(self, request: web.Request) -> bytes:
        """The body as it was sent."""
        if (request.content_length or 0) > self._max_body:
            raise RefusedError(413, f"a body of more than {self._max_body} bytes")
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_timeout):
                async for piece in request.content.iter_any():
                    body += piece
                    if len(body) > self._max_body:
                        words = f"a body of more than {self._max_body} bytes"
                        raise RefusedError(413, words)
        except TimeoutError:
            words = f"the body took more than {self._read_timeout:g} s"
            raise RefusedError(408, words) from None
        except (OSError, web.RequestPayloadError):
            raise RefusedError(400, "the body did not arrive") from None
        return bytes(body)

    async def _unpack(self, body: bytes) -> bytes:
        """The body without gzip; what unpacks to much does so beside the loop."""
        try:
            try:
                return decompress(body, min(LARGE, self._max_body))
            except OversizedError:
                if self._max_body <= LARGE:
                    raise
                return await to_thread.run_sync(
                    decompress, body, self._max_body, limiter=self._decoders
                )
        except OversizedError as error:
            raise RefusedError(413, f"a body that {error}") from None
        except CorruptError as error:
            raise RefusedError(400, f"a gzip body that {error}") from None

    async def _decode(self, decode: Decode, body: bytes) -> list[Any]:
        """The events of a body; a long one is decoded beside the loop."""
        try:
            if len(body) <= LARGE:
                return decode(body)
            return await to_thread.run_sync(decode, body, limiter=self._decoders)
        except MalformedError as error:
            raise RefusedError(400, f"a body that is no OTLP: {error}") from None

    async def _hand_over(self, events: list[Any]) -> web.Response:
        """Give events to the pipeline; what becomes of them, if that is asked for."""
        if self._send is None:
            raise RefusedError(503, "the receiver is stopping")
        with self._handing_over:
            try:
                async with asyncio.timeout(self._accept_timeout):
                    delivery = await self._send(events)
            except TimeoutError:
                raise RefusedError(503, "the pipeline is full") from None
        self._events += len(events)
        if self._ack == "accepted":
            return success()
        try:
            async with asyncio.timeout(self._deliver_timeout):
                return outcome_answer(await delivery)
        except TimeoutError:
            words = f"not delivered within {self._deliver_timeout:g} s"
            raise RefusedError(503, words) from None


class Presence:
    """How many are inside, and the moment when nobody is."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def __enter__(self) -> None:
        self._count += 1
        self._empty.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._count -= 1
        if self._count == 0:
            self._empty.set()

    async def end(self, seconds: float | None = None) -> None:
        """Wait until nobody is inside, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return


def checked_number(field: str, value: Any, low: int, high: int | None = None) -> int:
    """``value``, if it is a whole number from ``low`` to ``high``."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        limits = f"from {low}" if high is None else f"from {low} to {high}"
        raise ConfigurationError(
            f"OtlpSource.{field} is {value!r}; expected a whole number {limits}"
        )
    return int(value)


def checked_seconds(field: str, value: Any) -> float:
    """``value``, if it is a number of seconds above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ConfigurationError(
            f"OtlpSource.{field} is {value!r}; expected seconds above 0"
        )
    return float(value)


def checked_ack(ack: Any) -> Acknowledge:
    """``ack``, if it is one of its two words."""
    for word in get_args(Acknowledge):
        if ack == word:
            known: Acknowledge = word
            return known
    words = get_args(Acknowledge)
    raise ConfigurationError(
        f"OtlpSource.ack is {ack!r}; expected one of "
        f"{', '.join(map(repr, words))}{nearest(ack, words)}"
    )
