"""Following files in tests."""

from __future__ import annotations

import asyncio
import functools

from sluiceway import Pipeline
from sluiceway.sources import FileTailSource
from sluiceway.testing import CollectingSink, ManualClock


def on_a_loop(test):
    """Run an async test on a loop of its own."""

    @functools.wraps(test)
    def call(*arguments, **options):
        asyncio.run(asyncio.wait_for(test(*arguments, **options), 60), debug=True)

    return call


class Tail:
    """A pipeline that follows files, and the lines that it has sent."""

    def __init__(self, *paths, sink=None, clock=None, **options):
        self.clock = clock or ManualClock()
        self.sink = sink or CollectingSink()
        self.source = FileTailSource([str(p) for p in paths], interval=60, **options)
        self.pipeline = Pipeline(self.source >> self.sink, clock=self.clock)

    async def __aenter__(self):
        await self.pipeline.start()
        return self

    async def __aexit__(self, *_):
        await self.pipeline.stop()
        assert self.pipeline.ledger().balanced

    async def lines(self):
        """The lines since the last time."""
        await self.pipeline.flush()
        events = [getattr(event, "body", event) for event in self.sink.events]
        self.sink.events.clear()
        return events


def append(path, text):
    """Write on at the end of a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
