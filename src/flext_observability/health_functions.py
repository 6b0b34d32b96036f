"""What is called when a check runs: the user's function, guarded, on the right loop.

Law: nothing that it raises reaches the pipeline's loop, or ends a thread.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from inspect import (
    CORO_CREATED,
    getcoroutinestate,
    isawaitable,
    iscoroutinefunction,
)
from typing import Any, Final

from sluiceway.events import HealthStatus
from sluiceway.health import raised

from .models import FlextHealthCheck
from .result import FlextFailure, FlextSuccess

LOOK_AGAIN: Final = 0.1  # seconds until a loop is looked at that may have ended
Function = Callable[[], Any]


def guarded(function: Function) -> Function:
    """The function as a check calls it: sync stays sync, async stays async.

    An ``async def`` that is registered on a running event loop is called on that loop
    as long as it runs, because its clients and pools belong there.
    """
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind, not its presence
    if iscoroutinefunction(function) or iscoroutinefunction(call):
        return AtHome(function, running_loop()).ask

    def called() -> Any:
        answer = function()
        return answer_of(answer) if isawaitable(answer) else meant(answer)

    return called


def meant(answer: Any) -> Any:
    """What an answer in this package's own types says to a Check."""
    if isinstance(answer, FlextFailure):
        return HealthStatus.UNHEALTHY, answer.error
    told = answer.value if isinstance(answer, FlextSuccess) else answer
    if isinstance(told, FlextHealthCheck):
        return HealthStatus(told.status), told.message, told.details
    return told


async def answer_of(awaitable: Awaitable[Any]) -> Any:
    """What it answers, or the outcome that what it raises is."""
    try:
        return meant(await awaitable)
    except CancelledError:  # who cancels it means it
        raise
    except BaseException as error:  # noqa: BLE001 - a KeyboardInterrupt ends a loop
        return raised(error)


def running_loop() -> AbstractEventLoop | None:
    """The loop of whoever calls, if there is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class AtHome:
    """An ``async def`` that is called on the loop where it was registered.

    Args:
        function: the function.
        home: that loop; None for the one that asks.
    """

    def __init__(self, function: Function, home: AbstractEventLoop | None) -> None:
        self._function = function
        self._home = home
        self._process = os.getpid()  # a forked child never wakes its parent's loop

    async def ask(self) -> Any:
        """What the function answers; here, where its own loop ends before it does."""
        home = self._home
        if home is not None and self._elsewhere(home):
            asked = await asked_at(home, self._answer())
            if asked is not None:
                return asked.result()
        return await self._answer()

    def _elsewhere(self, home: AbstractEventLoop) -> bool:
        """Whether it runs, and is not this one."""
        here = home is asyncio.get_running_loop()
        return home.is_running() and not here and self._process == os.getpid()

    async def _answer(self) -> Any:
        return await answer_of(self._called())

    async def _called(self) -> Any:
        return await self._function()


async def asked_at(
    home: AbstractEventLoop, work: Coroutine[Any, Any, Any]
) -> Future[Any] | None:
    """What was asked for on another loop, done; None if that loop ended before."""
    try:
        asked = asyncio.run_coroutine_threadsafe(work, home)
    except RuntimeError:  # it is closed by now
        work.close()
        return None
    answer = asyncio.wrap_future(asked)
    try:
        while home.is_running() and not asked.done():
            await asyncio.wait({answer}, timeout=LOOK_AGAIN)
    except CancelledError:
        answer.cancel()
        raise
    if getcoroutinestate(work) == CORO_CREATED:
        work.close()  # nobody will begin it
    return asked if asked.done() and not asked.cancelled() else None
