"""What a sink's settings make of its ``write``: one attempt, layers and a batcher."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from inspect import isawaitable, iscoroutine
from typing import Any

from attrs import evolve

from ..batch import Batch
from ..batching import Batcher
from ..clock import Clock
from ..decorators import AsyncFunctionSink
from ..functions import is_async
from ..layers import Write
from ..layers.retry import RetryLayer
from ..layers.timeout import TimeoutLayer
from ..stages import Patience
from .threads import BlockingCall


def attempt_of(sink: Any) -> Write:
    """One attempt to write, as an async function."""
    if sink.blocking:
        return BlockingCall(blocking_write(sink.write), sink.max_in_flight)
    if isinstance(sink, AsyncFunctionSink):
        return sink.function  # one coroutine less for each batch
    if is_async(sink.write):
        write: Write = sink.write
        return write

    async def attempt(events: list[Any]) -> None:
        result = sink.write(events)
        if isawaitable(result):
            await result

    return attempt


def blocking_write(write: Callable[[list[Any]], Any]) -> Callable[[list[Any]], None]:
    """A write for a thread, where nobody can wait for what it leaves undone.

    Raises:
        TypeError: the function returned something to be awaited.
    """

    def attempt(events: list[Any]) -> None:
        result = write(events)
        if isawaitable(result):
            if iscoroutine(result):
                result.close()
            raise TypeError(
                f"a blocking write returned {type(result).__name__}, which must be "
                "awaited; declare it async def, without blocking=True"
            )

    return attempt


def layered(
    attempt: Write,
    sink: Any,
    clock: Clock,
    patience: Patience,
    tell: Callable[[Exception, float], object],
) -> Write:
    """The layers that a sink's settings ask for: a time-out inside, retries outside."""
    write = attempt
    if sink.timeout is not None:
        write = TimeoutLayer(write, sink.timeout, clock)
    if sink.retry is not None:
        write = RetryLayer(write, sink.retry, clock, patience, tell=tell)
    return write


def batcher_for(sink: Any, capacity: int) -> Batcher | None:
    """The machine that gathers a sink's batches; a batch never exceeds the queue."""
    if sink.batch is None:
        return None
    return Batcher(evolve(sink.batch, max_events=min(sink.batch.max_events, capacity)))


def portions_of(batch: Batch, gatherer: object) -> deque[Batch]:
    """A batch in parts that are no larger than those that a ``Batcher`` makes.

    Raises:
        Exception: a user's ``size()`` failed.
    """
    if not isinstance(gatherer, Batcher):
        return deque([batch])
    batcher = Batcher(gatherer.settings)
    gathered = [*batcher.add(batch.events, 0.0), batcher.flush(0.0)]
    portions: deque[Batch] = deque()
    for events in filter(None, gathered):
        portion, batch = batch.split(len(events))
        portions.append(portion)
    return portions
