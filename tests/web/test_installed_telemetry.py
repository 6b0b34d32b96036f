"""An installed ``Telemetry``: FastAPI measures of itself, and nothing comes twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
import httpx
from fastapi import FastAPI
from sluiceway import Pipeline
from sluiceway.events import MetricPoint, SpanKind
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink
from sluiceway.web import AsgiMiddleware

telemetry, end = Telemetry("shop"), CollectingSink()
assert telemetry.install()
app = FastAPI()

@app.get("/items/{item_id}")
async def item(item_id: int):
    return item_id

def inside(app):
    app.add_middleware(AsgiMiddleware, telemetry=telemetry)
    return app

def outside(app):
    return AsgiMiddleware(app, telemetry)

async def main():
    transport = httpx.ASGITransport(PLACE(app))
    async with Pipeline(telemetry.spans >> end, telemetry.metrics >> end):
        async with httpx.AsyncClient(transport=transport) as client:
            answer = await client.get("http://shop/items/4")
            assert answer.status_code == 200
    for event in end.events:
        if isinstance(event, MetricPoint):
            if event.name == "http.server.request.duration":
                print("counted", event.value.count)
        elif event.kind is SpanKind.SERVER:
            print(event.name)

asyncio.run(main())
"""


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_a_request_is_measured_once(place):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.replace("PLACE", place)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = sorted(done.stdout.splitlines())
    assert lines == ["GET /items/{item_id}", "counted 1"]
