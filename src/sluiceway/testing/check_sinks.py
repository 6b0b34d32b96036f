"""The conformance check of sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from ..functions import is_async
from ..stages import Sink
from .checking import (
    Handed,
    Make,
    bounded,
    cancel_everywhere,
    check_no_tasks,
    fresh,
    require,
    require_equal,
    run_check,
    samples,
)
from .running import on_thread, stage_context


def check_sink(
    make: Make[Sink[Any]],
    events: Iterable[Any],
    *,
    arrived: Callable[[Any], Iterable[Any]] | None = None,
    timeout: float = 5.0,
) -> None:
    """Check that a sink does what the engine relies on; its receiver must be up.

    It opens, writes, closes and opens again; keeps neither the list that it is given
    nor changes it or the events; returns nothing; can be cancelled at every await and
    write again; leaves no task behind. Call it from a plain test function.

    Args:
        make: makes a new sink; or one sink.
        events: at least two events that it can deliver.
        arrived: what has arrived, given the sink after its ``close``: compared with
            the events, in order.
        timeout: seconds of real time for each call.

    Raises:
        AssertionError: what is wrong, and what is expected.
    """
    known = samples(events)
    run_check(lambda: check(make, known, arrived, timeout))


async def check(
    make: Make[Sink[Any]],
    events: Sequence[Any],
    arrived: Callable[[Any], Iterable[Any]] | None,
    timeout: float,
) -> None:
    """All of the check, on a loop."""
    before = asyncio.all_tasks()
    sink = fresh(make, Sink)
    check_declaration(sink)
    await live(sink, events, timeout)
    if arrived is not None:
        found = list(arrived(sink))
        require_equal(found, events, f"at {sink!r} arrived")
    await live(sink, events, timeout)
    await check_cancellation(fresh(make, Sink), events, timeout)
    await check_no_tasks(sink, before)


def check_declaration(sink: Sink[Any]) -> None:
    """A blocking write is no coroutine."""
    require(
        not (sink.blocking and is_async(sink.write)),
        f"{sink!r} says blocking=True, but its write is async; drop one of the two",
    )


async def live(sink: Sink[Any], events: Sequence[Any], timeout: float) -> None:
    """One life: open, two writes, close."""
    await bounded(sink.open(stage_context()), f"{sink!r}.open", timeout)
    middle = (len(events) + 1) // 2
    for part in (events[:middle], events[middle:]):
        if part:
            await check_write(sink, part, timeout)
    await bounded(sink.close(), f"{sink!r}.close", timeout)


async def check_write(sink: Sink[Any], events: Sequence[Any], timeout: float) -> None:
    """One write, and what it must leave alone."""
    handed = Handed(events, sink)
    answer = await bounded(write(sink, handed.given), f"{sink!r}.write", timeout)
    require(
        answer is None,
        f"{sink!r}.write returned {answer!r}, which nobody reads: return nothing, and "
        "raise TransientError, PermanentError or PartialError for what failed",
    )
    handed.check_list()
    handed.check_events("other branches of a fan-out have the same ones: copy first")
    await handed.check_let_go()


async def write(sink: Sink[Any], events: list[Any]) -> Any:
    """One write as the engine makes it."""
    if sink.blocking:
        return await on_thread(sink.write, events)
    answer = sink.write(events)
    return await answer if isinstance(answer, Awaitable) else answer


async def check_cancellation(
    sink: Sink[Any], events: Sequence[Any], timeout: float
) -> None:
    """A timeout cancels a write; the retry then writes again."""
    await bounded(sink.open(stage_context()), f"{sink!r}.open", timeout)
    if not sink.blocking:
        await cancel_everywhere(
            lambda: write(sink, Handed(events, sink).given), f"{sink!r}.write", timeout
        )
        again = write(sink, Handed(events, sink).given)
        await bounded(again, f"{sink!r}.write after a cancelled one", timeout)
    await bounded(sink.close(), f"{sink!r}.close", timeout)
