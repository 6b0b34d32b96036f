"""What a request goes through once it has arrived, whatever brought it.

Law: a success is promised only after the pipeline has taken the events (or delivered
them); each way to fail is a ``RefusedError``, whose status says whether trying again
can help.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal

from anyio import CapacityLimiter, to_thread
from attrs import field, frozen

from ..events import LogRecord, MetricPoint, Span
from ..formats import otlp_json, otlp_protobuf
from ..formats.compression import CorruptError, OversizedError, decompress
from ..stages import Send
from .otlp_answers import Form, RefusedError, Taken, outcome_answer
from .presence import Presence

Telemetry = Span | MetricPoint | LogRecord
Acknowledge = Literal["accepted", "delivered"]
Decode = Callable[[bytes], list[Any]]

LARGE: Final = 64 * 1024  # bytes from which a body is worked on beside the loop
LARGE_TO_SPLIT: Final = 16 * LARGE  # taking apart is a tenth of decoding
STOP_GRACE: Final = 1.0  # seconds that a request under way may arrive after a stop


@frozen
class Kind:
    """One signal's requests.

    Attributes:
        protobuf: reads them from protobuf.
        split: takes them apart without reading them.
        json: reads them from JSON.
        encode: writes what was read from JSON as protobuf.
        rejected: what an answer in JSON calls that which was rejected.
        service: the gRPC service that takes them.
    """

    protobuf: Decode
    split: Decode
    json: Decode
    encode: Callable[[list[Any]], bytes]
    rejected: otlp_json.Rejected
    service: str

    def split_json(self, body: bytes) -> list[Any]:
        """What a request in JSON would be if it were in protobuf, taken apart."""
        return self.split(self.encode(self.json(body)))


KINDS: Final[Mapping[str, Kind]] = {
    "/v1/traces": Kind(
        otlp_protobuf.decode_traces,
        otlp_protobuf.split_traces,
        otlp_json.decode_traces,
        otlp_protobuf.encode_traces,
        "rejectedSpans",
        "opentelemetry.proto.collector.trace.v1.TraceService",
    ),
    "/v1/metrics": Kind(
        otlp_protobuf.decode_metrics,
        otlp_protobuf.split_metrics,
        otlp_json.decode_metrics,
        otlp_protobuf.encode_metrics,
        "rejectedDataPoints",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
    ),
    "/v1/logs": Kind(
        otlp_protobuf.decode_logs,
        otlp_protobuf.split_logs,
        otlp_json.decode_logs,
        otlp_protobuf.encode_logs,
        "rejectedLogRecords",
        "opentelemetry.proto.collector.logs.v1.LogsService",
    ),
}


@frozen
class Limits:
    """What an intake grants; ``OtlpSource`` has the meanings."""

    max_body: int
    ack: Acknowledge
    accept_timeout: float
    deliver_timeout: float
    decode: bool
    tokens: Collection[str] = field(default=(), repr=False)


class Intake:
    """Takes requests' events into a pipeline while ``run`` is under way.

    Args:
        limits: what it grants.

    Attributes:
        stopping: whether new requests are refused.
        arriving: the requests whose bodies are on their way.
        events: how many events were taken.
    """

    def __init__(self, limits: Limits) -> None:
        self.stopping = False
        self.arriving = Presence()
        self.events = 0
        self._limits = limits
        self._handing_over = Presence()
        self._stopped = asyncio.Event()
        self._send: Send[Telemetry] | None = None
        self._decoders = CapacityLimiter(1)  # more would only share the interpreter

    async def run(self, send: Send[Telemetry]) -> None:
        """Take events until ``stop``, then until what has come in is handed over."""
        self._send = send
        try:
            await self._stopped.wait()
            await self.arriving.end(STOP_GRACE)
            await self._handing_over.end()
        finally:
            self._send = None

    def stop(self) -> None:
        """Refuse new requests from now on."""
        self.stopping = True
        self._stopped.set()

    def admit(self, authorization: str) -> None:
        """Let a request in, by the text of its ``Authorization``.

        Raises:
            RefusedError: nobody takes events now, or the token is not known.
        """
        if not self._knows(authorization):
            raise RefusedError(401, "a bearer token is needed")
        if self.stopping or self._send is None:
            raise RefusedError(503, "the receiver is not running")

    def _knows(self, authorization: str) -> bool:
        """Whether the token is one of ours, in a time that tells nothing of them."""
        if not self._limits.tokens:
            return True
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        same = [hmac.compare_digest(given, t.encode()) for t in self._limits.tokens]
        return scheme.lower() == "bearer" and any(same)

    async def unpack(self, body: bytes) -> bytes:
        """The body without gzip; what unpacks to much does so beside the loop.

        Raises:
            RefusedError: it is no gzip, or too large.
        """
        limit = self._limits.max_body
        try:
            try:
                return decompress(body, min(LARGE, limit))
            except OversizedError:
                if limit <= LARGE:
                    raise
                return await to_thread.run_sync(
                    decompress, body, limit, limiter=self._decoders
                )
        except OversizedError as error:
            raise RefusedError(413, f"a body that {error}") from None
        except CorruptError as error:
            raise RefusedError(400, f"a gzip body that {error}") from None

    async def decode(self, kind: Kind, form: Form, body: bytes) -> list[Any]:
        """The events of a body; a long one is worked on beside the loop.

        Raises:
            RefusedError: it is no OTLP.
        """
        large = LARGE
        if self._limits.decode:
            decode = kind.json if form == "json" else kind.protobuf
        elif form == "json":
            decode = kind.split_json
        else:
            decode, large = kind.split, LARGE_TO_SPLIT
        try:
            if len(body) <= large:
                return decode(body)
            return await to_thread.run_sync(decode, body, limiter=self._decoders)
        except (otlp_protobuf.MalformedError, otlp_json.MalformedJsonError) as error:
            raise RefusedError(400, f"a body that is no OTLP: {error}") from None

    async def hand_over(self, events: list[Any]) -> Taken:
        """Give events to the pipeline; what becomes of them, if that is asked for.

        Raises:
            RefusedError: they are not taken, or not delivered.
        """
        if not events:
            return Taken()
        if self._send is None:
            raise RefusedError(503, "the receiver is stopping")
        limits = self._limits
        with self._handing_over:
            try:
                async with asyncio.timeout(limits.accept_timeout):
                    delivery = await self._send(events)
            except TimeoutError:
                raise RefusedError(503, "the pipeline is full") from None
        self.events += len(events)
        if limits.ack == "accepted":
            return Taken()
        try:
            async with asyncio.timeout(limits.deliver_timeout):
                return outcome_answer(await delivery)
        except TimeoutError:
            words = f"not delivered within {limits.deliver_timeout:g} s"
            raise RefusedError(503, words) from None
