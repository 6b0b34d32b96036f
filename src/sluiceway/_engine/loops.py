"""Asking a pipeline from another event loop than its own.

Law: whoever asks for an end gets an answer in time, also of a pipeline whose loop is
blocked, or has ended while it was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..errors import PipelineStateError
from ..reports import StopReport
from .outlasting import outlast
from .supervisor import Runtime

T = TypeVar("T")

GRACE = 0.9  # seconds after its deadline that a stop may take, as within one loop
LOOK_SECONDS = 5.0  # that a look from another thread waits for the loop
GLANCE = 0.05  # seconds between two looks at whether the other loop still runs


def need_loop(name: str) -> None:
    """Make sure that an event loop of asyncio runs this code.

    Args:
        name: of the pipeline.

    Raises:
        PipelineStateError: none does: the code is synchronous, or Trio runs it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise PipelineStateError(
            f"pipeline {name} needs asyncio, and no event loop of asyncio runs here; "
            "anywhere else, Trio included, use `with pipeline.background():`"
        ) from None


def look_on_loop(runtime: Runtime | None, look: Callable[[], T]) -> T:
    """Look while nothing moves: on the pipeline's loop, if another thread runs it."""
    if runtime is None or runtime.report is not None or is_current(runtime.loop):
        return look()
    if runtime.given_up or not runtime.loop.is_running():
        return look()

    async def call() -> T:
        return look()

    asked = asyncio.run_coroutine_threadsafe(call(), runtime.loop)
    try:
        return asked.result(LOOK_SECONDS)
    except TimeoutError:  # the loop is blocked, or closed before it came to it
        asked.cancel()
        return look()


async def on_its_loop(runtime: Runtime, asked: Coroutine[Any, Any, T]) -> T:
    """Await something of a pipeline from whichever loop the caller runs on."""
    if is_current(runtime.loop) or not runtime.loop.is_running():
        return await asked
    return await asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(asked, runtime.loop)
    )


async def ended(
    runtime: Runtime, ask: Callable[[], Coroutine[Any, Any, StopReport]], seconds: float
) -> StopReport:
    """End a pipeline from whichever loop the caller runs on.

    Args:
        runtime: of the pipeline.
        ask: makes what ends it.
        seconds: that it may take; from another loop it is left to itself after that.
    """
    need_loop(runtime.watched.name)
    if runtime.report is None and is_current(runtime.loop):
        return await ask()
    if runtime.report is None and runtime.loop.is_running():
        asked = asyncio.run_coroutine_threadsafe(ask(), runtime.loop)
        await settled(asyncio.wrap_future(asked), runtime.loop, seconds + GRACE)
    return runtime.report or runtime.give_up()


async def settled(
    asked: asyncio.Future[StopReport], loop: asyncio.AbstractEventLoop, seconds: float
) -> None:
    """Wait until it is done, or too late, or the loop that is to do it has ended."""
    mine = asyncio.get_running_loop()
    deadline = mine.time() + seconds
    while not asked.done() and loop.is_running() and mine.time() < deadline:
        await asyncio.wait({asked}, timeout=GLANCE)
    if asked.done() and not asked.cancelled():
        asked.result()


async def despite_cancellation(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns, however often the caller is cancelled meanwhile.

    Raises:
        CancelledError: the caller was; ``work`` has ended.
    """
    working = asyncio.get_running_loop().create_task(work)
    cancelled = await outlast(working)
    result = working.result()
    if cancelled is not None:
        raise cancelled
    return result


def is_current(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this code runs on ``loop``."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
