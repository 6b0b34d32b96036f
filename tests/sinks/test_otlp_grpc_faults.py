"""OtlpSink over gRPC against a peer that misbehaves, in a pipeline with a neighbour."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sluiceway import Pipeline, Retry
from sluiceway.events import MetricPoint
from sluiceway.sinks import OtlpSink
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, MisbehavingServer

POINTS = [MetricPoint(name=name, value=1) for name in "abc"]
FAULTS = [
    ("refuses", {}),
    ("resets", {}),
    ("resets", {"early": True}),
    ("closes", {}),
    ("half_closes", {}),
    ("stalls", {}),
    ("stalls", {"early": True}),
    ("drips", {}),
    ("garbage", {}),
    ("floods", {}),
    ("cuts", {"body": b"x"}),
    *(("answers", {"status": status}) for status in (200, 301, 404, 503)),
]


@pytest.mark.parametrize(("what", "settings"), FAULTS)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_fault_is_errored_in_time_and_harms_no_neighbour(
    caplog, what, settings, compression
):
    async def scenario():
        neighbour = CollectingSink()
        async with MisbehavingServer() as server:
            await server.behave(what, **settings)
            sink = OtlpSink(
                server.url,
                protocol="grpc",
                name="net",
                headers={"X-Key": "swordfish"},
                timeout=1.0,
                retry=Retry(deadline=0),
                compression=compression,
            )
            pipeline = Pipeline(IterableSource(POINTS) >> [sink, neighbour])
            await pipeline.run()
        return pipeline.ledger(), neighbour.events

    caplog.set_level(logging.INFO)
    ledger, events = asyncio.run(scenario())
    (lost,) = ledger.losses["net"]
    assert lost in {"errored{grpc_unavailable}", "errored{timeout}"}
    assert (ledger.lost, ledger.balanced, ledger.held) == (3, True, 0)
    assert sorted(point.name for point in events) == ["a", "b", "c"]
    assert "swordfish" not in caplog.text + str(ledger)
    # grpcio leaves a connection in its handshake open for a while, which the server's
    # end then breaks off.
    ours = [each for each in caplog.records if each.name != "asyncio"]
    assert not [each for each in ours if each.exc_info]
