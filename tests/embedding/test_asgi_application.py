"""``app = pipeline.lifespan(app)`` round an ASGI application of no framework."""

from __future__ import annotations

import asyncio

import pytest

from sluiceway import Inlet, Pipeline, PipelineState
from sluiceway.errors import ConfigurationError
from sluiceway.testing import CollectingSink


class Serving:
    """An application with a pipeline, and the server's side of its lifespan."""

    def __init__(self, app, sink=None):
        self.inlet, self.end = Inlet(), sink or CollectingSink()
        self.pipeline = Pipeline(self.inlet >> self.end)
        self.app = self.pipeline.lifespan(app)
        self.told, self.answers = asyncio.Queue(), asyncio.Queue()

    async def begin(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.create_task(
            self.app(scope, self.told.get, self.answers.put)
        )
        return await self.tell("lifespan.startup")

    async def tell(self, kind):
        await self.told.put({"type": kind})
        return (await self.answers.get())["type"]


def application(*answers, raises=False):
    """One that answers so to what it is told of its lifespan."""

    async def app(scope, receive, send):
        seen = []
        for answer in answers:
            seen.append((await receive())["type"])
            await send({"type": answer})
        if raises:
            raise LookupError(seen)

    return app


STARTED, SHUT_DOWN = "lifespan.startup.complete", "lifespan.shutdown.complete"
KNOWING = application(STARTED, SHUT_DOWN)
IGNORING, REFUSING = application(), application(raises=True)


@pytest.mark.parametrize("app", [KNOWING, IGNORING, REFUSING])
def test_the_pipeline_runs_from_the_start_to_the_end_of_the_application(run, app):
    async def main():
        served = Serving(app)
        assert await served.begin() == STARTED
        assert served.pipeline.state is PipelineState.RUNNING
        served.inlet.emit_nowait(1)
        assert await served.tell("lifespan.shutdown") == SHUT_DOWN
        assert served.end.events == [1]
        await served.task
        assert served.pipeline.state is PipelineState.STOPPED
        assert served.answers.empty()

    run(main())


def test_a_pipeline_that_cannot_start_is_told_once_and_the_application_not_asked(run):
    class Broken(CollectingSink):
        async def open(self, context):
            raise OSError("no such host")

    async def main():
        served = Serving(KNOWING, Broken())
        assert await served.begin() == "lifespan.startup.failed"
        with pytest.raises(OSError, match="no such host"):
            await served.task
        assert served.answers.empty()

    run(main())


@pytest.mark.parametrize(
    ("app", "first"),
    [
        (application("lifespan.startup.failed", raises=True), "failed"),
        (application(STARTED, raises=True), "complete"),
    ],
)
def test_an_application_that_fails_leaves_no_pipeline_running(run, app, first):
    async def main():
        served = Serving(app)
        assert await served.begin() == f"lifespan.startup.{first}"
        with pytest.raises(LookupError, match=r"lifespan\.startup"):
            await served.task
        assert served.pipeline.state is PipelineState.STOPPED

    run(main())


def test_a_server_that_goes_away_drains_the_pipeline(run):
    async def main():
        served = Serving(KNOWING)
        await served.begin()
        served.inlet.emit_nowait(1)
        served.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await served.task
        assert served.end.events == [1]

    run(main())


def test_requests_pass_untouched(run):
    async def app(*given):
        passed.append(given)

    passed = []
    request = {"type": "http"}, None, None
    run(Pipeline(Inlet() >> CollectingSink()).lifespan(app)(*request))
    assert passed == [request]


def test_what_is_no_application_is_named(run):
    lifespan = Pipeline(Inlet() >> CollectingSink()).lifespan()
    with pytest.raises(ConfigurationError, match=r"app = pipeline\.lifespan"):
        run(lifespan({"type": "http"}, None, None))
