"""A web application in a process of its own, measured from outside by ``web_requests``.

``python -m benchmarks.web_server KIND CONTESTANT LOOP URL`` serves ``/items/{id}``: one
span of the middleware's and one of the application's own. It tells its port on one
line, and ends when its input does. What is below ``/bench`` is not measured.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

import msgspec

from benchmarks.heartbeat import beat

Span = Callable[..., AbstractContextManager[Any]]
TICK = 0.001  # seconds between two portions of spans
EXCLUDED = "/bench"


class Contestant:
    """No telemetry at all; the others measure."""

    def __init__(self, url: str) -> None:
        self.url = url

    def span(self, name: str, *, attributes: dict[str, Any]) -> Any:  # noqa: ARG002
        return nullcontext()

    def fastapi(self, app: Any) -> None:
        """Make it measure requests."""

    def aiohttp(self) -> list[Any]:
        """The middlewares that measure requests."""
        return []

    async def flush(self) -> None:
        """Return once everything has been answered for."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield


class Sluiceway(Contestant):
    def __init__(self, url: str) -> None:
        from sluiceway import Pipeline
        from sluiceway.instrument import Telemetry
        from sluiceway.sinks import OtlpSink

        self.telemetry = Telemetry("bench")
        otlp = OtlpSink(url)
        self.pipeline = Pipeline(
            self.telemetry.spans >> otlp, self.telemetry.metrics >> otlp
        )
        self.span = self.telemetry.tracer("bench").span

    def fastapi(self, app: Any) -> None:
        from sluiceway.web import AsgiMiddleware

        app.add_middleware(
            AsgiMiddleware, telemetry=self.telemetry, excluded=[EXCLUDED]
        )

    def aiohttp(self) -> list[Any]:
        from sluiceway.web import aiohttp_middleware

        return [aiohttp_middleware(self.telemetry, excluded=[EXCLUDED])]

    async def flush(self) -> None:
        await self.pipeline.flush()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.pipeline:
            yield
        ledger = self.pipeline.ledger()
        assert ledger.balanced, ledger
        assert ledger.lost == 0, ledger


class Sdk(Contestant):
    """The SDK with its batch processor, and the instrumentation of the framework."""

    def __init__(self, url: str) -> None:
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
        os.environ["OTEL_PYTHON_AIOHTTP_SERVER_EXCLUDED_URLS"] = EXCLUDED
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
            OTLPMetricExporter,
        )
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.tracers = TracerProvider(shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{url}/v1/traces")
        # as much room as our inlet has, so that it need not drop
        processor = BatchSpanProcessor(exporter, max_queue_size=100_000)
        self.tracers.add_span_processor(processor)
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"))
        self.meters = MeterProvider([reader], shutdown_on_exit=False)
        tracer = self.tracers.get_tracer("bench")
        self.span = tracer.start_as_current_span

    def fastapi(self, app: Any) -> None:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=self.tracers,
            meter_provider=self.meters,
            excluded_urls=EXCLUDED,
            exclude_spans=["receive", "send"],  # as many spans as we make
        )

    def aiohttp(self) -> list[Any]:
        from opentelemetry.instrumentation.aiohttp_server import (
            AioHttpServerInstrumentor,
        )
        from opentelemetry.metrics import set_meter_provider

        set_meter_provider(self.meters)
        # every application made from now on has its middleware
        AioHttpServerInstrumentor().instrument(tracer_provider=self.tracers)
        return []

    async def flush(self) -> None:
        assert await asyncio.to_thread(self.tracers.force_flush, 60_000)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield
        self.tracers.shutdown()
        self.meters.shutdown()


CONTESTANTS = {"nothing": Contestant, "sluiceway": Sluiceway, "SDK": Sdk}


class Bench:
    """What is asked of the server below ``/bench``."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant

    async def answer(self, what: str, rate: int) -> bytes:
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "cpu": self._cpu,
            "lag": lambda: self._lag(rate),
        }
        return msgspec.json.encode(await asked[what]())

    async def _cpu(self) -> float:
        """Seconds of CPU so far, all that was made until now sent off."""
        await self._contestant.flush()
        return time.process_time()

    async def _lag(self, rate: int, seconds: float = 1.0) -> dict[str, Any]:
        """How late a heartbeat was, in ms, and how many spans a second were made."""
        late: list[float] = []
        heart = asyncio.create_task(beat(late))
        made = await self._make_spans(rate, seconds)
        heart.cancel()
        await self._contestant.flush()
        return {"late": late, "made": made / seconds}

    async def _make_spans(self, rate: int, seconds: float) -> int:
        begin = time.perf_counter()
        made = seen = 0
        span = self._contestant.span
        while (passed := time.perf_counter() - begin) < seconds:
            due = int(passed * rate)
            # who is behind by more than 10 ms makes fewer
            portion = min(due - seen, rate // 100)
            for number in range(portion):
                with span("load", attributes={"cart.items": number % 7, "at": "eu"}):
                    pass
            made += portion
            seen = due
            await asyncio.sleep(TICK)
        return made


def fastapi_server(contestant: Contestant) -> Any:
    from fastapi import FastAPI

    app = FastAPI()
    bench = Bench(contestant)

    @app.get("/items/{item_id}")
    async def item(item_id: str) -> dict[str, str]:
        with contestant.span("load", attributes={"item.id": item_id, "at": "eu"}):
            return {"item": item_id}

    @app.get("/bench/{what}")
    async def ask(what: str, rate: int = 0) -> Any:
        return msgspec.json.decode(await bench.answer(what, rate))

    contestant.fastapi(app)
    return app


def aiohttp_server(contestant: Contestant) -> Any:
    from aiohttp import web

    bench = Bench(contestant)

    async def item(request: web.Request) -> web.Response:
        item_id = request.match_info["item_id"]
        with contestant.span("load", attributes={"item.id": item_id, "at": "eu"}):
            return web.json_response({"item": item_id})

    async def ask(request: web.Request) -> web.Response:
        rate = int(request.query.get("rate", 0))
        body = await bench.answer(request.match_info["what"], rate)
        return web.Response(body=body, content_type="application/json")

    middlewares = contestant.aiohttp()
    app = web.Application(middlewares=middlewares)
    app.add_routes([web.get("/items/{item_id}", item), web.get("/bench/{what}", ask)])
    return app


async def input_ends() -> None:
    await asyncio.to_thread(sys.stdin.read)


async def serve_fastapi(contestant: Contestant) -> None:
    import uvicorn

    config = uvicorn.Config(
        fastapi_server(contestant), log_level="error", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # for TCP_NODELAY
        listening.bind(("127.0.0.1", 0))
        async with contestant.running():
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            print(listening.getsockname()[1], flush=True)
            await input_ends()
            server.should_exit = True
            await serving


async def serve_aiohttp(contestant: Contestant) -> None:
    from aiohttp import web

    runner = web.AppRunner(aiohttp_server(contestant), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with contestant.running():
        print(runner.addresses[0][1], flush=True)
        await input_ends()
        await runner.cleanup()


SERVERS = {"fastapi": serve_fastapi, "aiohttp": serve_aiohttp}


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if loop == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop


def main() -> None:
    kind, contestant, loop, url = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(SERVERS[kind](CONTESTANTS[contestant](url)))


if __name__ == "__main__":
    main()
