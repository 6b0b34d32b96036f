"""OpenTelemetry's instrumentations and our own measure the same requests once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from programs import run_python


@pytest.fixture(scope="module")
def told():
    return json.loads(run_python(str(Path(__file__).parent / "ours_inside.py")))


def made_by(told, kind):
    spans = [span for span in told["spans"] if span["kind"] == kind]
    return sorted(span["scope"].rpartition(".")[2] for span in spans)


def test_a_request_to_a_server_is_one_span(told):
    assert made_by(told, "SERVER") == ["aiohttp_server", "asgi"]


def test_a_call_of_a_client_is_one_span(told):
    assert made_by(told, "CLIENT") == ["aiohttp_client", "aiohttp_client"]


def test_the_span_of_the_server_is_the_child_of_the_clients(told):
    calls = {span["id"] for span in told["spans"] if span["kind"] == "CLIENT"}
    served = {span["parent"] for span in told["spans"] if span["kind"] == "SERVER"}
    assert served == calls


def test_nothing_of_it_is_counted_by_ours(told):
    assert "sluiceway.web" not in json.dumps(told["metrics"])
