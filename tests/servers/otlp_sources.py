"""An OtlpSource that is open and runs, and the pipeline's side of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import aiohttp

from sluiceway.delivery import Delivery, DeliveryStatus
from sluiceway.sources.otlp import OtlpSource
from sluiceway.testing import stage_context

D, R, E, X = (
    DeliveryStatus.DELIVERED,
    DeliveryStatus.REJECTED,
    DeliveryStatus.ERRORED,
    DeliveryStatus.DROPPED,
)


class Taker:
    """The pipeline's side: takes events, or does not, or loses them."""

    def __init__(self, endings=(), *, room=True):
        self.events = []
        self.batches = 0
        self.cancelled = 0
        self.asked = asyncio.Event()
        self._endings = endings
        self.room = asyncio.Event()
        if room:
            self.room.set()

    async def __call__(self, events):
        self.batches += 1
        self.asked.set()
        try:
            await self.room.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.events += events
        delivery = Delivery(len(events))
        for status, count in self._endings or [(D, len(events))]:
            delivery.settle(status, count, RuntimeError("the sink's words"))
        return delivery


@asynccontextmanager
async def serving(taker, **options):
    """An open source whose ``run`` is under way, and a client's session."""
    source = OtlpSource(port=0, **options)
    await source.open(stage_context())
    running = asyncio.create_task(source.run(taker))
    base = f"http://127.0.0.1:{source.port}"
    await asyncio.sleep(0)
    try:
        async with aiohttp.ClientSession(base) as session:
            source.running = running
            yield source, session
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await source.close()
