"""What the conformance checks share: complaints, handed lists, cancellation, a loop.

Law: a check fails with an ``AssertionError`` that says what is wrong and what is
expected, and it ends, whatever the stage does.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from types import CoroutineType
from typing import Any, TypeVar, Union, cast

from ..batch import copy_event
from ..errors import DeliveryError, PartialError
from ..stages import Stage

StageType = TypeVar("StageType", bound=Stage)
Make = Union[Callable[[], StageType], StageType]  # noqa: UP007 - a runtime alias

MOST_TURNS = 30  # turns of the loop after which a call is cancelled at the latest
LINGER = 0.02  # seconds between looks whether a thread has let go of a list
LINGERING = 25  # such looks


def require(true: object, complaint: str) -> None:
    """Fail with the complaint unless ``true`` is."""
    if not true:
        raise AssertionError(complaint)


def require_equal(found: Sequence[Any], expected: Sequence[Any], verb: str) -> None:
    """Fail with the first difference unless both are the same events in order."""
    for index, (one, other) in enumerate(zip(found, expected, strict=False)):
        same = are_equal(one, other)
        require(same, f"{verb} {one!r} as event {index}; expected {other!r}")
    require(
        len(found) == len(expected),
        f"{verb} {len(found)} events; expected {len(expected)}",
    )


def are_equal(one: Any, other: Any) -> bool:
    """Whether both are the same; False where they cannot be compared, as arrays."""
    try:
        return one is other or bool(one == other)
    except Exception:  # noqa: BLE001 - a user's event may raise anything
        return False


def is_whole(value: Any) -> bool:
    """Whether it is a whole number from 0, as of events."""
    return isinstance(value, int) and value >= 0


def run_check(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a check on an event loop of its own, which does not wait for what hangs.

    Raises:
        RuntimeError: there is a running event loop already.
    """
    if has_running_loop():
        raise RuntimeError("call conformance checks from a plain function, not async")
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(check())
    finally:
        loop.set_exception_handler(lambda _loop, _context: None)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def has_running_loop() -> bool:
    """Whether this thread runs an event loop at this moment."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def fresh(make: Make[StageType], kind: Any) -> StageType:
    """A stage of the kind; one object may be given instead of what makes one."""
    stage: Any = make if isinstance(make, Stage) else make()
    require(
        isinstance(stage, kind),
        f"expected a {kind.__name__}, got {stage!r}; does its class derive from it?",
    )
    return cast(StageType, stage)


def samples(events: Iterable[Any]) -> list[Any]:
    """The events to check with, which are used again and again."""
    known = list(events)
    require(known, "there are no events to check with; give some for it to take")
    return known


class Given(list[Any]):
    """A list that can tell whether somebody still has it."""


class Handed:
    """A list of copies of events as a stage is given it, and how it was before.

    Args:
        events: the events; the stage gets copies, so that they can be used again.
        stage: whose complaints these are.
    """

    def __init__(self, events: Sequence[Any], stage: object) -> None:
        self.given = Given(copy_event(event) for event in events)
        self._stage = stage
        self._before = tuple(self.given)
        self._copies = [copy_event(event) for event in self._before]
        self._comparable = self._are_same()

    def check_list(self) -> None:
        """The list must be as it was."""
        same = list(map(id, self.given)) == list(map(id, self._before))
        require(
            same,
            f"{self._stage!r} changed the list that it was given; make a new list",
        )

    def check_events(self, why: str) -> None:
        """The events must be as they were."""
        if self._comparable:
            require(
                self._are_same(),
                f"{self._stage!r} changed events in place; {why}",
            )

    def _are_same(self) -> bool:
        return all(map(are_equal, self._before, self._copies))

    async def check_let_go(self) -> None:
        """The stage must have kept events only, not the list."""
        watcher = weakref.ref(self.given)
        self.given = Given()
        for _ in range(LINGERING):
            if watcher() is None:
                return
            gc.collect()
            await asyncio.sleep(LINGER)
        require(
            watcher() is None,
            f"{self._stage!r} kept the list that it was given; the engine goes on "
            "using it, so keep a copy: list(events)",
        )


async def bounded(call: Awaitable[Any], what: str, timeout: float) -> Any:
    """What a call of a stage gives; it must end in time and without an error."""
    task = started(call, what)
    done, _ = await asyncio.wait({task}, timeout=timeout)
    require(done, f"{what} did not end within {timeout:g} s")
    require(
        not task.cancelled(), f"{what} raised CancelledError, but nobody cancelled it"
    )
    error = task.exception()
    if error is not None:
        raise AssertionError(raised(what, error)) from error
    return task.result()


def started(call: Any, what: str) -> asyncio.Future[Any]:
    """The task of a call of a stage, which must give something to await."""
    require(
        isinstance(call, Awaitable),
        f"{what} returned {type(call).__name__}; make it async def, without yield",
    )
    task: asyncio.Future[Any] = asyncio.ensure_future(call)
    return task


def ask(method: Callable[..., Any], *given: Any, what: str) -> Any:
    """What a method of a stage answers at once; it must not raise.

    Raises:
        PartialError: that it failed some events is an answer.
    """
    try:
        return method(*given)
    except PartialError:
        raise
    except Exception as error:
        raise AssertionError(raised(what, error)) from error


def raised(what: str, error: BaseException) -> str:
    """What a call of a stage raised: a refusal, or that it broke."""
    verb = "refused the sample events:" if is_delivery(error) else "raised"
    return f"{what} {verb} {error!r}"


def close_unrun(answer: Any) -> None:
    """Spare who made a coroutine for nobody a second complaint, that of Python's."""
    if isinstance(answer, CoroutineType):
        answer.close()


def is_delivery(error: BaseException) -> bool:
    """Whether a stage said so, rather than broke."""
    return isinstance(error, DeliveryError)


async def cancel_everywhere(
    attempt: Callable[[], Coroutine[Any, Any, Any]], what: str, timeout: float
) -> None:
    """Cancel a call after one turn of the loop, then after two, until it is done."""
    for turns in range(1, MOST_TURNS):
        task = asyncio.ensure_future(attempt())
        for _ in range(turns):
            await asyncio.sleep(0)
        finished = task.done()
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=timeout)
        require(done, f"{what} did not end within {timeout:g} s after it was cancelled")
        if not task.cancelled() and (error := task.exception()):
            raise AssertionError(f"{what} raised {error!r} when cancelled") from error
        require(
            finished or task.cancelled(),
            f"{what} swallowed its cancellation; let CancelledError pass",
        )
        if finished:
            return


async def check_no_tasks(stage: object, before: set[asyncio.Task[Any]]) -> None:
    """After ``close`` no task of the stage may be left."""
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    names = ", ".join(sorted(task.get_name() for task in left))
    require(
        not left,
        f"{stage!r} left tasks running after close: {names}; end them in close()",
    )
