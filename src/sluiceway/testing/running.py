"""``run(stage, events)``: one stage of any kind, without an engine round it.

Law: what the engine would do for one batch, and no more: no queue, no retry, no
timeout, no batching. The stage is opened before and closed after, whatever happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
)
from functools import partial
from logging import getLogger
from types import CoroutineType
from typing import Any

from attrs import frozen

from ..batching import BatchBy, Batcher
from ..beside import beside
from ..chains import Composable, not_a_stage, stage_name
from ..clock import SYSTEM_CLOCK, Clock
from ..delivery import Delivery, DeliveryStatus
from ..errors import ConfigurationError, PartialError
from ..functions import is_async
from ..stages import (
    Accumulator,
    Batches,
    Processed,
    Processor,
    Sampler,
    Sink,
    Source,
    Stage,
    StageContext,
)

GRACE = 1.0  # seconds for a stage that is cancelled, as a stop of a pipeline gives it


@frozen
class Result:
    """What a stage made of some events.

    Attributes:
        outputs: what goes on: a processor's, sampler's or accumulator's events, what
            a source sent, what a sink delivered.
        failures: the error of each event that failed, by its index in the input.
        error: what ended a source's ``run``, or failed a batch as a whole, if
            anything did.
    """

    outputs: list[Any]
    failures: Mapping[int, Exception] = {}
    error: Exception | None = None


@frozen
class ClockPatience:
    """Waits on a clock, with all the patience in the world."""

    clock: Clock

    async def wait(self, seconds: float) -> bool:
        """Wait; always worth it."""
        await self.clock.sleep(seconds)
        return True


def stage_context(clock: Clock | None = None, *, name: str = "stage") -> StageContext:
    """What a stage is told when a test opens it.

    Args:
        clock: mostly a ``ManualClock``; default real time.
        name: the stage's name, and the end of its logger's ``sluiceway.stage.…``.
    """
    clock = clock or SYSTEM_CLOCK
    logger = getLogger(f"sluiceway.stage.{name}")
    return StageContext(name, clock, None, logger, ClockPatience(clock))


async def run(
    stage: Composable,
    events: Iterable[Any] = (),
    clock: Clock | None = None,
    *,
    limit: int | None = None,
    timeout: float = 5.0,
) -> Result:
    """Open ``stage``, give it the events as one batch, flush and close it.

    An accumulator is given the events and then flushed, at the same time. A source is
    given nothing: what it sends is collected until it ends.

    Args:
        stage: a source, processor, sampler, accumulator, sink or ``BatchBy``.
        events: the events; not for a source.
        clock: mostly a ``ManualClock``; default real time.
        limit: stop a source that has sent so many events; None waits for its end.
        timeout: seconds of real time for all of it; a stage that then does not end
            when it is cancelled is left to itself after one more.

    Raises:
        ConfigurationError: not a stage, or events for a source.
        TimeoutError: it took longer than ``timeout``.
    """
    if isinstance(stage, BatchBy):
        stage = Batcher(stage)
    if not isinstance(stage, Stage):
        raise ConfigurationError(not_a_stage(stage))
    given = list(events)
    if given and isinstance(stage, Source):
        raise ConfigurationError(f"{stage!r} is a source and takes no events")
    context = stage_context(clock, name=stage.name or stage_name(stage))
    living = asyncio.ensure_future(live(stage, given, context, limit))
    try:
        if not (await asyncio.wait({living}, timeout=timeout))[0]:
            raise TimeoutError(f"{stage!r} took longer than {timeout:g} s")
    finally:
        await end(living)
    return living.result()


async def live(
    stage: Stage, events: list[Any], context: StageContext, limit: int | None
) -> Result:
    """Open, drive and close."""
    await stage.open(context)
    try:
        return await drive(stage, events, context, limit)
    finally:
        await stage.close()


async def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task that goes on, and leave one that does not care to itself."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
        if task.done() and not task.cancelled():
            task.exception()  # who waits is told something else


async def drive(
    stage: Stage, events: list[Any], context: StageContext, limit: int | None
) -> Result:
    """The part between ``open`` and ``close``."""
    if isinstance(stage, Source):
        return await collect(stage, limit)
    now = context.clock.now()
    if isinstance(stage, Accumulator):
        return accumulated(stage, events, now)
    try:
        answer = await answer_of(stage, list(events), now)
        return whole_result(stage, events, answer)
    except PartialError as error:
        return partial_result(stage, events, error)
    except Exception as error:  # noqa: BLE001 - what the engine would book
        return Result([], dict.fromkeys(range(len(events)), error), error)


async def answer_of(stage: Any, events: list[Any], now: float) -> Any:
    """What a stage's method answers, on a thread if the stage says that it blocks.

    As the engine has it, only a sink's answer tells whether it is to be awaited; a
    processor's declaration does.
    """
    if isinstance(stage, Sampler):
        return stage.sample(events, now)
    work = stage.process if isinstance(stage, Processor) else stage.write
    if stage.blocking:
        return await on_thread(work, events)
    answer = work(events)
    waits = is_async(work) or isinstance(stage, Sink)
    return await answer if waits and isinstance(answer, Awaitable) else answer


def accumulated(stage: Accumulator[Any, Any], events: list[Any], now: float) -> Result:
    """What an accumulator releases of events, and of some that it may refuse."""
    failed: Mapping[int, Exception] = {}
    try:
        released = stage.add(list(events), now)
    except PartialError as error:
        if error.kept is None or stage.acknowledge == "on_output":
            raise
        released, failed = error.kept, error.failed
    return Result(flat(released) + flat(stage.flush(now)), dict(failed))


def partial_result(stage: Stage, events: list[Any], error: PartialError) -> Result:
    """What goes on when some events failed."""
    standing = [event for i, event in enumerate(events) if i not in error.failed]
    if isinstance(stage, Sink):
        return Result(standing, dict(error.failed))
    if error.kept is None:
        return Result([], dict.fromkeys(range(len(events)), error), error)
    return Result([*error.kept], dict(error.failed))


async def on_thread(work: Callable[[list[Any]], Any], events: list[Any]) -> Any:
    """What a method that blocks answers; one that never returns ends no test late."""
    return await beside(partial(work, events), "sluiceway-testing")


def whole_result(stage: Stage, events: list[Any], answer: Any) -> Result:
    """What goes on when the call returned.

    Raises:
        TypeError: it returned what the engine would refuse.
    """
    refuse_unrun(stage, answer)
    if isinstance(stage, Sink):
        return Result(events)
    if isinstance(answer, str | bytes | dict) or not isinstance(answer, Iterable):
        raise TypeError(refusal(stage, answer))
    failed = answer.failed if isinstance(answer, Processed) else {}
    return Result([*answer], dict(failed))


def refuse_unrun(stage: Stage, answer: Any) -> None:
    """Refuse what was made, but will never run.

    Raises:
        TypeError: an awaitable that nobody awaits, or the generator of a method that
            is none of a processor's.
    """
    if isinstance(answer, Awaitable):
        if isinstance(answer, CoroutineType):
            answer.close()
        raise TypeError(f"{refusal(stage, answer)}; declare the method async def")
    if isinstance(answer, AsyncGenerator | Generator) and not isinstance(
        stage, Processor
    ):
        raise TypeError(f"{refusal(stage, answer)}; do not yield")


def refusal(stage: Stage, answer: Any) -> str:
    """What is said of an answer that is none."""
    expected = "nothing" if isinstance(stage, Sink) else "a list of events"
    return f"{stage!r} returned {type(answer).__name__}; expected {expected}"


def flat(released: list[Any]) -> list[Any]:
    """The events of one batch or of several."""
    if isinstance(released, Batches):
        return [event for batch in released for event in batch]
    return [*released]


async def collect(source: Source[Any], limit: int | None) -> Result:
    """What a source sends until it ends, or until it was enough."""
    outputs: list[Any] = []
    enough = asyncio.Event()

    async def send(events: Iterable[Any]) -> Delivery:
        batch = list(events)
        outputs.extend(batch)
        if limit is not None and len(outputs) >= limit:
            enough.set()
        await asyncio.sleep(0)
        return delivered(len(batch))

    running = asyncio.ensure_future(source.run(send))
    watching = asyncio.ensure_future(enough.wait())
    try:
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and not source.stop():
            running.cancel()
        await asyncio.wait({running})
    finally:
        running.cancel()
        watching.cancel()
    error = None if running.cancelled() else running.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return Result(outputs, error=error)


def delivered(count: int) -> Delivery:
    """A delivery of ``count`` events that have all arrived."""
    delivery = Delivery(count)
    if count:
        delivery.settle(DeliveryStatus.DELIVERED, count)
    return delivery
