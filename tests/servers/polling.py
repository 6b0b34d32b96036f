"""Waiting for what a real server will show sooner or later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Answer = TypeVar("Answer")
PAUSE = 0.02


def eventually(probe: Callable[[], Answer], *, seconds: float = 15.0) -> Answer:
    """The probe's first true answer; fails with its last answer at the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(PAUSE)
    return answer


async def eventually_async(
    probe: Callable[[], Awaitable[Answer]], *, seconds: float = 15.0
) -> Answer:
    """The same for a coroutine function, without blocking the event loop."""
    deadline = time.monotonic() + seconds
    while not (answer := await probe()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        await asyncio.sleep(PAUSE)
    return answer
