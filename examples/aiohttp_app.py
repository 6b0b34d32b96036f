"""An aiohttp application whose traces, metrics and logs leave it over OTLP.

They go to OTEL_EXPORTER_OTLP_ENDPOINT, by default a collector on localhost:4318. The
metrics can be scraped at /metrics too; /healthz and /readyz are for an orchestrator.

Run it: python examples/aiohttp_app.py 8080, then curl localhost:8080/hello/you
With several workers, in examples/:
gunicorn aiohttp_app:worker -w 2 -k aiohttp.GunicornWebWorker --graceful-timeout 30
"""

import logging
import os
import sys

from aiohttp import web

from sluiceway import Pipeline, Span, processor
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink, PrometheusSink
from sluiceway.web import Pages, aiohttp_middleware

telemetry = Telemetry("greeter")
tracer = telemetry.tracer(__name__)
greetings = telemetry.meter(__name__).counter("greetings", unit="{greeting}")

log = logging.getLogger("greeter")
log.setLevel(logging.INFO)
log.addHandler(telemetry.log_handler)


@processor
def hide_names(span: Span) -> Span:
    """Keep people's names out of the traces."""
    span.attributes.pop("greeter.name", None)
    return span


otlp, scrape_page = OtlpSink(), PrometheusSink(port=None, live=telemetry)
pipeline = Pipeline(
    telemetry.spans >> hide_names >> otlp,
    telemetry.metrics >> [otlp, scrape_page],
    telemetry.logs >> otlp,
    drain_timeout=10.0,  # less than what the server waits for its workers
)


async def hello(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    with tracer.span("greet", attributes={"greeter.name": name}):
        greetings.add(1, {"polite": True})
        log.info("greeting somebody")
    answer = {"hello": name, "process": os.getpid()}
    return web.json_response(answer)


def application() -> web.Application:
    app = web.Application(middlewares=[aiohttp_middleware(telemetry)])
    app.add_routes([web.get("/hello/{name}", hello)])
    app.add_routes(Pages(pipeline, scrape_page).aiohttp_routes())
    app.cleanup_ctx.append(pipeline.lifespan)
    return app


async def worker() -> web.AppRunner:
    """What gunicorn runs: it would let connections end for all of its grace but 5 %."""
    return web.AppRunner(application(), shutdown_timeout=2.0)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    web.run_app(application(), host="127.0.0.1", port=port)
    print(pipeline.ledger())
