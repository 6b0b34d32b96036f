"""A FastAPI application whose traces, metrics and logs leave it over OTLP.

They go to OTEL_EXPORTER_OTLP_ENDPOINT, by default a collector on localhost:4318. The
metrics can be scraped at /metrics too; /healthz and /readyz are for an orchestrator.

Run it in examples/: uvicorn fastapi_app:app --workers 2, or with uvicorn-worker:
gunicorn fastapi_app:app -w 2 -k uvicorn_worker.UvicornWorker --graceful-timeout 30
Then: curl localhost:8000/hello/you
"""

import logging
import os

from fastapi import FastAPI
from starlette.routing import Route

from sluiceway import Pipeline, Span, processor
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink, PrometheusSink
from sluiceway.web import AsgiMiddleware, Pages

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

app = FastAPI(lifespan=pipeline.lifespan)
app.add_middleware(AsgiMiddleware, telemetry=telemetry)
for path, page in Pages(pipeline, scrape_page).items():
    app.router.routes.append(Route(path, page))


@app.get("/hello/{name}")
async def hello(name: str) -> dict[str, str | int]:
    with tracer.span("greet", attributes={"greeter.name": name}):
        greetings.add(1, {"polite": True})
        log.info("greeting somebody")
    return {"hello": name, "process": os.getpid()}
