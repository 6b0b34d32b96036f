"""An installed ``Telemetry``: nothing comes twice, whoever else would measure."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
import httpx
from fastapi import FastAPI
from sluiceway import Pipeline
from sluiceway.events import MetricPoint
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink
from sluiceway.web import AsgiMiddleware

telemetry, end = Telemetry("shop"), CollectingSink()
assert telemetry.install()
app = FastAPI()

@app.get("/items/{item_id}")
async def item(item_id: int):
    return item_id

@app.get("/healthz")
async def healthz():
    return "ok"

def inside(app):
    app.add_middleware(AsgiMiddleware, telemetry=telemetry, query=True)
    return app

def outside(app):
    return AsgiMiddleware(app, telemetry, query=True)

async def main():
    transport = httpx.ASGITransport(PLACE(app))
    async with Pipeline(telemetry.spans >> end, telemetry.metrics >> end):
        async with httpx.AsyncClient(transport=transport) as client:
            for path in ("items/4?token=s&a=1", "healthz"):
                answer = await client.get(f"http://shop/{path}")
                assert answer.status_code == 200
    for event in end.events:
        if isinstance(event, MetricPoint):
            if event.name == "http.server.request.duration":
                print("counted", event.value.count)
        elif event.scope.name != "httpx":
            print(event.scope.name, event.name, event.attributes["url.query"])

asyncio.run(main())
"""


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_what_fastapi_would_measure_is_measured_once_and_as_the_middleware_is_told(
    place,
):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.replace("PLACE", place)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = sorted(done.stdout.splitlines())
    assert lines == [
        "counted 1",
        "sluiceway.web GET /items/{item_id} token=REDACTED&a=1",
    ]
