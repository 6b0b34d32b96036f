"""OtlpSource: an OTLP receiver over HTTP and gRPC, for whatever speaks OpenTelemetry.

Law: a success is a promise, so it is given only after the pipeline has taken the events
(or delivered them); whatever else happens, the answer says whether trying again helps.
Source: OpenTelemetry protocol 1.11, ``docs/specification.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from logging import Logger
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from ..settings import Count, Port, Seconds
from ..sinks.addresses import checked_host
from ..sinks.http import FilePath
from ..stages import Send, Source, StageContext
from .otlp_checks import (
    checked_certificates,
    checked_grpc_port,
    checked_limits,
    checked_number,
    checked_seconds,
)
from .otlp_cors import checked_origins
from .otlp_http import HttpLimits, HttpServer
from .otlp_intake import Acknowledge, Intake, Limits, Telemetry

if TYPE_CHECKING:
    from .otlp_grpc import GrpcServer

MAX_BODY: Final = 64 * 1024 * 1024  # bytes


@frozen
class OtlpSourceStatistics:
    """What an OtlpSource has answered.

    Attributes:
        answers: how many requests, by HTTP status.
        events: how many events were taken.
        grpc_answers: how many calls, by the name of gRPC's code, but for those that
            grpcio answers itself: too large, another service.
    """

    answers: Mapping[int, int]
    events: int
    grpc_answers: Mapping[str, int] = field(factory=dict)


class OtlpSource(Source[Telemetry]):
    """Receives spans, metric points and log records over OTLP.

    HTTP takes protobuf and JSON on one port and answers in the same form; gRPC has a
    port of its own. A request is answered with success when its events are taken
    (``"accepted"``) or delivered (``"delivered"``); every other answer stands in
    ``otlp_answers``.

    Args:
        host: the address to listen on; default ``"127.0.0.1"``, this machine only.
        port: for HTTP, default 4318; 0 picks a free one, which ``port`` tells once
            open.
        grpc_port: for gRPC, usually 4317; None (default) for none. It needs the extra
            ``grpc``.
        max_body: bytes of a request, packed and unpacked; default 64 MiB.
        ack: ``"accepted"`` (default) answers once the pipeline has room for the events,
            ``"delivered"`` once every sink has answered for them.
        accept_timeout: seconds to wait for room; default 5. What is given up then the
            sender keeps and tries again; it is booked, as dropped, only where a branch
            of a fan-out has taken it.
        deliver_timeout: seconds to wait for deliveries; default 60. What is delivered
            later may arrive twice.
        read_timeout: seconds for a request's body to arrive; default 30.
        idle_timeout: seconds for a request's head to arrive on an open connection;
            default 75. A gRPC client that is silent so long must answer a ping.
        tokens: bearer tokens of which a request must show one; default none needed.
        certificate: a PEM file of the certificate to show; None speaks no TLS.
        certificate_key: a PEM file of its key; None if it stands in the same file.
        client_authority: a PEM file of the authorities of which clients must show a
            certificate; None (default) asks for none.
        decode: True (default) makes ``Span``, ``MetricPoint`` and ``LogRecord`` events;
            False sends each as it was encoded, for a tenth of the cost, to stages that
            take such: ``OtlpSink``, ``BatchBy``, samplers, and ``Decode``.
        cors_origins: the origins of web pages that may send over HTTP, such as
            ``["https://shop.example"]``, or ``["*"]`` for all; default none.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    _intake: Intake | None = None
    _events = 0

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: Port = 4318,
        *,
        grpc_port: Port | None = None,
        max_body: Count = MAX_BODY,
        ack: Acknowledge = "accepted",
        accept_timeout: Seconds = 5.0,
        deliver_timeout: Seconds = 60.0,
        read_timeout: Seconds = 30.0,
        idle_timeout: Seconds = 75.0,
        tokens: Collection[str] = (),
        certificate: FilePath | None = None,
        certificate_key: FilePath | None = None,
        client_authority: FilePath | None = None,
        decode: bool = True,
        cors_origins: Collection[str] = (),
        name: str | None = None,
    ) -> None:
        self.name = name
        self.host = checked_host("OtlpSource.host", host)
        self._wanted_port = self._port = checked_number("port", port, 0, 65535)
        self._wanted_grpc_port = self._grpc_port = checked_grpc_port(grpc_port)
        self.wants_delivery = ack == "delivered"
        self.sends_encoded = not decode
        self._limits = checked_limits(
            Limits(max_body, ack, accept_timeout, deliver_timeout, decode, tokens)
        )
        self._http_limits = HttpLimits(
            max_body=max_body,
            read_timeout=checked_seconds("read_timeout", read_timeout),
            idle_timeout=checked_seconds("idle_timeout", idle_timeout),
            cors_origins=checked_origins(cors_origins),
        )
        self._tls = checked_certificates(certificate, certificate_key, client_authority)
        self._servers: list[HttpServer | GrpcServer] = []
        self._answers, self._grpc_answers = Counter[int](), Counter[str]()

    @property
    def port(self) -> int:
        """The port: the bound one while open, the wished one before."""
        return self._port

    @property
    def grpc_port(self) -> int | None:
        """The port for gRPC: the bound one while open, the wished one before."""
        return self._grpc_port

    def __repr__(self) -> str:
        stopping = self._intake is not None and self._intake.stopping
        state = "stopping" if stopping else "open" if self._servers else "closed"
        ports = f"{self.host}:{self.port}"
        if self.grpc_port is not None:
            ports += f" grpc={self.grpc_port}"
        return f"<OtlpSource {ports} {state} ack={self._limits.ack}>"

    def statistics(self) -> OtlpSourceStatistics:
        """A snapshot of what was answered."""
        taken = 0 if self._intake is None else self._intake.events
        return OtlpSourceStatistics(
            dict(self._answers), self._events + taken, dict(self._grpc_answers)
        )

    # What the engine calls.

    async def open(self, context: StageContext) -> None:
        """Bind the addresses; requests are refused until ``run``.

        Raises:
            ConfigurationError: an address cannot be had, a file cannot be used, or
                grpcio is missing.
        """
        self._intake = intake = Intake(self._limits)
        logger = context.logger
        try:
            http = HttpServer(intake, self._http_limits, logger, self._answers)
            self._port = await http.open(self.host, self._wanted_port, self._tls)
            self._servers.append(http)
            logger.info("listening on %s, port %d", self.host, self._port)
            if self._wanted_grpc_port is not None:
                await self._open_grpc(intake, logger, self._wanted_grpc_port)
        except BaseException:
            await self.close()
            raise

    async def _open_grpc(self, intake: Intake, logger: Logger, port: int) -> None:
        """Bind gRPC's address."""
        from .otlp_grpc import GrpcServer  # noqa: PLC0415 - grpcio is an extra

        server = GrpcServer(intake, self._http_limits, logger, self._grpc_answers)
        self._servers.append(server)
        self._grpc_port = bound = await server.open(self.host, port, self._tls)
        logger.info("listening on %s, port %d, for gRPC", self.host, bound)

    async def run(self, send: Send[Telemetry]) -> None:
        """Serve until ``stop``, then until what has come in is handed over."""
        assert self._intake is not None
        await self._intake.run(send)

    def stop(self) -> bool:
        """Refuse from now on; ``run`` returns once the rest is handed over."""
        if self._intake is not None:
            self._intake.stop()
        return True

    async def close(self) -> None:
        """Let the addresses and the connections go."""
        servers, self._servers = self._servers, []
        self._port, self._grpc_port = self._wanted_port, self._wanted_grpc_port
        for server in servers:
            await server.close()
        intake, self._intake = self._intake, None
        if intake is not None:
            self._events += intake.events
