"""The runs of one health check.

Law: there are never two at a time, whatever the function does: one that hangs keeps its
one task or its one thread, and is not asked again before it has let go. Nobody waits
for it any longer than its time-out.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from inspect import isawaitable
from typing import Any, Final

from ..beside import started
from ..clock import SYSTEM_CLOCK, Clock
from ..events import HealthCheck
from ..functions import is_async
from ..health.checks import Check
from ..health.outcomes import Outcome, answered, overdue, raised, timed_out
from ..inlet import wake
from ..reports import Watched

GRACE: Final = 0.5  # seconds that checks which were cancelled have for their ends


class CheckRuns:
    """Runs one check, within its time-out.

    Args:
        check: what is run.
    """

    def __init__(self, check: Check) -> None:
        self.check = check
        self.ask_in(None)
        self._task: asyncio.Task[Outcome] | None = None
        self._on_thread = False
        self._began = 0.0

    def ask_in(self, pipeline: Watched | None) -> None:
        """Ask as a part of that pipeline from now on; of none at first."""
        self._function = self.check.asked_in(pipeline)
        self._is_async = is_async(self._function)

    @property
    def under_way(self) -> bool:
        """Whether the function still runs."""
        task = self._task
        if task is None or task.done() or task.get_loop().is_closed():
            return self._on_thread
        return True

    async def take_turn(self, clock: Clock) -> tuple[Outcome, float]:
        """Run the check, unless it still runs.

        Args:
            clock: tells the time-out.

        Returns:
            How it ended, and the seconds since it began.
        """
        if self.under_way:
            seconds = clock.now() - self._began
            return overdue(seconds), seconds
        self._began = clock.now()
        task = asyncio.create_task(self._run(), name=f"health {self.check.name}")
        self._task = task
        try:
            await ended(task, clock, self._began + self.check.timeout)
        finally:
            if not task.done():
                task.cancel()
        seconds = clock.now() - self._began
        if not task.done():
            return timed_out(self.check.timeout), seconds
        if task.cancelled():  # the function has cancelled its own task
            return raised(CancelledError()), seconds
        return task.result(), seconds

    async def _run(self) -> Outcome:
        try:
            return await self._outcome()
        except KeyboardInterrupt:  # somebody wants the program to end
            raise
        except BaseException as error:
            if is_cancelled(error):
                raise
            return raised(error)

    async def _outcome(self) -> Outcome:
        answer = await self._answer()
        if isinstance(answer, Outcome):
            return answer
        if isawaitable(answer):
            answer = await answer
        return answered(answer)

    async def _answer(self) -> Any:
        if self._is_async:
            return await self._function()
        call = partial(copy_context().run, self._function)
        self._on_thread = True
        try:
            called = started(
                partial(self._call, call), f"sluiceway-health {self.check.name}"
            )
        except RuntimeError:
            self._on_thread = False
            raise
        return await asyncio.shield(called)

    def _call(self, call: Callable[[], Any]) -> Any:
        """On the thread: what the function returns, or how it has failed."""
        try:
            return call()
        except BaseException as error:  # noqa: BLE001 - nothing may end a thread
            return raised(error)
        finally:
            self._on_thread = False

    def cancel(self) -> asyncio.Task[Outcome] | None:
        """Ask a run on the loop to end; the task, if it has not yet."""
        task = self._task
        if task is None or task.done() or task.get_loop().is_closed():
            return None
        task.cancel()
        return task


async def run_check(check: Check, clock: Clock = SYSTEM_CLOCK) -> HealthCheck:
    """Run a check once, now, and wait for what it finds, its time-out at most.

    For programs and tests that want one answer: no threshold and no dependency has a
    say in it, and a run that does not end in time is unknown.

    Args:
        check: what is run; its interval means nothing here.
        clock: tells the time-out; default real time.
    """
    runs = CheckRuns(check)
    outcome, seconds = await runs.take_turn(clock)
    await let_go([runs])
    return HealthCheck(
        name=check.name,
        status=outcome.status,
        message=outcome.message,
        details=outcome.details,
        time_unix_nano=clock.time_ns(),
        duration=seconds,
        critical=check.critical,
    )


def is_cancelled(error: BaseException) -> bool:
    """Whether somebody has cancelled this task, which is no failure of the check."""
    task = asyncio.current_task()
    cancelling = task is not None and task.cancelling() > 0
    return cancelling and isinstance(error, CancelledError)


async def ended(task: asyncio.Task[Any], clock: Clock, until: float) -> None:
    """Wait for a task's end, or for a time."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_at(until, partial(wake, over))
    try:
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()


async def let_go(runs: Iterable[CheckRuns]) -> None:
    """Cancel what still runs; what does not end within a moment is left behind."""
    tasks = [task for each in runs if (task := each.cancel()) is not None]
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)
