"""OtlpSink: spans, metric points and log records to an OpenTelemetry collector.

Law: one request carries one signal, and answers for its own events only. What a failed
request says becomes the error of each of its events. Source: OpenTelemetry protocol
1.11, ``docs/specification.md``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from logging import getLogger
from typing import Annotated, Any, Final, Protocol

from attrs import frozen

from ..batching import BatchBy
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ConfigurationError, PartialError, PermanentError, TransientError
from ..formats.otlp_protobuf import join_encoded
from ..layers import Write
from ..layers.retry import raise_failures
from ..layers.timeout import TimeoutLayer
from ..settings import Bounds, Count, Queue, Retry
from ..stages import Sink, StageContext
from .addresses import public_part
from .http import HttpClient
from .otlp_addresses import Protocol as OtlpProtocol
from .otlp_answers import TooLargeError
from .otlp_checks import checked
from .otlp_http import HttpCarrier
from .otlp_settings import (
    Compression,
    Environment,
    FilePath,
    Given,
    Signal,
    SignalSettings,
    settings_for,
)
from .otlp_signals import (
    Encoders,
    Telemetry,
    are_encoded,
    first_slice,
    has_giant,
    join,
    malformed_among,
    may_be_malformed,
    next_slice,
    not_telemetry,
    pick,
    sort_by_signal,
)
from .threads import beside_loop

MAX_REQUEST: Final = 64 * 1024 * 1024  # bytes before compression
BATCH: Final = BatchBy(max_events=2000, flush_interval=0.2)
QUEUE: Final = Queue()
RETRY: Final = Retry()


@frozen
class OtlpStatistics:
    """What an OtlpSink has done.

    Attributes:
        requests: how many were answered, whatever the answer was.
        bytes_sent: the bytes of their bodies, as they were sent.
    """

    requests: int
    bytes_sent: int


class Carrier(Protocol):
    """What carries one signal's requests, by whatever protocol."""

    async def send(self, body: bytes, count: int) -> tuple[int, str]:
        """Send a request of ``count`` events: the bytes sent, and a warning."""
        ...

    async def close(self) -> None:
        """Let go what is its own."""
        ...


class OtlpSink(Sink[Telemetry]):
    """Sends telemetry as OTLP, over HTTP or gRPC.

    Takes spans, metric points and log records mixed. What is not given is read from
    the ``OTEL_EXPORTER_OTLP_*`` variables, those of one signal before the general
    ones, when the sink is made; wrong ones are logged and ignored.

    Retried are 429, 502, 503, 504, lost connections and time-outs; other statuses
    reject the events, redirects among them. Of gRPC's codes CANCELLED,
    DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS are retried, and
    RESOURCE_EXHAUSTED with a RetryInfo. A 413, a code that says that the message is too
    large and a request above ``max_request`` are split until the one event is found
    that is too large. Of a partial success the last events of the request are booked as
    rejected, since the server tells only how many it did not take.

    Args:
        endpoint: the address below which ``v1/traces``, ``v1/metrics`` and ``v1/logs``
            are, or of a gRPC server, then also without a scheme; default
            ``"http://localhost:4318"``, or port 4317 for gRPC.
        protocol: ``"http/protobuf"`` (default), ``"http/json"`` or ``"grpc"``, which
            needs the extra ``grpc`` and is the default for a bare port 4317.
        headers: further headers of each request; their values are kept secret.
        compression: ``"gzip"`` or ``"none"``, the default. Over gRPC it makes requests
            of about 128 KiB, since grpcio packs on the event loop.
        timeout: seconds for one request; default 10; 0 for no bound.
        certificate: a PEM file of the authorities to trust.
        client_certificate: a PEM file of the certificate to show.
        client_key: a PEM file of its key.
        insecure: whether an address without a scheme means no TLS; default False.
        max_request: bytes of a request before compression; default 64 MiB.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.
        batch: how events are gathered; default 2,000 events or 0.2 seconds.
        retry: after transient errors; default ``Retry()``.
        max_in_flight: writes at the same time; default 4.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    takes_notes = True
    takes_encoded = True

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        protocol: OtlpProtocol | None = None,
        headers: Mapping[str, str] | None = None,
        compression: Compression | None = None,
        timeout: Annotated[float, Bounds(0)] | None = None,
        certificate: FilePath | None = None,
        client_certificate: FilePath | None = None,
        client_key: FilePath | None = None,
        insecure: bool | None = None,
        max_request: Count = MAX_REQUEST,
        name: str | None = None,
        queue: Queue = QUEUE,
        batch: BatchBy | None = BATCH,
        retry: Retry | None = RETRY,
        max_in_flight: Count = 4,
    ) -> None:
        self.name = name
        self.queue = queue
        self.batch = batch
        self.retry = retry
        self.max_in_flight = max_in_flight
        tls = (certificate, client_certificate, client_key)
        given = Given(endpoint, headers, compression, timeout, *tls, protocol, insecure)
        self._settings = read_settings(checked(given))
        self._max_request = checked_limit(max_request)
        self._client = HttpClient()
        self._encoders = Encoders()
        self._carriers: dict[Signal, Carrier] = {}
        self._attempts: dict[Signal, Write] = {}
        self._clock = SYSTEM_CLOCK
        self._logger = getLogger("sluiceway.sinks.otlp")
        self._warned = ""
        self._requests = 0
        self._bytes_sent = 0

    def __repr__(self) -> str:
        state = "open" if self._client.is_open else "closed"
        urls = {public_part(settings.url) for settings in self._settings.values()}
        return f"<OtlpSink {' '.join(sorted(urls))} {state}>"

    def statistics(self) -> OtlpStatistics:
        """A snapshot of what was sent."""
        return OtlpStatistics(self._requests, self._bytes_sent)

    async def open(self, context: StageContext) -> None:
        """Read the certificates and make ready; nothing is connected yet.

        Raises:
            ConfigurationError: a certificate's file cannot be used, or grpcio is
                missing.
        """
        self._clock = context.clock
        self._logger = context.logger
        try:
            for signal, settings in self._settings.items():
                carrier = carrier_of(signal, settings, self._client, context.clock)
                self._carriers[signal] = carrier
                self._attempts[signal] = self._attempt(signal, settings)
        except BaseException:
            await self.close()
            raise
        await self._client.open()

    def _attempt(self, signal: Signal, settings: SignalSettings) -> Write:
        """One request of a signal, bounded by its time-out.

        Each signal has its own: a time-out round the whole write would send again
        what the other signals have delivered.
        """
        send = partial(self._send, signal)
        if settings.timeout is None:
            return send
        return TimeoutLayer(send, settings.timeout, self._clock)

    async def close(self) -> None:
        """Let the connections go."""
        carriers, self._carriers = self._carriers, {}
        for carrier in carriers.values():
            await carrier.close()
        await self._client.close()

    async def write(self, events: list[Telemetry]) -> None:
        """Send the events, one request for each signal among them.

        Raises:
            TransientError: trying again can help: ``http_503`` and the like,
                ``connection``, ``timeout``, ``tls``, ``not_http``.
            PermanentError: it cannot: ``http_400`` and the like,
                ``request_too_large``, ``response_too_large``.
            PartialError: each failed event's own error, among them
                ``partial_success`` and ``not_telemetry``.
        """
        if not self._client.is_open:
            raise closed(self)
        events, groups = sort_by_signal(events)
        lost = await asyncio.gather(
            *(
                self._deliver_requests(signal, pick(events, indices))
                for signal, indices in groups
            )
        )
        failed: dict[int, Exception] = {}
        for (_, indices), errors in zip(groups, lost, strict=True):
            failed |= {indices[at]: error for at, error in errors.items()}
        if failed:
            raise_failures(failed, len(events))

    async def _deliver_requests(
        self, signal: Signal | None, events: list[Any]
    ) -> dict[int, Exception]:
        """Send one signal's events, mostly in one request; what failed.

        grpcio packs on the event loop, so that it gets little at once to pack. Where
        one request met a transient error, the next ones need not be tried.
        """
        packs = signal is not None and packed_by_grpc(self._settings[signal])
        step = first_slice(events) if packs else len(events)
        failed: dict[int, Exception] = {}
        for start in range(0, len(events), step):
            slice_ = events[start : start + step]
            lost = await self._deliver(signal, slice_)
            failed |= {start + at: error for at, error in lost.items()}
            error = lost.get(0)
            if len(lost) == len(slice_) and isinstance(error, TransientError):
                return failed | dict.fromkeys(range(start, len(events)), error)
        return failed

    async def _deliver(
        self, signal: Signal | None, events: list[Any]
    ) -> dict[int, Exception]:
        """Send one signal's events, in halves if they are too large; what failed."""
        if signal is None:
            return {index: not_telemetry(event) for index, event in enumerate(events)}
        try:
            await self._attempts[signal](events)
        except TooLargeError as error:
            if len(events) == 1:
                return {0: error}
        except PartialError as error:
            return dict(error.failed)
        except Exception as error:  # noqa: BLE001 - it must not touch other signals
            return await self._deliver_others(signal, events, error)
        else:
            return {}
        middle = len(events) // 2
        failed = await self._deliver(signal, events[:middle])
        others = await self._deliver(signal, events[middle:])
        return failed | {middle + at: error for at, error in others.items()}

    async def _deliver_others(
        self, signal: Signal, events: list[Any], error: Exception
    ) -> dict[int, Exception]:
        """Send again what is not malformed, if that may be the error; what failed.

        Events that came encoded were never read here: a malformed one costs itself.
        """
        failed = dict.fromkeys(range(len(events)), error)
        if not are_encoded(events) or not may_be_malformed(error):
            return failed
        wrong = await beside_loop(malformed_among, events)
        others = [index for index in failed if index not in wrong]
        if not wrong:
            return failed
        lost = await self._deliver(signal, pick(events, others)) if others else {}
        return wrong | {others[at]: error for at, error in lost.items()}

    async def _send(self, signal: Signal, events: list[Any]) -> None:
        """One request."""
        body = await self._encode(signal, events)
        carrier = self._carriers.get(signal)
        if carrier is None:
            raise closed(self)
        size, words = await carrier.send(body, len(events))
        self._requests += 1
        self._bytes_sent += size
        if words:
            self._warn(words)

    async def _encode(self, signal: Signal, events: list[Any]) -> bytes:
        """The request's body, made in slices so that the loop is never kept long.

        A slice that cannot be short, since one event is a giant, is made on a thread.
        Encoded requests can be joined: a protobuf message is the sum of its parts, and
        a JSON one is a list.
        """
        json = self._settings[signal].protocol == "http/json"
        encoded = are_encoded(events)
        encode = self._encoders.of(signal, json=json, encoded=encoded)
        parts: list[bytes] = []
        size = start = 0
        copies = encode is join_encoded  # and reads nothing, which is quick
        step = len(events) if copies else first_slice(events)
        while start < len(events):
            if start:
                await asyncio.sleep(0)
            chosen = events[start : start + step]
            if not copies and (step == 1 or has_giant(chosen)):
                part = await beside_loop(encode, chosen)
            else:
                part = encode(chosen)
            start += step
            step = next_slice(step, len(part))
            size += len(part)
            if size > self._max_request:
                raise TooLargeError(
                    f"{len(events)} {signal.value} take more than "
                    f"{self._max_request} bytes as one request"
                )
            parts.append(part)
        return join(parts, json=json)

    def _warn(self, words: str) -> None:
        """Log what a server says beside a success, but not again and again."""
        if words != self._warned:
            self._warned = words
            self._logger.warning("%s", words)


def read_settings(given: Given) -> dict[Signal, SignalSettings]:
    """The settings of each signal; what is wrong in the environment is logged."""
    environment = Environment(os.environ)
    settings = {signal: settings_for(signal, given, environment) for signal in Signal}
    for warning in environment.warnings:
        getLogger("sluiceway.sinks.otlp").warning("%s", warning)
    return settings


def carrier_of(
    signal: Signal, settings: SignalSettings, client: HttpClient, clock: Clock
) -> Carrier:
    """What carries a signal's requests, by its protocol.

    Raises:
        ConfigurationError: a file cannot be used, or grpcio is missing.
    """
    if settings.protocol != "grpc":
        return HttpCarrier(settings, client, clock)
    from .otlp_grpc import GrpcCarrier  # noqa: PLC0415 - grpcio is an extra

    return GrpcCarrier(signal, settings)


def packed_by_grpc(settings: SignalSettings) -> bool:
    """Whether it is grpcio that makes gzip of a signal's requests."""
    return settings.protocol == "grpc" and settings.compression == "gzip"


def closed(sink: OtlpSink) -> PermanentError:
    """The error for events that come before ``open`` or after ``close``."""
    return PermanentError(f"{sink!r} takes nothing", reason="closed")


def checked_limit(max_request: int) -> int:
    """``max_request``, if it is a number of bytes."""
    whole = isinstance(max_request, int) and not isinstance(max_request, bool)
    if not whole or max_request < 1:
        raise ConfigurationError(
            f"OtlpSink.max_request is {max_request!r}; expected a whole number of bytes"
            " from 1"
        )
    return max_request
