"""An instrumented client calls a server; the sinks call it by the same library."""

import asyncio
import json
import sys

import aiohttp
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from servers.http_peers import answering, status

from sluiceway import LogRecord, Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink

telemetry = Telemetry("shop", export_interval=3600)
telemetry.install()
AioHttpClientInstrumentor().instrument()


async def main():
    async with answering(status(200)) as server:
        telemetry.logs.emit_nowait(LogRecord(body="an order"))
        sources = [telemetry.spans, telemetry.metrics, telemetry.logs]
        chains = [each >> OtlpSink(server.url) for each in sources]
        async with Pipeline(*chains) as pipeline, aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/shop"):
                pass
            for _ in range(3):
                await pipeline.flush()
        return [
            (request.path, body)
            for request, body in zip(server.requests, server.bodies, strict=True)
        ]


def names(body):
    return [
        span.name
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


told = asyncio.run(main())
spans = [name for path, body in told if path == "/v1/traces" for name in names(body)]
sys.stdout.write(json.dumps({"spans": spans, "paths": [path for path, _ in told]}))
