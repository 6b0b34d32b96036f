"""Route templates of Starlette and FastAPI, also through mounts and routers."""

from __future__ import annotations

import aiohttp
import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from servers.web_servers import telling, uvicorn_serving
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sluiceway.web import AsgiMiddleware
from sluiceway.web.routes import StarletteRoutes


async def answer(request):
    return PlainTextResponse("ok")


async def plain(scope, receive, send):
    await PlainTextResponse("ok")(scope, receive, send)


def fastapi_application():
    app, inner, router = FastAPI(), FastAPI(), APIRouter(prefix="/carts")

    @app.get("/items/{item_id}")
    async def item(item_id: int):
        return item_id

    @inner.get("/users/{user}")
    async def user(user: str):
        return user

    @router.get("/{cart}")
    async def cart(cart: str):
        return cart

    app.include_router(router, prefix="/v1")
    app.mount("/tenants/{tenant}", inner)
    app.mount("/assets", plain)
    return app


def starlette_application():
    inner = [Route("/b/{id:int}", answer), Route("/files/{path:path}", answer)]
    return Starlette(
        routes=[
            Route("/a/{id:int}", answer, methods=["POST"]),
            Mount("/m/{unit}", routes=[Mount("/n", routes=inner)]),
            Mount("/k/{number:int}", routes=inner),
            Mount("/assets", plain),
            Mount("/shop", fastapi_application()),
        ]
    )


def names(app, paths):
    async def main():
        async with telling() as told:
            app.add_middleware(AsgiMiddleware, telemetry=told.telemetry)
            async with uvicorn_serving(app) as at, aiohttp.ClientSession() as client:
                for path in paths:
                    async with client.get(f"http://{at}{path}") as got:
                        await got.read()
        return [span.name for span in told.spans]

    return main()


def test_fastapi_routes_have_their_whole_template(run):
    expected = {
        "/items/4": "GET /items/{item_id}",
        "/items/no-number": "GET /items/{item_id}",
        "/v1/carts/9": "GET /v1/carts/{cart}",
        "/tenants/t1/users/u1": "GET /tenants/{tenant}/users/{user}",
        "/assets/any/thing": "GET /assets",
        "/tenants/t1/nothing": "GET /tenants/{tenant}",
        "/openapi.json": "GET /openapi.json",
        "/nowhere/4711": "GET",
    }
    assert run(names(fastapi_application(), expected)) == [*expected.values()]


def test_starlette_routes_have_their_whole_template(run):
    expected = {
        "/a/5": "GET /a/{id:int}",  # 405, by the route that is there
        "/m/u/n/b/4": "GET /m/{unit}/n/b/{id:int}",
        "/m/n/n/files/x/n/y": "GET /m/{unit}/n/files/{path:path}",
        "/k/007/b/7": "GET /k/{number:int}/b/{id:int}",
        "/assets/any/assets": "GET /assets",
        "/shop/items/3": "GET /shop/items/{item_id}",
        "/shop/v1/carts/4": "GET /shop/v1/carts/{cart}",
    }
    assert run(names(starlette_application(), expected)) == [*expected.values()]


def included_in(*mounts):
    """Routes of routers that FastAPI includes, below mounts."""
    inner, app = APIRouter(), FastAPI()

    @inner.get("/carts/{cart}")
    async def cart(cart: str):
        return cart

    app.include_router(inner, prefix="/v1/{version}")
    routes = [Mount(path, app) for path in mounts]
    return Starlette(routes=routes)


def test_a_route_of_an_included_router_has_its_whole_template(run):
    expected = {
        "/shop/v1/beta/carts/4": "GET /shop/v1/{version}/carts/{cart}",
        "/units/7/v1/beta/carts/4": "GET /units/{unit}/v1/{version}/carts/{cart}",
    }
    app = included_in("/shop", "/units/{unit}")
    assert run(names(app, expected)) == [*expected.values()]


def test_another_framework_tells_its_route_by_a_function(run):
    def route_of(scope):
        return scope["template"]

    async def app(scope, receive, send):
        if scope["path"] != "/untold":
            scope["template"] = "/of/{mine}"
        await plain(scope, receive, send)

    async def main():
        async with telling() as told:
            wrapped = AsgiMiddleware(app, told.telemetry, route_of=route_of)
            async with (
                uvicorn_serving(wrapped) as at,
                aiohttp.ClientSession() as client,
            ):
                for path in ("/of/1", "/untold"):
                    async with client.get(f"http://{at}{path}") as got:
                        assert got.status == 200
        return [span.name for span in told.spans]

    assert run(main()) == ["GET /of/{mine}", "GET"]


def test_an_application_that_is_mounted_in_itself_is_looked_through(run):
    app = Starlette(routes=[Route("/x", answer)])
    app.router.routes.append(Mount("/again", app))
    expected = {"/x": "GET /x", "/again/again/x": "GET /again/again/x"}
    assert run(names(app, expected)) == [*expected.values()]


class Leaf:
    def __init__(self, path):
        self.path = path
        self.endpoint = answer


@given(st.text(max_size=30), st.text(max_size=10))
def test_nothing_of_a_path_gets_into_a_template(path, value):
    """Also where only the innermost route is known, and parameters were converted."""
    scope = {"route": Leaf("/x/{id}"), "path": f"/x/{value}", "path_params": {}}
    assert StarletteRoutes()(scope) == "/x/{id}"
    scope = {"route": Leaf("/x/{id}"), "path": path, "path_params": {"m": object()}}
    assert StarletteRoutes()(scope) == "/x/{id}"


@pytest.mark.parametrize(
    ("number", "name"),
    [("7", "/k/{number}/x/{id}"), ("007", "/x/{id}")],
)
def test_a_converted_value_that_is_not_found_again_shortens_the_template(number, name):
    scope = {
        "route": Leaf("/x/{id}"),
        "path": f"/k/{number}/x/4",
        "path_params": {"number": 7, "id": "4"},
    }
    assert StarletteRoutes()(scope) == name


@pytest.mark.parametrize("route", [None, object(), Leaf(None)])
def test_what_is_no_route_gives_no_template(route):
    assert StarletteRoutes()({"route": route, "path": "/"}) is None


class WithoutRoute(dict):
    """A scope as Starlette up to 1.0 leaves it: with an endpoint and no route."""

    def __setitem__(self, key, value):
        if key != "route":
            super().__setitem__(key, value)


def test_a_starlette_that_names_no_route_is_looked_through(run):
    expected = {
        "/a/5": "GET /eu/a/{id:int}",
        "/m/n/n/b/4": "GET /eu/m/{unit}/n/b/{id:int}",
        "/k/007/b/8": "GET /eu/k/{number:int}/b/{id:int}",
        "/k/8/nothing": "GET /eu/k/{number:int}",
        "/assets/any/assets": "GET /eu/assets",
        "/shop/items/3": "GET /eu/shop/items/{item_id}",
        "/nowhere/4711": "GET",
    }

    async def main():
        async with telling() as told:
            app = starlette_application()
            app.add_middleware(AsgiMiddleware, telemetry=told.telemetry)

            async def serve(scope, receive, send):
                await app(WithoutRoute(scope), receive, send)

            async with (
                uvicorn_serving(serve, root_path="/eu") as at,
                aiohttp.ClientSession() as client,
            ):
                for path in expected:
                    async with client.get(f"http://{at}{path}") as got:
                        await got.read()
        return [span.name for span in told.spans]

    assert run(main()) == [*expected.values()]
