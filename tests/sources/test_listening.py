"""Whoever listens tells where, once it does."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sluiceway import Pipeline
from sluiceway.sinks import JsonLinesSink, PrometheusSink
from sluiceway.sources import IterableSource, OtlpSource, WebhookSource


def lines_of(caplog, pipeline):
    async def main():
        async with pipeline:
            pass

    caplog.set_level(logging.INFO, "sluiceway")
    asyncio.run(main())
    return [
        record.getMessage() for record in caplog.records if record.levelname == "INFO"
    ]


@pytest.mark.parametrize("make", [OtlpSource, WebhookSource])
def test_a_source_that_listens_logs_where(caplog, tmp_path, make):
    source = make(port=0)
    (line,) = lines_of(caplog, Pipeline(source >> JsonLinesSink(tmp_path / "out")))
    assert "listening on 127.0.0.1, port " in line
    assert not line.endswith("port 0")


def test_grpc_has_a_line_of_its_own(caplog, tmp_path):
    pytest.importorskip("grpc")
    source = OtlpSource(port=0, grpc_port=0)
    lines = lines_of(caplog, Pipeline(source >> JsonLinesSink(tmp_path / "out")))
    assert [line.endswith(", for gRPC") for line in lines] == [False, True]


def test_a_page_logs_where(caplog):
    (line,) = lines_of(caplog, Pipeline(IterableSource([]) >> PrometheusSink(port=0)))
    assert "listening on 127.0.0.1, port " in line
