"""The web examples under uvicorn and gunicorn: no worker loses or doubles an event."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest
from servers.deployments import (
    GRACE,
    all_ready,
    deployed,
    instance_of,
    receiving,
)

from sluiceway.events import SpanKind

WORKERS = 2
REQUESTS = 100
UVICORN = (
    *("uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", "{port}"),
    *("--workers", str(WORKERS), "--timeout-graceful-shutdown", str(GRACE)),
)
GUNICORN = (
    *("gunicorn", "-b", "127.0.0.1:{port}", "-w", str(WORKERS)),
    *("--graceful-timeout", str(GRACE)),
)
FASTAPI = (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "fastapi_app:app")
OWN_WORKER = (*GUNICORN, "-k", "asgi", "fastapi_app:app")
AIOHTTP = (*GUNICORN, "-k", "aiohttp.GunicornWebWorker", "aiohttp_app:worker")
DEPLOYMENTS = {
    "uvicorn": UVICORN,
    "uvicorn uvloop": (*UVICORN, "--loop", "uvloop"),
    "gunicorn fastapi": FASTAPI,
    "gunicorn fastapi preload": (*FASTAPI, "--preload"),
    "gunicorn asgi": OWN_WORKER,
    "gunicorn aiohttp": AIOHTTP,
    "gunicorn aiohttp preload": (*AIOHTTP, "--preload"),
}


@pytest.fixture(params=DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def command(request):
    return request.param


async def ask_each(server, session, names):
    """Which process has answered for each name, where one did."""

    async def ask(name):
        answer = await server.get(session, f"/hello/{name}")
        return None if answer is None else answer[1]["process"]

    processes = await asyncio.gather(*map(ask, names))
    return {n: p for n, p in zip(names, processes, strict=True) if p is not None}


def requests_in(received, prefix):
    """The server spans of requests for such names, by name."""
    return [
        (span.attributes["url.path"].rpartition("/")[2], span)
        for span in received.spans
        if span.kind is SpanKind.SERVER
        and span.attributes["url.path"].startswith(f"/hello/{prefix}")
    ]


def session_for_each_call():
    """Connections that are not kept, so that both workers get some."""
    connector = aiohttp.TCPConnector(limit=16, force_close=True)
    return aiohttp.ClientSession(connector=connector)


@pytest.mark.timeout(180)
def test_no_worker_loses_doubles_or_inherits_an_event(run, tmp_path, command):
    async def main():
        async with receiving() as received:
            endpoint = f"http://127.0.0.1:{received.source.port}"
            async with (
                deployed(tmp_path, command, endpoint) as server,
                session_for_each_call() as session,
            ):
                await all_ready(server, session, WORKERS)
                names = [f"n{number}" for number in range(REQUESTS)]
                answered = await ask_each(server, session, names)
                assert len(answered) == REQUESTS
                await server.terminate()
        return received, answered, server.output

    received, answered, output = run(main(), timeout=170.0)
    spans = requests_in(received, "n")
    assert Counter(name for name, _ in spans) == Counter([*answered]), output
    assert all(instance_of(span)[1] == answered[name] for name, span in spans)

    greets = [span for span in received.spans if span.name == "greet"]
    parents = {span.span_id: span for span in received.spans}
    assert len({span.span_id for span in received.spans}) == len(received.spans)
    for greet in greets:
        parent = parents[greet.parent_span_id]
        assert instance_of(parent) == instance_of(greet)
        assert "greeter.name" not in greet.attributes

    instances = {instance_of(event) for event in received.spans}
    assert len({instance for instance, _ in instances}) == len(instances)
    assert len(instances) == WORKERS
    per_instance = Counter(map(instance_of, greets))
    counted = received.last_points("greetings")
    assert {key[0]: value for key, value in counted.items()} == per_instance
    logged = Counter(instance_of(record) for record in received.logs)
    assert logged == per_instance


@pytest.mark.timeout(180)
def test_sigterm_under_load_drains_what_was_answered(run, tmp_path, command):
    """Requests go on while the server ends; each that was answered is delivered."""

    async def main():
        async with receiving() as received:
            endpoint = f"http://127.0.0.1:{received.source.port}"
            async with (
                deployed(tmp_path, command, endpoint) as server,
                session_for_each_call() as session,
            ):
                await all_ready(server, session, WORKERS)
                answered, asked = {}, []
                ending = None
                while not server_is_gone(asked, answered):
                    names = [f"n{len(asked) + n}" for n in range(16)]
                    asked += names
                    answered.update(await ask_each(server, session, names))
                    if ending is None and len(asked) > REQUESTS:
                        ending = asyncio.create_task(server.terminate())
                await ending
        return received, asked, answered, server.output

    def server_is_gone(asked, answered):
        return asked and not {*asked[-16:]} & {*answered}

    received, asked, answered, output = run(main(), timeout=170.0)
    counts = Counter(name for name, _ in requests_in(received, "n"))
    assert not {*answered} - {*counts}, output
    assert set(counts) <= {*asked}
    assert set(counts.values()) == {1}
