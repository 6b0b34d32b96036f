"""OpenTelemetry's own instrumentations feed a pipeline through our providers.

Each program is a process of its own, since instrumentations and providers are global.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from programs import run_python

HERE = Path(__file__).parent
SCOPE = "opentelemetry.instrumentation"


def run(name, **variables):
    return json.loads(run_python(str(HERE / f"{name}.py"), **variables))


@pytest.fixture(scope="module")
def pair():
    return run("aiohttp_pair")


@pytest.fixture(scope="module")
def stack():
    return run("web_stack", OTEL_SEMCONV_STABILITY_OPT_IN="http,database")


def lineage(told, scope, name):
    """The span of this scope and name, and those above it, from the root down."""
    by_id = {span["id"]: span for span in told["spans"]}
    (span,) = [
        span for span in told["spans"] if (span["scope"], span["name"]) == (scope, name)
    ]
    line = [span]
    while line[0]["parent"]:
        line.insert(0, by_id[line[0]["parent"]])
    return line


def shape(line):
    return [(span["kind"], span["name"]) for span in line]


def one_trace(line):
    return len({span["trace"] for span in line}) == 1


def test_no_sdk_is_in_the_path(pair, stack):
    assert pair["sdk"] == stack["sdk"] == []


def test_a_request_between_aiohttp_and_aiohttp_is_one_trace(pair):
    line = lineage(pair, "shop", "look up")
    assert shape(line) == [
        ("INTERNAL", "checkout"),
        ("CLIENT", "GET"),
        ("SERVER", "GET /orders/{id}"),
        ("INTERNAL", "look up"),
    ]
    assert one_trace(line)
    assert [span["remote"] for span in line] == [False, False, True, False]
    assert [span["scope"] for span in line] == [
        "shop",
        f"{SCOPE}.aiohttp_client",
        f"{SCOPE}.aiohttp_server",
        "shop",
    ]
    assert line[2]["attributes"]["http.route"] == "/orders/{id}"
    assert {span["status"] for span in line} == {"UNSET"}


def test_a_failing_handler_is_an_error_on_both_sides(pair):
    client, server = lineage(pair, f"{SCOPE}.aiohttp_server", "GET /fail")
    assert (client["status"], server["status"]) == ("ERROR", "ERROR")
    assert server["events"] == ["exception"]
    assert pair["notes"]["status"] == 500
    assert one_trace([client, server])


def test_baggage_goes_with_the_request_and_no_span_is_left_current(pair):
    assert pair["notes"]["baggage"] == "user=J%C3%BCrgen"
    assert pair["notes"]["left"] is False


def test_the_instrumentations_of_aiohttp_measure_through_our_meters(pair):
    counts = {}
    for point in pair["metrics"]:
        name = (point["scope"].rpartition(".")[2], point["name"])
        counts[name] = counts.get(name, 0) + point["count"]
    assert counts == {
        ("aiohttp_client", "http.client.duration"): 2,
        ("aiohttp_server", "http.server.duration"): 2,
        ("aiohttp_server", "http.server.active_requests"): 0,
    }


def test_httpx_fastapi_and_sqlite3_are_one_trace_with_manual_spans_between(stack):
    (name,) = {s["name"] for s in stack["spans"] if s["scope"] == f"{SCOPE}.sqlite3"}
    line = lineage(stack, f"{SCOPE}.sqlite3", name)
    assert shape(line)[:4] == [
        ("INTERNAL", "checkout"),
        ("CLIENT", "GET"),
        ("SERVER", "GET /orders/{order}"),
        ("INTERNAL", "look up"),
    ]
    assert line[4]["kind"] == "CLIENT"
    assert one_trace(line)
    assert [span["scope"].rpartition(".")[2] for span in line] == [
        "own",
        "httpx",
        "fastapi",
        "manual",
        "sqlite3",
    ]
    assert stack["notes"]["rows"] == [[7]]


def test_an_asgi_app_has_a_server_span_that_is_the_current_one(stack):
    checkout, client, server = lineage(stack, f"{SCOPE}.asgi", "GET /x")
    assert shape([checkout, client]) == [("INTERNAL", "checkout"), ("CLIENT", "GET")]
    assert server["kind"] == "SERVER"
    assert server["remote"]
    assert server["attributes"]["seen"] == "/x"
    assert (client["status"], server["status"]) == ("ERROR", "ERROR")
    assert stack["notes"]["status"] == 503


def test_lines_of_a_log_arrive_once_and_know_the_span_that_the_api_made(stack):
    span = lineage(stack, "manual", "look up")[-1]
    assert stack["notes"]["line"] == [span["trace"], "shop"]
    (record,) = [each for each in stack["logs"] if each["scope"] == "shop"]
    assert (record["body"], record["severity"]) == ("order 7", 13)
    assert (record["trace"], record["span"]) == (span["trace"], span["id"])


def test_the_web_instrumentations_measure_through_our_meters(stack):
    counts = {}
    for point in stack["metrics"]:
        if point["name"].endswith(".duration"):
            scope = point["scope"].rpartition(".")[2]
            counts[scope] = counts.get(scope, 0) + point["count"]
    assert counts.items() >= {"httpx": 2, "fastapi": 1, "asgi": 1}.items()


def test_a_parent_that_is_not_sampled_silences_the_whole_trace():
    told = run("aiohttp_pair", OTEL_TRACES_SAMPLER="parentbased_always_off")
    assert told["spans"] == []
    assert told["notes"]["status"] == 500
    assert told["metrics"]


def test_switched_off_the_instrumentations_work_and_nothing_is_told():
    told = run("aiohttp_pair", OTEL_SDK_DISABLED="true")
    assert told["spans"] == told["metrics"] == []
    assert told["notes"]["baggage"] == "user=J%C3%BCrgen"


def test_requests_that_deliver_telemetry_make_none():
    told = run("exporting", PYTHONPATH=str(HERE.parent))
    assert told["spans"] == ["GET"]
    assert {"/v1/traces", "/v1/metrics", "/v1/logs"} < {*told["paths"]}
