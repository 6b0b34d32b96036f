"""Calling a user's function for each event of a batch.

Law: a failing call costs its own event and nobody else's. Whether a function waits is
known before the first call.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError, current_task
from collections.abc import Callable
from operator import countOf, length_hint
from types import AsyncGeneratorType, CoroutineType, GeneratorType, NoneType
from typing import Any

from .stages import Processed

Function = Callable[..., Any]
ONE_EVENT = (dict, str, bytes)  # iterables whose parts are hardly events
END = object()
NOT_AN_EVENT = frozenset(
    {NoneType, list, GeneratorType, AsyncGeneratorType, CoroutineType}
)


def call_each(
    function: Function,
    events: list[Any],
    loop: type[map[Any] | filter[Any]] = map,
) -> tuple[list[Any], dict[int, Exception]]:
    """What ``loop(function, events)`` gives, and the errors of failing calls by index.

    The calls run inside the C loop of ``map`` or ``filter``, which a failing one leaves
    and re-enters: about half the cost of a loop with a ``try`` in Python.
    """
    results: list[Any] = []
    failed: dict[int, Exception] = {}
    remaining = iter(events)
    running = loop(function, remaining)
    while True:
        try:
            results.extend(running)
        except (CancelledError, SystemExit) as error:
            failed[len(events) - length_hint(remaining) - 1] = unasked(error)
            continue
        except Exception as error:  # noqa: BLE001 - a user's bug costs one event
            failed[len(events) - length_hint(remaining) - 1] = error
            continue
        if len(results) == len(events):
            return results, failed
        left = length_hint(remaining)
        if left == 0:
            # A function that raises StopIteration ends the loop too, even at the last
            # event; but a list's iterator that has ended itself sees nothing appended.
            events.append(None)
            ended = next(remaining, END) is END
            events.pop()
            if ended:
                return results, failed
        failed[len(events) - left - 1] = RuntimeError(
            "the function raised StopIteration"
        )


def are_events(results: list[Any]) -> bool:
    """Whether each result is one event; mostly all of them are of one type."""
    kind = type(results[0]) if results else None
    if countOf(map(type, results), kind) == len(results):
        return kind not in NOT_AN_EVENT
    return NOT_AN_EVENT.isdisjoint(map(type, results))


def sort_results(
    events: list[Any],
    results: list[Any],
    failed: dict[int, Exception],
    name: str | None,
) -> Processed[Any]:
    """Lists opened up, wrong answers moved to the failed ones, everything counted."""
    kept: list[Any] = []
    origins: list[int] = []
    filtered = created = 0
    answers = iter(results)
    for index, event in enumerate(events):
        if index in failed:
            continue
        answer = next(answers)
        wrong = wrong_answer(answer, name)
        if wrong is not None:
            failed[index] = wrong
        elif type(answer) is list and answer is not event:
            kept += answer
            origins += [index] * len(answer)
            filtered += not answer
            created += max(0, len(answer) - 1)
        else:
            kept.append(answer)
            origins.append(index)
    return Processed(
        kept, filtered=filtered, created=created, failed=failed, origins=origins
    )


def wrong_answer(answer: Any, name: str | None) -> Exception | None:
    """The error for an answer that is no event, or None if it is fine."""
    if answer is None:
        return TypeError(f"{name} returned None; return the event, or [] to filter it")
    if isinstance(answer, GeneratorType | AsyncGeneratorType):
        return TypeError(f"{name} is a generator function; return a list instead")
    if isinstance(answer, CoroutineType):
        answer.close()
        return TypeError(f"{name} returned a coroutine; declare it async def")
    return None


def unasked(error: CancelledError | SystemExit) -> Exception:
    """What to book when a stage ends its task or the program, which is not its to end.

    Raises:
        CancelledError: somebody else did cancel this task.
    """
    if isinstance(error, SystemExit):
        return RuntimeError(f"the stage called sys.exit({error.code!r})")
    task = current_task()
    if task is None or task.cancelling():
        raise error
    return RuntimeError("the stage raised CancelledError, and nobody had asked it to")


def is_async(function: Function) -> bool:
    """Whether calling ``function`` gives an awaitable, by its declaration."""
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind, not its presence
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
