"""A collector of OpenTelemetry's own generated classes, which answers as told."""

from __future__ import annotations

from contextlib import asynccontextmanager

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2_grpc as metrics_grpc,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

SERVICES = [
    (
        traces_grpc.TraceServiceServicer,
        traces_grpc.add_TraceServiceServicer_to_server,
        traces.ExportTraceServiceResponse,
    ),
    (
        metrics_grpc.MetricsServiceServicer,
        metrics_grpc.add_MetricsServiceServicer_to_server,
        metrics.ExportMetricsServiceResponse,
    ),
    (
        logs_grpc.LogsServiceServicer,
        logs_grpc.add_LogsServiceServicer_to_server,
        logs.ExportLogsServiceResponse,
    ),
]


class Collector:
    """Keeps what it was sent; ``answer(context, request)`` may fail or fill in more."""

    def __init__(self, answer=None):
        self._answer = answer
        self.requests = []
        self.metadata = []
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def of(self, kind):
        return [request for request in self.requests if isinstance(request, kind)]

    def add_to(self, server):
        for base, add, response in SERVICES:
            servicer = type("Servicer", (base,), {"Export": self._export(response)})
            add(servicer(), server)

    def _export(self, response):
        async def export(servicer, request, context):
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            if self._answer is None:
                return response()
            return await self._answer(context, request) or response()

        return export


@asynccontextmanager
async def collecting(answer=None, *, port=0, credentials=None, options=()):
    """A gRPC collector on a free port."""
    collector = Collector(answer)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *options])
    collector.add_to(server)
    address = f"127.0.0.1:{port}"
    if credentials is None:
        collector.port = server.add_insecure_port(address)
    else:
        collector.port = server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)
