"""Waiting for what must come to its end, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from anyio import CancelScope


async def outlast(task: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until the task has ended; how the caller was cancelled last, if it was."""
    cancelled: asyncio.CancelledError | None = None
    with CancelScope(shield=True):  # or anyio's would end each wait
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
    return cancelled
