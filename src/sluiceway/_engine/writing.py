"""What a sink's settings make of its ``write``: one attempt, layers and a batcher."""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import evolve

from ..batching import Batcher
from ..clock import Clock
from ..decorators import AsyncFunctionSink, is_async
from ..layers import Write
from ..layers.retry import RetryLayer
from ..layers.timeout import TimeoutLayer
from ..stages import Patience
from .threads import BlockingCall


def attempt_of(sink: Any) -> Write:
    """One attempt to write, as an async function."""
    if sink.blocking:
        return BlockingCall(sink.write)
    if isinstance(sink, AsyncFunctionSink):
        return sink.function  # one coroutine less for each batch
    if is_async(sink.write):
        write: Write = sink.write
        return write

    async def attempt(events: list[Any]) -> None:
        result = sink.write(events)
        if asyncio.iscoroutine(result):
            await result

    return attempt


def layered(attempt: Write, sink: Any, clock: Clock, patience: Patience) -> Write:
    """The layers that a sink's settings ask for: a time-out inside, retries outside."""
    write = attempt
    if sink.timeout is not None:
        write = TimeoutLayer(write, sink.timeout, clock)
    if sink.retry is not None:
        write = RetryLayer(write, sink.retry, clock, patience)
    return write


def batcher_for(sink: Any, capacity: int) -> Batcher | None:
    """The machine that gathers a sink's batches; a batch never exceeds the queue."""
    if sink.batch is None:
        return None
    return Batcher(evolve(sink.batch, max_events=min(sink.batch.max_events, capacity)))
