"""Every network sink against a peer that misbehaves, in a pipeline with a neighbour."""

from __future__ import annotations

import asyncio
import logging

import pytest
from sinks.faulty_peers import CASES, NAMES, SECRETS
from waiting import until

from sluiceway import Pipeline, Retry, sinks
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, MisbehavingServer

RETRY_NEVER = Retry(deadline=0)
WORDS = {"Content-Type": "text/plain", "Retry-After": "0"}
TOLD = {"headers": WORDS, "body": b"no: open-sesame swordfish"}

CONNECTION = "errored{connection}"
TIMEOUT = "errored{timeout}"
NOT_HTTP = "errored{not_http}"
DELIVERED = ""
LOCAL = {"ConsoleSink", "JsonLinesSink", "PrometheusSink"}

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
# Where they differ, by their rules. OTLP has its own list of what a retry can help, and
# must read the answer to a success, which says what was not taken; so must those whose
# peer speaks of failures in a success, but of them little is enough.
DIFFERENT = [
    (
        ("answers", {"status": 500, **TOLD}, 5),
        {"otlp": "rejected{http_500}", "http": "errored{http_500}"},
    ),
    (
        ("answers", {"status": 501, **TOLD}, 5),
        {"otlp": "rejected{http_501}", "http": "errored{http_501}"},
    ),
    (
        ("cuts", {"body": b"x"}, 5),
        {"otlp": CONNECTION, "spoken": CONNECTION, "http": DELIVERED},
    ),
    (
        ("floods", {}, 5),
        {"otlp": "rejected{response_too_large}", "http": DELIVERED},
    ),
]
FAULTS = [
    *((fault, {"http": end}) for *fault, end in ALIKE),
    *DIFFERENT,
]
# To gRPC every one of these peers is one that does not speak it.
NO_GRPC = {"errored{grpc_unavailable}", TIMEOUT}
# What follows a 410.
GONE = "rejected{disabled}"

EVERY_SINK = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
OVER_HTTP = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.rules != "grpc"],
    ids=[name for name, case in CASES.items() if case.rules != "grpc"],
)


def named(fault):
    if isinstance(fault, dict):
        return fault["http"] or "delivered"
    what, settings, _ = fault
    return f"{what} {settings.get('status', 200)}"


def made(case, url, timeout, retry=RETRY_NEVER):
    if case.rules == "grpc":
        pytest.importorskip("grpc")
    return case.make(url, name="net", timeout=timeout, retry=retry)


async def ends_of(case, what, settings, timeout, *, drain_timeout=20.0):
    """What the ledger says of a peer that does this, and what the neighbour got."""
    neighbour = CollectingSink()
    async with MisbehavingServer() as server:
        await server.behave(what, **settings)
        sink = made(case, server.url, timeout)
        pipeline = Pipeline(
            IterableSource(case.events) >> [sink, neighbour],
            drain_timeout=drain_timeout,
        )
        if drain_timeout < timeout:
            async with pipeline:
                await until(lambda: server.requests or what == "refuses")
        else:
            await pipeline.run()
        # gRPC goes on with an attempt to connect for a while after a close.
        gone = case.rules == "grpc"
        async with asyncio.timeout(5):
            await until(lambda: gone or server.connections == 0)
    return pipeline.ledger(), neighbour.events


def ends_in(case, settings, ends):
    """The columns in which the events may end, each of which some may."""
    if case.rules == "grpc":
        return NO_GRPC
    expected = ends.get(case.rules, ends["http"])
    gone = settings.get("status") == 410 and case.one_by_one
    return {expected, GONE} if gone else {expected}


def check(caplog, ledger, neighbour, expected):
    lost = ledger.losses.get("net", {})
    assert set(lost) or {DELIVERED} <= expected
    assert set(lost) <= expected
    assert ledger.balanced
    assert ledger.held == 0
    assert ledger.lost == (len(NAMES) if lost else 0)
    assert sorted(event.name for event in neighbour) == [*NAMES]
    assert not [secret for secret in SECRETS if secret in caplog.text + str(ledger)]
    assert not [each for each in caplog.records if each.exc_info]


def test_the_battery_has_every_sink_that_speaks_to_a_network():
    assert {name.split()[0] for name in CASES} | LOCAL == set(sinks.__all__)


@EVERY_SINK
@pytest.mark.parametrize(("fault", "ends"), FAULTS, ids=named)
def test_a_fault_ends_in_its_column_and_harms_no_neighbour(
    run, caplog, case, fault, ends
):
    what, settings, timeout = fault
    if case.rules == "grpc":
        timeout = min(timeout, 0.5)
    caplog.set_level(logging.INFO)
    ledger, neighbour = run(ends_of(case, what, settings, timeout))
    check(caplog, ledger, neighbour, ends_in(case, settings, ends))
    caplog.clear()  # errors in there would keep gRPC's thread


@EVERY_SINK
@pytest.mark.parametrize(
    ("what", "settings"),
    [
        ("stalls", {}),
        ("stalls", {"early": True}),
        ("drips", {}),
        ("drips", {"status": 503, **TOLD}),
    ],
)
def test_a_close_waits_for_no_peer(run, caplog, case, what, settings):
    """The sink would wait for a minute, the pipeline for a tenth of a second."""
    caplog.set_level(logging.INFO)
    ledger, neighbour = run(ends_of(case, what, settings, 60, drain_timeout=0.1))
    check(caplog, ledger, neighbour, {"dropped{drain_timeout}"})
    caplog.clear()


@EVERY_SINK
@pytest.mark.parametrize("status", [429, 503])
def test_a_peer_that_names_a_time_holds_up_no_close(run, caplog, case, status):
    """It asks to be left alone for an hour, for which a retry would wait."""

    async def scenario():
        async with MisbehavingServer() as server:
            later = {"Retry-After": "3600"}
            await server.behave("answers", status=status, headers=later)
            sink = made(case, server.url, 5, Retry(deadline=7200))
            pipeline = Pipeline(IterableSource(case.events) >> sink, drain_timeout=0.1)
            async with pipeline:
                await until(lambda: server.requests or case.rules == "grpc")
        return pipeline.ledger(), len(server.requests)

    ledger, requests = run(scenario())
    assert (ledger.lost, ledger.balanced, ledger.held) == (3, True, 0)
    assert case.rules == "grpc" or requests == 1
    caplog.clear()


@OVER_HTTP
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
def test_a_fault_that_passes_costs_nothing(run, caplog, case, what, settings):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave(what, times=2, **settings)
            sink = made(case, server.url, 5, Retry(initial=0.001))
            pipeline = Pipeline(IterableSource(case.events) >> sink)
            await pipeline.run()
        return pipeline.ledger(), [request.body for request in server.requests]

    ledger, bodies = run(scenario())
    assert (ledger.delivered, ledger.lost, ledger.balanced) == (3, 0, True)
    apart = len(case.events) if case.one_by_one else 1
    assert len(bodies) == apart + 2
    assert len({*bodies}) == apart or case.timed


@OVER_HTTP
@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404])
def test_a_refusal_is_not_tried_again_and_a_redirect_not_followed(run, case, status):
    async def scenario():
        async with MisbehavingServer() as server:
            there = {**WORDS, "Location": f"{server.url}/elsewhere"}
            await server.behave("answers", status=status, headers=there)
            sink = made(case, server.url, 5, Retry(initial=0.001))
            pipeline = Pipeline(IterableSource(case.events) >> sink)
            await pipeline.run()
        return pipeline.ledger(), [request.target for request in server.requests]

    ledger, paths = run(scenario())
    assert ledger.losses["net"] == {f"rejected{{http_{status}}}": 3}
    assert len(paths) == (len(case.events) if case.one_by_one else 1)
    assert "/elsewhere" not in paths


@OVER_HTTP
def test_a_peer_that_comes_back_is_found_again(run, case):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave("refuses")
            sink = made(case, server.url, 5, Retry(initial=0.001, maximum=0.01))
            pipeline = Pipeline(IterableSource(case.events) >> sink)
            async with pipeline:
                await asyncio.sleep(0)
                await server.behave("answers")
            return pipeline.ledger()

    ledger = run(scenario())
    assert (ledger.delivered, ledger.lost) == (3, 0)
