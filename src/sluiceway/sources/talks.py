"""The tasks in which an HTTP server talks with its clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def end_talks(talks: Iterable[asyncio.Task[Any]]) -> None:
    """End the tasks of connections that the server knows no more.

    One whose client went away before all of its body had come waits for the rest.
    """
    going_on = [task for task in talks if not task.done()]
    for task in going_on:
        task.cancel()
    await asyncio.gather(*going_on, return_exceptions=True)
