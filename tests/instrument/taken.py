"""The spans of a telemetry, as a pipeline takes them."""

from __future__ import annotations

import asyncio


def finished(telemetry):
    """What came out of ``telemetry.spans``."""
    spans = []

    async def send(events):
        spans.extend(events)

    async def drain():
        running = asyncio.create_task(telemetry.spans.run(send))
        await asyncio.sleep(0)
        telemetry.spans.stop()
        await running

    asyncio.run(drain())
    return spans
