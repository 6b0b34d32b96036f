"""Two services in one process, and one pipeline for both."""

from __future__ import annotations

import asyncio

import pytest

from sluiceway import Pipeline
from sluiceway.errors import GraphError
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink


def chains(*telemetries, sink):
    for telemetry in telemetries:
        for source in (telemetry.spans, telemetry.metrics, telemetry.logs):
            yield source >> sink


def test_a_pipeline_takes_what_two_telemetries_make_and_tells_them_apart():
    shop, bank, end = Telemetry("shop"), Telemetry("bank"), CollectingSink()

    async def main():
        async with Pipeline(*chains(shop, bank, sink=end)) as pipeline:
            for telemetry in (shop, bank):
                with telemetry.tracer("t").span("work"):
                    pass
        return pipeline.ledger()

    ledger = asyncio.run(main())
    assert [span.resource.attributes["service.name"] for span in end.events] == [
        "shop",
        "bank",
    ]
    sources = {"spans", "metrics", "logs", "spans_2", "metrics_2", "logs_2"}
    assert sources < ledger.stages.keys()
    assert ledger.lost == 0


def test_a_source_that_is_given_a_name_keeps_it():
    shop, bank, end = Telemetry("shop"), Telemetry("bank"), CollectingSink()
    bank.spans.name = "bank.spans"
    pipeline = Pipeline(*chains(bank, shop, sink=end))
    assert {"spans", "bank.spans"} < pipeline.ledger().stages.keys()
    shop.spans.name = "bank.spans"
    with pytest.raises(GraphError, match=r"two stages are called 'bank\.spans'"):
        Pipeline(*chains(shop, bank, sink=end))
