"""``/readyz`` tells of health checks, and ``/healthz`` of none, in all applications."""

from __future__ import annotations

import json
import threading

import aiohttp
import pytest
from aiohttp import web
from servers.web_servers import aiohttp_serving, uvicorn_serving
from starlette.applications import Starlette
from starlette.routing import Mount
from waiting import until

from sluiceway import Pipeline
from sluiceway.events import HealthStatus
from sluiceway.health import Check
from sluiceway.sources import HealthSource
from sluiceway.testing import CollectingSink, ManualClock
from sluiceway.web import Pages


def in_asgi(pages):
    return uvicorn_serving(Starlette(routes=[Mount("/", pages)]))


def in_aiohttp(pages):
    app = web.Application()
    app.add_routes(pages.aiohttp_routes())
    return aiohttp_serving(app)


@pytest.fixture(params=[in_asgi, in_aiohttp])
def serving(request):
    return request.param


async def asked(at, path="/readyz"):
    async with aiohttp.ClientSession() as client, client.get(f"http://{at}{path}") as a:
        assert a.headers["Cache-Control"] == "no-store"
        return a.status, await a.json()


class Shop:
    """A database that everything needs and a cache that helps."""

    def __init__(self):
        self.database, self.cache = True, True

    async def ask_database(self):
        if not self.database:
            raise OSError("postgres://shop:swordfish@db is not there")
        return "healthy", "12 ms", {"pool": 3, "odd": {1, 2}}

    async def ask_cache(self):
        return self.cache

    async def ask_api(self):
        return (self.database, "asks the database")

    def source(self):
        return HealthSource(
            [
                Check("database", self.ask_database, interval=10, failures=1),
                Check("cache", self.ask_cache, interval=10, failures=1, critical=False),
                Check(
                    "api",
                    self.ask_api,
                    interval=10,
                    failures=1,
                    depends_on=["database"],
                ),
            ]
        )


def served(shop, **settings):
    clock, source = ManualClock(), shop.source()
    pipeline = Pipeline(source >> CollectingSink(), clock=clock)
    return pipeline, clock, Pages(pipeline, health=source, **settings)


def test_ready_is_whoever_has_its_critical_checks_healthy(run, serving):
    async def main():
        shop = Shop()
        pipeline, clock, pages = served(shop)
        async with pipeline, serving(pages) as at:
            answers = [await asked(at)]
            await clock.advance(1)
            answers.append(await asked(at))
            shop.cache = False
            await clock.advance(10)
            answers.append(await asked(at))
            shop.database = False
            await clock.advance(10)
            answers += [await asked(at), await asked(at, "/healthz")]
            shop.database = shop.cache = True
            await clock.advance(10)
            answers.append(await asked(at))
        return answers

    before, well, degraded, down, alive, again = run(main())
    assert before[0] == 503
    assert before[1]["reason"] == "api is unknown"
    assert well == (
        200,
        {
            "status": "ok",
            "state": "running",
            "health": "healthy",
            "checks": {
                "database": {
                    "status": "healthy",
                    "critical": True,
                    "since": "2023-11-14T22:13:20Z",
                    "message": "12 ms",
                },
                "cache": {
                    "status": "healthy",
                    "critical": False,
                    "since": "2023-11-14T22:13:20.333333333Z",
                },
                "api": {
                    "status": "healthy",
                    "critical": True,
                    "since": "2023-11-14T22:13:20.666666667Z",
                    "message": "asks the database",
                },
            },
        },
    )
    assert (degraded[0], degraded[1]["health"]) == (200, "degraded")
    assert degraded[1]["checks"]["cache"]["since"].startswith("2023-11-14T22:13:30.33")
    assert down[0] == 503
    assert down[1]["reason"] == "database is unhealthy, api is unknown"
    assert down[1]["checks"]["database"]["message"] == "OSError"
    told = "database is unhealthy; asks the database"
    assert down[1]["checks"]["api"]["message"] == told
    assert alive == (200, {"status": "ok", "state": "running"})
    assert again[0] == 200


def test_details_and_the_texts_of_exceptions_are_told_on_request_only(run, serving):
    async def main(**settings):
        shop = Shop()
        pipeline, clock, pages = served(shop, **settings)
        async with pipeline, serving(pages) as at:
            await clock.advance(1)
            well = (await asked(at))[1]["checks"]["database"]
            shop.database = False
            await clock.advance(10)
            return well, (await asked(at))[1]["checks"]["database"]

    well, down = run(main())
    assert "swordfish" not in json.dumps(down)
    assert not {"details", "duration", "checked_at"} & {*well}
    well, down = run(main(details=True))
    assert well["details"] == {"pool": 3, "odd": [1, 2]}
    assert well["checked_at"] == "2023-11-14T22:13:20Z"
    assert well["duration"] == 0.0
    assert down["message"] == "OSError: postgres://shop:swordfish@db is not there"


def test_what_a_check_tells_never_keeps_a_page_from_answering(run, serving):
    class Odd:
        def __repr__(self):
            raise RuntimeError

    async def main():
        async def odd():
            return True, "\ud800", {"a": Odd()}

        async def huge():
            return True, "", {"n": 1 << 80, "f": float("nan"), "b": b"\xff"}

        clock = ManualClock()
        source = HealthSource([Check("odd", odd), Check("huge", huge)])
        pipeline = Pipeline(source >> CollectingSink(), clock=clock)
        pages = Pages(pipeline, health=source, details=True)
        async with pipeline, serving(pages) as at:
            await clock.advance(1)
            return await asked(at)

    status, body = run(main())
    assert status == 200
    assert body["checks"]["odd"]["message"] == "?"
    error = {"error": "what the check told cannot be written as JSON"}
    assert body["checks"]["odd"]["details"] == error
    assert "n" in body["checks"]["huge"]["details"] or (
        body["checks"]["huge"]["details"] == error
    )


def test_a_page_answers_at_once_while_a_check_hangs(run, serving):
    released = threading.Event()

    async def main():
        clock = ManualClock()
        source = HealthSource([Check("hung", released.wait, failures=1)])
        pipeline = Pipeline(source >> CollectingSink(), clock=clock)
        async with pipeline, serving(Pages(pipeline, health=source)) as at:
            await until(lambda: source._runs[0].under_way)
            first = await asked(at)
            await clock.advance(6)
            second = await asked(at)
            released.set()
        return first, second

    first, second = run(main())
    assert first[1]["checks"]["hung"]["message"] == "it has not run yet"
    assert first[1]["checks"]["hung"]["since"] is None
    assert second[0] == 503
    assert second[1]["checks"]["hung"]["message"] == "no answer within 5 s"


def test_a_stopped_pipeline_is_unready_and_its_last_results_are_not_believed_for_long(
    run, serving
):
    async def main():
        pipeline, clock, pages = served(Shop())
        async with serving(pages) as at:
            async with pipeline:
                await clock.advance(1)
            stopped = await asked(at)
            clock.move(60)
            return stopped, await asked(at)

    stopped, later = run(main())
    assert stopped[0] == later[0] == 503
    assert stopped[1]["reason"] == "the pipeline is stopped"
    assert stopped[1]["health"] == HealthStatus.HEALTHY.value
    assert later[1]["health"] == HealthStatus.UNKNOWN.value
    assert later[1]["reason"].startswith("the pipeline is stopped; database is unknown")
