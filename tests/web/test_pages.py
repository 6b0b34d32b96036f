"""``/metrics``, ``/healthz`` and ``/readyz`` in both kinds of application."""

from __future__ import annotations

import gzip
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from fastapi import FastAPI
from servers.web_servers import aiohttp_serving, uvicorn_serving
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from sluiceway import Inlet, Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PrometheusSink
from sluiceway.testing import CollectingSink
from sluiceway.web import Pages

JSON = "application/json"


def in_starlette(pages):
    return uvicorn_serving(
        Starlette(routes=[Route(path, page) for path, page in pages.items()])
    )


def in_fastapi(pages):
    app = FastAPI()
    for path, page in pages.items():
        app.router.routes.append(Route(path, page))
    return uvicorn_serving(app)


def by_themselves(pages):
    return uvicorn_serving(pages)


def in_aiohttp(pages):
    app = web.Application()
    app.add_routes(pages.aiohttp_routes())
    return aiohttp_serving(app)


@pytest.fixture(params=[in_starlette, in_fastapi, by_themselves, in_aiohttp])
def serving(request):
    return request.param


async def asked(at, path, method="GET", **headers):
    """Status, headers and body, as they came."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as client,
        client.request(method, f"http://{at}{path}", headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


def shop():
    telemetry = Telemetry("shop", export_interval=3600.0)
    orders = telemetry.meter("shop").counter("orders", unit="{order}")
    scrape = PrometheusSink(port=None)
    return Pipeline(telemetry.metrics >> scrape), scrape, orders


def test_metrics_are_served_in_the_form_that_is_asked_for(run, serving):
    async def main():
        pipeline, scrape, orders = shop()
        async with pipeline, serving(Pages(pipeline, scrape)) as at:
            orders.add(3, {"paid": True})
            await pipeline.flush()
            text = await asked(at, "/metrics")
            wanted = "application/openmetrics-text; version=1.0.0"
            openmetrics = await asked(at, "/metrics", Accept=wanted)
            for n in range(100):
                orders.add(1, {"n": n})
            await pipeline.flush()
            packed = await asked(at, "/metrics", **{"Accept-Encoding": "gzip"})
        return text, openmetrics, packed

    text, openmetrics, packed = run(main())
    status, headers, body = text
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert headers["Vary"] == "Accept, Accept-Encoding"
    assert b'orders_total{paid="true"} 3' in body
    status, headers, body = openmetrics
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    status, headers, body = packed
    assert headers["Content-Encoding"] == "gzip"
    assert b"orders_total" in gzip.decompress(body)


def test_a_head_has_the_headers_of_a_get_and_no_body(run, serving):
    async def main():
        pipeline, scrape, orders = shop()
        async with pipeline, serving(Pages(pipeline, scrape)) as at:
            orders.add(1)
            await pipeline.flush()
            for path in ("/metrics", "/healthz"):
                got, asked_only = await asked(at, path), await asked(at, path, "HEAD")
                assert asked_only[0] == got[0] == 200
                assert asked_only[2] == b""
                for name in ("Content-Type", "Content-Length"):
                    assert asked_only[1][name] == got[1][name]

    run(main())


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_other_methods_are_a_405_that_names_the_allowed_ones(run, serving, method):
    async def main():
        pipeline, scrape, _ = shop()
        async with pipeline, serving(Pages(pipeline, scrape)) as at:
            for path in ("/metrics", "/healthz", "/readyz"):
                status, headers, body = await asked(at, path, method)
                assert status == 405
                assert headers["Allow"] == "GET, HEAD"
                assert headers["Content-Type"].startswith(JSON)
                assert b"reason" in body

    run(main())


def test_a_running_pipeline_is_healthy_and_ready(run, serving):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        async with pipeline, serving(Pages(pipeline)) as at:
            for path in ("/healthz", "/readyz"):
                status, headers, body = await asked(at, path)
                assert status == 200
                assert headers["Content-Type"].startswith(JSON)
                assert headers["Cache-Control"] == "no-store"
                assert body == b'{"status":"ok","state":"running"}'
            assert (await asked(at, "/metrics"))[0] == 404

    run(main())


def test_a_pipeline_is_not_ready_before_it_runs_and_dead_after_it(run, serving):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        async with serving(Pages(pipeline)) as at:
            before = [await asked(at, path) for path in ("/healthz", "/readyz")]
            async with pipeline:
                pass
            after = [await asked(at, path) for path in ("/healthz", "/readyz")]
        return before, after

    before, after = run(main())
    assert [status for status, _, _ in before] == [200, 503]
    assert b'"reason":"the pipeline is new"' in before[1][2]
    assert [status for status, _, _ in after] == [503, 503]
    assert b'"reason":"the pipeline is stopped"' in after[0][2]


@asynccontextmanager
async def failed_pipeline():
    """One with a stage that has failed for good, on a secret."""

    class Broken(Inlet):
        async def run(self, send):
            raise ValueError("password=swordfish")

    source = Broken("orders")
    pipeline = Pipeline(source >> CollectingSink(), Inlet() >> CollectingSink())
    async with pipeline:
        await pipeline.flush()
        yield pipeline


def test_a_stage_that_failed_is_named_without_its_error(run, serving):
    async def main():
        async with failed_pipeline() as pipeline, serving(Pages(pipeline)) as at:
            return [await asked(at, path) for path in ("/healthz", "/readyz")]

    for status, _, body in run(main()):
        assert status == 503
        assert b'"reason":"failed for good: orders"' in body
        assert b"swordfish" not in body


def test_pages_are_mounted_below_a_path_and_tell_what_is_not_there(run):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        app = Starlette(routes=[Mount("/ops", Pages(pipeline))])
        async with pipeline, uvicorn_serving(app) as at:
            found = await asked(at, "/ops/healthz")
            missing = await asked(at, "/ops/nothing")
        return found[0], missing[0], missing[2]

    found, missing, body = run(main())
    assert (found, missing) == (200, 404)
    assert body == b'{"reason":"there is no such page"}'


def test_a_page_refuses_a_websocket(run):
    async def main():
        pipeline = Pipeline(Inlet() >> CollectingSink())
        async with (
            pipeline,
            uvicorn_serving(Pages(pipeline)) as at,
            aiohttp.ClientSession() as client,
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(f"ws://{at}/healthz")

    run(main())
