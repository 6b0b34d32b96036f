"""One signal's requests over gRPC, by grpcio's asyncio; no generated classes.

Law: the bytes are our codec's. What a status means is a table here, and every row of it
a test. Source: OpenTelemetry protocol 1.11, ``docs/specification.md``, "OTLP/gRPC".
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .. import __version__
from ..errors import ConfigurationError, DeliveryError, PermanentError, TransientError
from ..formats.otlp_protobuf import MalformedError, retry_delay
from .addresses import path_in_words, public_part
from .http import Destination, quoted
from .otlp_answers import MAX_ANSWER, TooLargeError, judge_counts
from .otlp_settings import FilePath, Signal, SignalSettings, is_metadata

SERVICES: Final = {
    Signal.TRACES: "trace.v1.TraceService",
    Signal.METRICS: "metrics.v1.MetricsService",
    Signal.LOGS: "logs.v1.LogsService",
}
RETRYABLE: Final = frozenset(
    {
        *("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE"),
        *("UNAVAILABLE", "DATA_LOSS"),
    }
)
DETAILS: Final = "grpc-status-details-bin"
# How servers of C++, Go, Java and Rust word it; no code of its own says so.
TOO_LARGE: Final = re.compile(
    "larger than (the )?max|message (length )?too large|exceeds maximum", re.IGNORECASE
)
CONNECT_SECONDS: Final = 20.0  # where requests have no time-out
MOST_UNANSWERED: Final = 2  # calls that were given up, one after another
OPTIONS: Final = (
    ("grpc.primary_user_agent", f"sluiceway/{__version__}"),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    # A collector that comes back is found soon, whoever else uses its address.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
)


class GrpcCarrier:
    """Carries one signal's requests over a channel of its own.

    Args:
        signal: which of the three services is called.
        settings: where to and how.

    Raises:
        ConfigurationError: grpcio is missing, or a certificate's file or a header
            cannot be used.
    """

    def __init__(self, signal: Signal, settings: SignalSettings) -> None:
        self._grpc = load_grpc("OtlpSink")
        parts = urlsplit(settings.url)
        secure = parts.scheme == "https"
        target = parts.netloc.rpartition("@")[2]
        if parts.port is None:
            target = f"{target.rstrip(':')}:{443 if secure else 80}"
        self._to = Destination(
            url=settings.url,
            shown=public_part(settings.url).rstrip("/"),
            headers=settings.headers,
        )
        self._metadata = metadata(settings)
        self._compression = (
            self._grpc.Compression.Gzip
            if settings.compression == "gzip"
            else self._grpc.Compression.NoCompression
        )
        self._target = target
        self._credentials = credentials(self._grpc, settings) if secure else None
        self._method = f"/opentelemetry.proto.collector.{SERVICES[signal]}/Export"
        self._connect_seconds = settings.timeout or CONNECT_SECONDS
        self._unanswered = 0
        self._connect()

    def _connect(self) -> None:
        """Begin a channel; it connects with its first call."""
        aio = self._grpc.aio
        # In spite of its name it bounds one try to connect. That ends before a request
        # does, so that the error tells that nobody was reached.
        bound = ("grpc.min_reconnect_backoff_ms", int(self._connect_seconds * 800))
        options = (*OPTIONS, bound)
        if self._credentials is None:
            self._channel = aio.insecure_channel(self._target, options=options)
        else:
            self._channel = aio.secure_channel(
                self._target, self._credentials, options=options
            )
        self._call = self._channel.unary_unary(self._method)

    async def send(self, body: bytes, count: int) -> tuple[int, str]:
        """Send a request of ``count`` events: the bytes sent, and a warning or ``""``.

        Raises:
            TransientError: trying again can help.
            PermanentError: it cannot.
            PartialError: the events that were rejected.
        """
        if self._unanswered >= MOST_UNANSWERED:
            await self._replace_channel()
        try:
            answer = await self._call(
                body, metadata=self._metadata, compression=self._compression
            )
        except self._grpc.aio.AioRpcError as error:
            self._unanswered = 0
            raise failure_of(error, self._to) from None  # its text shows the peer
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._unanswered += 1
                raise
            # grpcio says so of a call whose channel is closed, too.
            words = f"the channel to {self._to.shown} was closed"
            raise TransientError(words, reason="closed") from None
        self._unanswered = 0
        return len(body), judge_counts(bytes(answer), self._to, count)

    async def _replace_channel(self) -> None:
        """Connect anew, by a new look at the name; the old calls are given up.

        A peer that went without a word leaves a connection that takes all and answers
        nothing, for as long as the system goes on sending.
        """
        self._unanswered = 0
        old = self._channel
        self._connect()
        await old.close(grace=None)

    async def close(self) -> None:
        """End the calls under way and let the connection go."""
        await self._channel.close(grace=None)


def load_grpc(owner: str) -> Any:
    """grpcio, which only those load who speak gRPC.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import grpc  # noqa: PLC0415 - an extra
        import grpc.aio  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f"{owner} needs grpcio to speak gRPC; install sluiceway[grpc], or say "
            "protocol='http/protobuf'"
        ) from error
    return grpc


def metadata(settings: SignalSettings) -> tuple[tuple[str, str], ...]:
    """The headers as gRPC carries them, user and password of the address among them.

    Raises:
        ConfigurationError: one has a name or a value that gRPC does not carry.
    """
    headers = {name.lower(): value for name, value in settings.headers.items()}
    parts = urlsplit(settings.url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        coded = b64encode(pair.encode()).decode()
        headers.setdefault("authorization", f"Basic {coded}")
    for name, value in headers.items():
        if not is_metadata(name, value):
            raise ConfigurationError(
                f"OtlpSink.headers[{name!r}] cannot go over gRPC; expected a name of "
                "a-z, 0-9, _ . and - and a value of printable ASCII"
            )
    return tuple(headers.items())


def credentials(grpc: Any, settings: SignalSettings) -> Any:
    """Whom to trust and what to show.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    return grpc.ssl_channel_credentials(
        root_certificates=pem(settings.certificate),
        private_key=pem(settings.client_key or settings.client_certificate),
        certificate_chain=pem(settings.client_certificate),
    )


def pem(path: FilePath | None) -> bytes | None:
    """The file's bytes.

    Raises:
        ConfigurationError: it cannot be read, or is no PEM file.
    """
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        shown = path_in_words(path)
        raise ConfigurationError(f"cannot use {shown} for TLS: {error}") from error
    if b"-----BEGIN " not in data:
        shown = path_in_words(path)
        raise ConfigurationError(f"cannot use {shown} for TLS: it is no PEM file")
    return data


def failure_of(error: Any, to: Destination) -> DeliveryError:
    """What a status other than OK means for the events of its request."""
    code, words = error.code().name, error.details() or ""
    reason = f"grpc_{code.lower()}"
    message = f"{to.shown} answered {code}{quoted(to, words)}"
    wait = asked_wait(error.trailing_metadata())
    if wait is None and TOO_LARGE.search(words):
        if "CLIENT: Received" in words:
            return PermanentError(message, reason="response_too_large")
        return TooLargeError(message, reason=reason)
    if code in RETRYABLE or (code == "RESOURCE_EXHAUSTED" and wait is not None):
        return TransientError(message, reason=reason, retry_after=wait or None)
    return PermanentError(message, reason=reason)


def asked_wait(trailers: Any) -> float | None:
    """The seconds of a RetryInfo in a call's trailers; None without one."""
    for key, value in trailers or ():
        if key == DETAILS:
            try:
                return retry_delay(value)
            except MalformedError:
                return None
    return None
