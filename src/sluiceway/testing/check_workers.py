"""The conformance checks of processors and samplers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import PartialError
from ..formats.tracestate import read_ot
from ..functions import is_async
from ..stages import Processed, Processor, Sampler
from .checking import (
    Handed,
    Make,
    bounded,
    cancel_everywhere,
    check_no_tasks,
    close_unrun,
    fresh,
    is_whole,
    require,
    run_check,
    samples,
)
from .running import on_thread, stage_context

COPY_OR_SAY_SO = "say mutates = True, so that a fan-out copies, or make new events"


def check_processor(
    make: Make[Processor[Any, Any]], events: Iterable[Any], *, timeout: float = 5.0
) -> None:
    """Check that a processor does what the engine relies on.

    It opens, processes, closes and opens again; answers with a list (or a ``Processed``
    or ``PartialError`` whose books agree); keeps neither the list that it is given nor
    changes it, and changes events only if it says ``mutates``; can be cancelled at
    every await; leaves no task behind. Call it from a plain test function.

    Args:
        make: makes a new processor; or one processor.
        events: events that it should be able to take; some may fail.
        timeout: seconds of real time for each call.

    Raises:
        AssertionError: what is wrong, and what is expected.
    """
    known = samples(events)
    run_check(lambda: processor_conforms(make, known, timeout))


async def processor_conforms(
    make: Make[Processor[Any, Any]], events: Sequence[Any], timeout: float
) -> None:
    """All of the check, on a loop."""
    before = asyncio.all_tasks()
    stage = fresh(make, Processor)
    waits = is_async(stage.process)
    require(
        not (stage.blocking and waits),
        f"{stage!r} says blocking=True, but its process is async; drop one of the two",
    )
    for _ in range(2):
        await bounded(stage.open(stage_context()), f"{stage!r}.open", timeout)
        await check_process(stage, events, timeout)
        await bounded(stage.close(), f"{stage!r}.close", timeout)
    if waits:
        stage = fresh(make, Processor)
        await bounded(stage.open(stage_context()), f"{stage!r}.open", timeout)
        await cancel_everywhere(
            lambda: answer_of(stage, Handed(events, stage).given),
            f"{stage!r}.process",
            timeout,
        )
        await bounded(stage.close(), f"{stage!r}.close", timeout)
    await check_no_tasks(stage, before)


async def check_process(
    stage: Processor[Any, Any], events: Sequence[Any], timeout: float
) -> None:
    """One call, its books, and what it must leave alone."""
    handed = Handed(events, stage)
    given = tuple(handed.given)
    answer = await bounded(
        answer_of(stage, handed.given), f"{stage!r}.process", timeout
    )
    check_answer(stage, answer, given)
    del given
    if not isinstance(answer, Exception) and answer is not handed.given:
        handed.check_list()
    if not stage.mutates:
        handed.check_events(COPY_OR_SAY_SO)
    del answer
    await handed.check_let_go()


async def answer_of(stage: Processor[Any, Any], events: list[Any]) -> Any:
    """What a processor answers; a partial failure is an answer, too."""
    try:
        if stage.blocking:
            return await on_thread(stage.process, events)
        answer: Any = stage.process(events)
        return await answer if is_async(stage.process) else answer
    except PartialError as error:
        return error.with_traceback(None)


def check_answer(stage: Processor[Any, Any], answer: Any, given: Sequence[Any]) -> None:
    """An answer is a list of events, and its books agree."""
    if isinstance(answer, PartialError):
        check_partial(stage, answer, given)
        check_nobody_is_none(stage, answer.kept or [])
        return
    count = len(given)
    close_unrun(answer)
    require(
        isinstance(answer, list),
        f"{stage!r}.process returned {type(answer).__name__}; return the list of the "
        "events that go on",
    )
    check_nobody_is_none(stage, answer)
    if isinstance(answer, Processed):
        check_failed(stage, answer.failed, count)
        check_processed(stage, answer, count)
        expected = count - answer.filtered - len(answer.failed) + answer.created
        require(
            len(answer) == expected,
            f"{stage!r}.process returned {len(answer)} events, but its own counts say "
            f"{count} - {answer.filtered} filtered - {len(answer.failed)} failed + "
            f"{answer.created} created = {expected}",
        )


def check_nobody_is_none(stage: object, answer: Sequence[Any]) -> None:
    """None is no event."""
    require(
        all(event is not None for event in answer),
        f"{stage!r}.process returned a list with None in it; leave filtered events out",
    )


def check_processed(stage: object, answer: Processed[Any], count: int) -> None:
    """What a ``Processed`` says beside its events is possible."""
    for name in ("filtered", "created"):
        number = getattr(answer, name)
        require(
            is_whole(number),
            f"{stage!r}.process says {name}={number!r}; expected a count",
        )
    origins = answer.origins
    require(
        origins is None
        or (len(origins) == len(answer) and all(map(range(count).count, origins))),
        f"{stage!r}.process says origins={origins!r} of {len(answer)} events; expected "
        f"for each its index in the batch of {count}",
    )


def check_partial(stage: object, error: PartialError, given: Sequence[Any]) -> None:
    """A partial failure says what goes on, and none of that failed."""
    require(
        error.kept is not None,
        f"{stage!r} raised PartialError without kept=, the events that go on: it would "
        "lose the whole batch",
    )
    check_failed(stage, error.failed, len(given))
    gone = {id(event) for index, event in enumerate(given) if index in error.failed}
    standing = {id(event) for i, event in enumerate(given) if i not in error.failed}
    both = [event for event in error.kept or () if id(event) in gone - standing]
    require(
        not both,
        f"{stage!r} failed {both!r} and kept it; an event that failed goes no further",
    )


def check_failed(stage: object, failed: Any, count: int) -> None:
    """Failed indices are indices of the batch."""
    wrong = [index for index in failed if index not in range(count)]
    require(not wrong, f"{stage!r} failed the indices {wrong} of a batch of {count}")


def check_sampler(
    make: Make[Sampler[Any]], events: Iterable[Any], *, timeout: float = 5.0
) -> None:
    """Check that a sampler does what the engine relies on.

    It opens, samples, closes and opens again; answers at once with some of the events
    that it was given, the same objects in the same order; keeps neither the list nor
    changes it, and changes events only if it says ``mutates``; never lowers a span's
    sampling threshold. Call it from a plain test function.

    Args:
        make: makes a new sampler; or one sampler.
        events: events that it should be able to take.
        timeout: seconds of real time for ``open`` and ``close``.

    Raises:
        AssertionError: what is wrong, and what is expected.
    """
    known = samples(events)
    run_check(lambda: sampler_conforms(make, known, timeout))


async def sampler_conforms(
    make: Make[Sampler[Any]], events: Sequence[Any], timeout: float
) -> None:
    """All of the check, on a loop."""
    before = asyncio.all_tasks()
    stage = fresh(make, Sampler)
    require(
        not is_async(stage.sample),
        f"{stage!r}.sample is async; sampling never waits, use a processor instead",
    )
    for life in range(2):
        await bounded(stage.open(stage_context()), f"{stage!r}.open", timeout)
        for now in (0.0, 0.0, 1.0, 3600.0):
            await check_sample(stage, events, now + 7200.0 * life)
        await bounded(stage.close(), f"{stage!r}.close", timeout)
    await check_no_tasks(stage, before)


async def check_sample(stage: Sampler[Any], events: Sequence[Any], now: float) -> None:
    """One call, and what it must leave alone."""
    handed = Handed(events, stage)
    given = tuple(handed.given)
    thresholds = {id(event): threshold_in(event) for event in given}
    try:
        kept = stage.sample(handed.given, now)
    except PartialError as error:
        check_partial(stage, error, given)
        kept = error.kept or []
    except Exception as error:
        raise AssertionError(f"{stage!r}.sample raised {error!r}") from error
    close_unrun(kept)
    check_subsequence(stage, kept, given)
    for event in kept:
        lowered = threshold_in(event) < thresholds[id(event)]
        require(not lowered, f"{stage!r} lowered the sampling threshold of {event!r}")
    if kept is not handed.given:
        handed.check_list()
    if not stage.mutates:
        handed.check_events(COPY_OR_SAY_SO)
    del kept
    await handed.check_let_go()


def check_subsequence(stage: object, kept: Any, given: tuple[Any, ...]) -> None:
    """What was kept are some of the given objects, in their order."""
    require(
        isinstance(kept, list),
        f"{stage!r}.sample returned {type(kept).__name__}; return the list of the "
        "events to keep",
    )
    rest = iter(given)
    for event in kept:
        found = any(event is each for each in rest)
        require(
            found,
            f"{stage!r}.sample returned {event!r}, which is new, doubled or out of "
            "order; return some of the given events, in order",
        )


def threshold_in(event: Any) -> int:
    """The sampling threshold that a span carries, -1 for none."""
    state = getattr(event, "trace_state", "")
    threshold = read_ot(state)[0] if isinstance(state, str) else None
    return -1 if threshold is None else threshold
