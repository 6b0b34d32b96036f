"""Every network sink against a peer that misbehaves, in a pipeline with a neighbour."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest
from waiting import until

from sluiceway import Pipeline, Retry
from sluiceway.events import MetricPoint
from sluiceway.sinks import OtlpSink, PushgatewaySink, WebhookSink
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, MisbehavingServer

OTLP = {
    "OtlpSink": OtlpSink,
    "OtlpSink JSON": partial(OtlpSink, protocol="http/json"),
}
SINKS = {**OTLP, "PushgatewaySink": PushgatewaySink, "WebhookSink": WebhookSink}
RETRY_NEVER = Retry(deadline=0)
SECRETS = ("open-sesame", "swordfish")
HEADERS = {"Authorization": "Bearer open-sesame", "X-Key": "swordfish"}
POINTS = [MetricPoint(name=name, value=1) for name in "abc"]
WORDS = {"Content-Type": "text/plain", "Retry-After": "0"}
TOLD = {"headers": WORDS, "body": b"no: open-sesame swordfish"}

CONNECTION = "errored{connection}"
TIMEOUT = "errored{timeout}"
NOT_HTTP = "errored{not_http}"
DELIVERED = ""

# What the server does, the time-out, and where the events of every sink end.
ALIKE = [
    ("answers", {}, 5, DELIVERED),
    ("answers", {"status": 204}, 5, DELIVERED),
    ("refuses", {}, 5, CONNECTION),
    ("resets", {}, 5, CONNECTION),
    ("resets", {"early": True}, 5, CONNECTION),
    ("closes", {}, 5, CONNECTION),
    ("half_closes", {}, 5, CONNECTION),
    ("stalls", {}, 0.2, TIMEOUT),
    ("stalls", {"early": True}, 0.2, TIMEOUT),
    ("drips", {}, 0.2, TIMEOUT),
    ("garbage", {}, 5, NOT_HTTP),
    ("answers", {"headers": {"X-Long": "x" * 100_000}}, 5, NOT_HTTP),
    *(
        ("answers", {"status": status, **TOLD}, 5, f"rejected{{http_{status}}}")
        for status in (301, 307, 400, 401, 403, 404, 405, 410, 413, 415, 422, 451)
    ),
    *(
        ("answers", {"status": status, **TOLD}, 5, f"errored{{http_{status}}}")
        for status in (429, 502, 503, 504)
    ),
    *(
        (what, {"status": status, **TOLD, "pause": 0}, 5, f"{word}{{http_{status}}}")
        for what in ("drips", "floods", "cuts")
        for status, word in ((400, "rejected"), (429, "errored"), (503, "errored"))
    ),
]
# Where the sinks differ: OTLP has its own list of what a retry can help, and must read
# the answer to a success, which says what was not taken.
DIFFERENT = [
    ("answers", {"status": 500, **TOLD}, "rejected{http_500}", "errored{http_500}"),
    ("answers", {"status": 501, **TOLD}, "rejected{http_501}", "errored{http_501}"),
    ("cuts", {"body": b"x"}, CONNECTION, DELIVERED),
    ("floods", {}, "rejected{response_too_large}", DELIVERED),
]


def named(case):
    what, settings, *_, expected = case
    return f"{what} {settings.get('status', 200)} {expected or 'delivered'}"


def made(kind, url, timeout, retry=RETRY_NEVER):
    return kind(url, name="net", headers=HEADERS, timeout=timeout, retry=retry)


async def ends_of(kind, what, settings, timeout, *, lingers=False):
    """What the ledger says of a peer that does this, and what the neighbour got."""
    neighbour = CollectingSink()
    async with MisbehavingServer() as server:
        await server.behave(what, **settings)
        sink = made(kind, server.url, timeout)
        pipeline = Pipeline(IterableSource(POINTS) >> [sink, neighbour])
        await pipeline.run()
        async with asyncio.timeout(5):
            await until(lambda: lingers or server.connections == 0)
    return pipeline.ledger(), neighbour.events


def lost_in(ledger):
    return "".join(ledger.losses.get("net", {}))


def check(caplog, ledger, neighbour, expected):
    assert lost_in(ledger) == expected
    assert ledger.balanced
    assert ledger.held == 0
    assert ledger.lost == (len(POINTS) if expected else 0)
    assert sorted(point.name for point in neighbour) == ["a", "b", "c"]
    assert not [secret for secret in SECRETS if secret in caplog.text + str(ledger)]
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize("kind", SINKS.values(), ids=SINKS)
@pytest.mark.parametrize("case", ALIKE, ids=named)
def test_a_fault_ends_in_its_column_and_harms_no_neighbour(run, caplog, kind, case):
    what, settings, timeout, expected = case
    caplog.set_level(logging.INFO)
    ledger, neighbour = run(ends_of(kind, what, settings, timeout))
    check(caplog, ledger, neighbour, expected)


@pytest.mark.parametrize("kind", SINKS.values(), ids=SINKS)
@pytest.mark.parametrize("case", DIFFERENT, ids=named)
def test_a_fault_that_protocols_see_differently_ends_as_theirs_says(
    run, caplog, kind, case
):
    what, settings, for_otlp, for_others = case
    caplog.set_level(logging.INFO)
    ledger, neighbour = run(ends_of(kind, what, settings, 5))
    check(caplog, ledger, neighbour, for_otlp if kind in OTLP.values() else for_others)


@pytest.mark.parametrize("kind", SINKS.values(), ids=SINKS)
@pytest.mark.parametrize(
    ("what", "settings"),
    [
        ("resets", {}),
        ("closes", {}),
        ("half_closes", {}),
        ("garbage", {}),
        ("cuts", {"status": 503}),
        ("floods", {"status": 429}),
        ("answers", {"status": 503, "headers": {"Retry-After": "0"}}),
    ],
)
def test_a_fault_that_passes_costs_nothing(run, caplog, kind, what, settings):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave(what, times=2, **settings)
            sink = made(kind, server.url, 5, Retry(initial=0.001))
            pipeline = Pipeline(IterableSource(POINTS) >> sink)
            await pipeline.run()
        return pipeline.ledger(), server.requests

    ledger, requests = run(scenario())
    assert (ledger.delivered, ledger.lost, ledger.balanced) == (3, 0, True)
    assert len(requests) == 3
    assert len({request.body for request in requests}) == 1


@pytest.mark.parametrize("kind", SINKS.values(), ids=SINKS)
def test_a_peer_that_comes_back_is_found_again(run, kind):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave("refuses")
            sink = made(kind, server.url, 5, Retry(initial=0.001, maximum=0.01))
            pipeline = Pipeline(IterableSource(POINTS) >> sink)
            async with pipeline:
                await asyncio.sleep(0)
                await server.behave("answers")
            return pipeline.ledger()

    ledger = run(scenario())
    assert (ledger.delivered, ledger.lost) == (3, 0)


@pytest.mark.parametrize(
    ("what", "settings"),
    [
        ("refuses", {}),
        ("resets", {}),
        ("closes", {}),
        ("half_closes", {}),
        ("stalls", {}),
        ("drips", {}),
        ("floods", {}),
        ("cuts", {}),
        ("garbage", {}),
        ("answers", {"status": 503}),
    ],
)
def test_a_peer_that_speaks_no_grpc_is_an_error_that_a_retry_can_help(
    run, caplog, what, settings
):
    pytest.importorskip("grpc")
    caplog.set_level(logging.INFO)
    kind = partial(OtlpSink, protocol="grpc")
    # gRPC goes on with an attempt to connect for a while after its channel is closed.
    ledger, neighbour = run(ends_of(kind, what, settings, 0.5, lingers=True))
    check(caplog, ledger, neighbour, lost_in(ledger))
    assert lost_in(ledger).startswith("errored{")
    caplog.clear()  # errors in there would keep gRPC's thread
