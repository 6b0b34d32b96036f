"""A trace goes on in another service over real HTTP and real gRPC."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from flext_observability import (
    FlextBackend,
    FlextObservabilityConfig,
    FlextTracingService,
    flext_create_trace,
    flext_extract_context,
    flext_grpc_metadata,
    flext_inject_context,
)
from sluiceway.testing import CollectingSink


@pytest.fixture
def sink():
    return CollectingSink()


@pytest.fixture
def service(sink):
    backend = FlextBackend(FlextObservabilityConfig(), sinks={"traces": [sink]})
    yield FlextTracingService(backend)
    assert backend.stop().unwrap().drained
    assert_one_trace(sink.events)


def assert_one_trace(spans):
    told = {span.name: span for span in spans}
    assert {*told} == {"asking", "answering"}
    assert told["asking"].trace_id == told["answering"].trace_id
    assert told["answering"].parent_span_id == told["asking"].span_id


async def answered(service, carrier):
    """The other side: what it does for a request with this carrier."""
    parent = flext_extract_context(carrier).unwrap()
    trace = flext_create_trace("answering", "bank.answer", parent=parent).unwrap()
    assert (await service.start_trace(trace)).is_success
    return (await service.complete_trace(trace)).unwrap()


async def asking(service):
    trace = flext_create_trace("asking", "shop.ask").unwrap()
    assert (await service.start_trace(trace)).is_success
    return trace


def test_over_http(service):
    async def handle(request):
        trace = await answered(service, request.headers)
        return web.Response(text=trace.trace_id)

    async def main():
        app = web.Application()
        app.router.add_get("/", handle)
        async with TestServer(app) as server, ClientSession() as session:
            trace = await asking(service)
            headers = flext_inject_context(trace, {"accept": "*/*"}).unwrap()
            async with session.get(server.make_url("/"), headers=headers) as response:
                assert await response.text() == trace.trace_id
        assert (await service.complete_trace(trace)).is_success

    asyncio.run(main())


def test_over_grpc(service):
    grpc = pytest.importorskip("grpc")

    async def handle(request, context):
        metadata = context.invocation_metadata()
        assert ("tenant", "ann") in [tuple(pair) for pair in metadata]
        return (await answered(service, metadata)).trace_id.encode()

    async def main():
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(handle)
        handlers = grpc.method_handlers_generic_handler("bank.Bank", {"Ask": handler})
        server.add_generic_rpc_handlers((handlers,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                trace = await asking(service)
                ask = channel.unary_unary("/bank.Bank/Ask")
                metadata = flext_grpc_metadata(trace, [("Tenant", "ann")]).unwrap()
                assert await ask(b"", metadata=metadata) == trace.trace_id.encode()
            assert (await service.complete_trace(trace)).is_success
        finally:
            await server.stop(None)

    asyncio.run(main())
