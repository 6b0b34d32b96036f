"""The conformance check of sources."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from ..delivery import Delivery
from ..stages import Source
from .checking import (
    Make,
    ask,
    bounded,
    cancel_everywhere,
    check_no_tasks,
    fresh,
    is_whole,
    require,
    require_equal,
    run_check,
    started,
)
from .running import delivered, stage_context

QUIET = 0.2  # seconds after which a source that has not ended is asked to stop
ENOUGH = 1000  # events after which it is


def check_source(
    make: Make[Source[Any]],
    expected: Sequence[Any] | None = None,
    *,
    timeout: float = 5.0,
) -> None:
    """Check that a source does what the engine relies on.

    It opens, runs, closes and opens again; ends by itself, after ``stop`` if that
    returns True, else when cancelled; awaits each ``send`` and does not touch a list
    that it has sent; can be cancelled at every await, a blocked ``send`` included;
    ``held`` and ``refused`` are counts; leaves no task behind. Call it from a plain
    test function.

    Args:
        make: makes a new source; or one source that can be run again and again.
        expected: the events that one run sends, in order; None for any.
        timeout: seconds of real time for each call.

    Raises:
        AssertionError: what is wrong, and what is expected.
    """
    run_check(lambda: check(make, expected, timeout))


async def check(
    make: Make[Source[Any]], expected: Sequence[Any] | None, timeout: float
) -> None:
    """All of the check, on a loop."""
    before = asyncio.all_tasks()
    source = fresh(make, Source)
    enough = ENOUGH if expected is None else len(expected) + 1
    sent = await live(source, timeout, enough)
    if expected is not None:
        require_equal(sent, expected, f"{source!r} sent")
    await live(source, timeout, enough)
    await check_cancellation(fresh(make, Source), timeout)
    await check_backpressure(fresh(make, Source), timeout)
    await check_no_tasks(source, before)


async def live(source: Source[Any], timeout: float, enough: int) -> list[Any]:
    """One life: open, run to the end or to a stop, close; what was sent."""
    await bounded(source.open(stage_context()), f"{source!r}.open", timeout)
    receiver = Receiver(source, enough)
    running = started(source.run(receiver.send), f"{source!r}.run")
    await asyncio.wait({running}, timeout=QUIET)
    cancelled = False
    if not running.done() and not ask(source.stop, what=f"{source!r}.stop"):
        cancelled = running.cancel()
    done, _ = await asyncio.wait({running}, timeout=timeout)
    how = "it was cancelled" if cancelled else "stop() returned True"
    require(done, f"{source!r}.run did not end within {timeout:g} s after {how}")
    if not running.cancelled() and (error := running.exception()):
        raise AssertionError(f"{source!r}.run raised {error!r}") from error
    require(
        running.cancelled() == cancelled,
        f"{source!r}.run swallowed its cancellation; let CancelledError pass",
    )
    receiver.check()
    check_counts(source, ended=not cancelled)
    await bounded(source.close(), f"{source!r}.close", timeout)
    return receiver.events


def check_counts(source: Source[Any], *, ended: bool) -> None:
    """What a source says of itself must be counts."""
    held = ask(source.held, what=f"{source!r}.held")
    require(is_whole(held), f"{source!r}.held() is {held!r}; expected a count")
    require(
        not (ended and held),
        f"{source!r}.held() is {held} after run returned; hand over all that it took",
    )
    refused = ask(source.refused, what=f"{source!r}.refused")
    require(
        isinstance(refused, Mapping),
        f"{source!r}.refused() is {refused!r}; expected a dict of counts by reason",
    )
    for reason, count in refused.items():
        require(
            isinstance(reason, str) and is_whole(count),
            f"{source!r}.refused() says {reason!r}: {count!r}; expected a count",
        )


async def check_cancellation(source: Source[Any], timeout: float) -> None:
    """Cancelling ``run`` at any await must end it."""

    async def attempt() -> None:
        await source.open(stage_context())
        try:
            await source.run(Receiver(source).send)
        finally:
            await source.close()

    await cancel_everywhere(attempt, f"{source!r}.run", timeout)


async def check_backpressure(source: Source[Any], timeout: float) -> None:
    """A ``send`` that waits for room holds the source up, and can be cancelled."""
    await bounded(source.open(stage_context()), f"{source!r}.open", timeout)
    receiver = Receiver(source, room=1)
    running = started(source.run(receiver.send), f"{source!r}.run")
    await asyncio.wait({running}, timeout=QUIET)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=timeout)
    require(
        done,
        f"{source!r}.run did not end within {timeout:g} s after it was cancelled in a "
        "send that waited for room",
    )
    receiver.check()
    await bounded(source.close(), f"{source!r}.close", timeout)


class Receiver:
    """The other side of ``send``.

    Args:
        source: whose complaints these are.
        enough: events after which the source is asked to stop.
        room: batches that have room; None for any number.
    """

    def __init__(
        self, source: Source[Any], enough: int = ENOUGH, room: int | None = None
    ) -> None:
        self.events: list[Any] = []
        self._source = source
        self._enough = enough
        self._room = room
        self._sends: list[Handover] = []

    def send(self, events: Iterable[Any]) -> Handover:
        """What the source calls, and must await."""
        require(
            isinstance(events, Iterable) and not isinstance(events, str | bytes | dict),
            f"{self._source!r} sent {events!r}; send a list of events",
        )
        batch = events if isinstance(events, list) else list(events)
        self.events += batch
        full = self._room is not None and len(self._sends) >= self._room
        if len(self.events) >= self._enough:
            self._source.stop()
        handover = Handover(batch, full)
        self._sends.append(handover)
        return handover

    def check(self) -> None:
        """Every send was awaited, and its list left alone."""
        for handover in self._sends:
            require(
                handover.awaited,
                f"{self._source!r} did not await send(...); awaiting it is the "
                "backpressure",
            )
            require(
                list(map(id, handover.batch)) == list(map(id, handover.then)),
                f"{self._source!r} changed a list after sending it; start a new list",
            )


class Handover:
    """One ``send``, which knows whether it was awaited."""

    def __init__(self, batch: list[Any], full: bool) -> None:
        self.batch = batch
        self.then = tuple(batch)
        self.awaited = False
        self._full = full

    def __await__(self) -> Generator[Any, None, Delivery]:
        self.awaited = True
        if self._full:
            yield from asyncio.get_running_loop().create_future()
        yield from asyncio.sleep(0).__await__()
        return delivered(len(self.then))
