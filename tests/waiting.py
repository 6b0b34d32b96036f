"""Waiting for what the event loop will bring, without letting time pass."""

import asyncio


async def until(condition):
    """Let others run until ``condition()`` is true; a test's time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - the engine is not asked to tell tests
        await asyncio.sleep(0)


async def turns(count):
    """Let others run for so many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)
