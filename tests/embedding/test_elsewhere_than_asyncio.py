"""Programs whose coroutines another library than asyncio runs, such as Trio."""

import asyncio

import pytest

from sluiceway import Inlet, Pipeline, PipelineStateError
from sluiceway.testing import CollectingSink


def elsewhere(coroutine):
    """Run what does not have to wait, as a library other than asyncio would."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


WAYS = {
    "async with": lambda pipeline: pipeline.__aenter__(),
    "lifespan": lambda pipeline: pipeline.lifespan().__aenter__(),
    "start": lambda pipeline: pipeline.start(),
    "run": lambda pipeline: pipeline.run(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_start_that_asyncio_does_not_run_names_the_form_that_works(way):
    inlet, end = Inlet(), CollectingSink()
    pipeline = Pipeline(inlet >> end, name="shop")
    with pytest.raises(PipelineStateError, match=r"shop needs asyncio.*background\(\)"):
        elsewhere(WAYS[way](pipeline))
    with pipeline.background():
        assert inlet.emit_nowait(1)
    assert end.events == [1]


@pytest.mark.parametrize("what", ["flush", "stop", "abort", "wait"])
def test_waiting_for_a_running_pipeline_needs_asyncio(what):
    pipeline = Pipeline(Inlet() >> CollectingSink())
    with pipeline.background():
        with pytest.raises(PipelineStateError, match="needs asyncio"):
            elsewhere(getattr(pipeline, what)())
        assert pipeline.state.value == "running"


def test_an_inlet_takes_events_wherever_there_is_room():
    inlet = Inlet("orders", capacity=1)
    assert elsewhere(inlet.emit("first"))
    with pytest.raises(PipelineStateError, match=r"orders.*no room.*emit_nowait"):
        elsewhere(inlet.emit("second"))
    assert not inlet.emit_nowait("third")
    end = CollectingSink()
    pipeline = Pipeline(inlet >> end)
    asyncio.run(drained(pipeline))
    assert end.events == ["first"]


async def drained(pipeline):
    async with pipeline:
        pass
