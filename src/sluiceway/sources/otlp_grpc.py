"""The gRPC half of OtlpSource, by grpcio's asyncio; no generated classes.

Law: a message stays packed until it is unpacked here, as over HTTP: never beyond
``max_body``, and beside the event loop if it is large; and it is taken off the
connection only for who may send one. Source: OpenTelemetry protocol 1.11,
``docs/specification.md``, "OTLP/gRPC".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from logging import Logger
from typing import Any, Final

from ..errors import ConfigurationError
from ..formats.otlp_protobuf import encode_response, encode_status
from ..sinks.otlp_grpc import DETAILS, load_grpc, pem
from .otlp_answers import GRPC_CODES, LONGEST_WORDS, RefusedError
from .otlp_checks import Certificates
from .otlp_http import HttpLimits
from .otlp_intake import KINDS, Intake, Kind

CLOSE_GRACE: Final = 0.3  # seconds that answers may still leave
WORDS: Final = 200  # characters of a status: trailers hold 8 KiB
RETRY_DELAY: Final = 1  # second
GZIP: Final = b"\x1f\x8b"  # no message of protobuf begins so
AUTHORIZATION: Final = "authorization"
MOST: Final = 2**31 - 1  # grpcio's options are ints of C
Messages = AsyncIterator[bytes]


class NoMessageError(Exception):
    """A call has ended before its message came."""


class GrpcServer:
    """Receives requests over gRPC.

    Args:
        intake: what takes their events.
        limits: what a connection is granted; for ``idle_timeout`` seconds a client may
            be silent before it is asked whether it is there.
        logger: is told of bugs.
        answers: counts the answers by the names of their codes.

    Raises:
        ConfigurationError: grpcio is missing.
    """

    def __init__(
        self,
        intake: Intake,
        limits: HttpLimits,
        logger: Logger,
        answers: Counter[str],
    ) -> None:
        self._grpc = load_grpc("OtlpSource")
        self._intake = intake
        self._read_timeout = limits.read_timeout
        self._logger = logger
        self._answers = answers
        self._codes = {code.value[0]: code for code in self._grpc.StatusCode}
        self._server = self._grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", min(limits.max_body, MOST)),
                ("grpc.per_message_decompression", 0),
                ("grpc.keepalive_time_ms", milliseconds(limits.idle_timeout)),
            )
        )
        for kind in KINDS.values():
            self._server.add_generic_rpc_handlers((self._handler(kind),))

    def _handler(self, kind: Kind) -> Any:
        """The service of one signal.

        To grpcio it takes a stream, so that a message is read when we ask for it; with
        one message that is the same on the wire.
        """
        export = self._grpc.stream_unary_rpc_method_handler(self._export(kind))
        return self._grpc.method_handlers_generic_handler(
            kind.service, {"Export": export}
        )

    async def open(self, host: str, port: int, tls: Certificates | None) -> int:
        """Bind the address; the port that is bound.

        Raises:
            ConfigurationError: the address cannot be had, or a file cannot be used.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, self._credentials(tls))
        except RuntimeError as error:
            raise ConfigurationError(
                f"OtlpSource cannot listen on {address} for gRPC (the address cannot "
                "be bound); grpc_port=0 picks a free port"
            ) from error
        await self._server.start()
        return int(bound)

    def _credentials(self, tls: Certificates) -> Any:
        """What the server shows, and what it asks of its clients."""
        pair = (pem(tls.key or tls.certificate), pem(tls.certificate))
        return self._grpc.ssl_server_credentials(
            [pair],
            root_certificates=pem(tls.client_authority),
            require_client_auth=tls.client_authority is not None,
        )

    async def close(self) -> None:
        """Let the address and the connections go."""
        await self._server.stop(CLOSE_GRACE)

    def _export(self, kind: Kind) -> Callable[[Messages, Any], Awaitable[bytes]]:
        """What answers the requests of one signal."""

        async def export(messages: Messages, context: Any) -> bytes:
            try:
                answer = await self._receive(kind, messages, context)
            except RefusedError as error:
                refusal = error
            except NoMessageError:
                # grpcio has answered itself if there was one that is too large
                return await abort(context, self._codes[3], "a call without a message")
            except Exception:
                self._logger.exception("a call of %s failed", kind.service)
                refusal = RefusedError(500, "the receiver failed")
            else:
                self._answers["OK"] += 1
                return answer
            return await self._refuse(context, refusal)

        return export

    async def _receive(self, kind: Kind, messages: Messages, context: Any) -> bytes:
        """Take a message's events.

        Raises:
            RefusedError: they are not taken.
        """
        self._intake.admit(authorization(context))
        with self._intake.arriving:
            body = await self._read(messages)
            if body[:2] == GZIP:
                body = await self._intake.unpack(body)
            events = await self._intake.decode(kind, "protobuf", body)
        taken = await self._intake.hand_over(events)
        return encode_response(taken.rejected, taken.words[:LONGEST_WORDS])

    async def _read(self, messages: Messages) -> bytes:
        """The call's message, as it was sent."""
        try:
            async with asyncio.timeout(self._read_timeout):
                return await anext(messages)
        except TimeoutError:
            words = f"the message took more than {self._read_timeout:g} s"
            raise RefusedError(408, words) from None
        except StopAsyncIteration:
            raise NoMessageError from None

    async def _refuse(self, context: Any, refusal: RefusedError) -> bytes:
        """End a call with the code of its refusal, and count it."""
        code = self._codes[GRPC_CODES[refusal.status]]
        self._answers[code.name] += 1
        words = str(refusal)[:WORDS]
        delay = RETRY_DELAY if refusal.status == 503 else None
        status = encode_status(code.value[0], words, retry_delay=delay)
        return await abort(context, code, words, ((DETAILS, status),))


async def abort(context: Any, code: Any, words: str, trailers: Any = ()) -> bytes:
    """End a call with a code; this raises, as grpcio wants it."""
    await context.abort(code, words, trailers)
    return b""


def milliseconds(seconds: float) -> int:
    """A time as grpcio takes it."""
    return max(1, int(min(seconds * 1000, MOST)))


def authorization(context: Any) -> str:
    """The text of a call's authorization; empty without one."""
    for key, value in context.invocation_metadata() or ():
        if key == AUTHORIZATION and isinstance(value, str):
            return value
    return ""
