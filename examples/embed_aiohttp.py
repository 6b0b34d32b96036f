"""A pipeline embedded in an aiohttp application, exporting over OTLP.

The application sends its spans to OTEL_EXPORTER_OTLP_ENDPOINT (an OpenTelemetry
Collector on localhost:4318 by default) and serves its metrics for a scrape.

Run it: python examples/embed_aiohttp.py 8080, then curl localhost:8080/hello/you
"""

import sys

from aiohttp import web

from sluiceway import Pipeline, Span, processor
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink, PrometheusSink

telemetry = Telemetry("greeter", export_interval=1.0)
tracer = telemetry.tracer(__name__)
greetings = telemetry.meter(__name__).counter("greetings", unit="{greeting}")
scrape_page = PrometheusSink(port=None)


@processor
def hide_names(span: Span) -> Span:
    """Keep people's names out of the traces."""
    span.attributes.pop("greeter.name", None)
    return span


otlp = OtlpSink()
pipeline = Pipeline(
    telemetry.spans >> hide_names >> otlp,
    telemetry.metrics >> [otlp, scrape_page],
    drain_timeout=5.0,
)


async def hello(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    with tracer.span("hello", attributes={"greeter.name": name}):
        greetings.add(1, {"polite": True})
        return web.Response(text=f"Hello, {name}!\n")


async def ledger(_request: web.Request) -> web.Response:
    return web.Response(text=f"{pipeline.ledger()}\n")


def application() -> web.Application:
    app = web.Application()
    app.add_routes(
        [
            web.get("/hello/{name}", hello),
            web.get("/ledger", ledger),
            web.get("/metrics", scrape_page.handle),
        ]
    )
    app.cleanup_ctx.append(pipeline.lifespan)
    return app


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    web.run_app(application(), host="127.0.0.1", port=port)
    print(pipeline.ledger())
