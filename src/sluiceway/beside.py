"""Calling what may block, beside the event loop.

Law: the loop never waits, and a call that never returns keeps no process from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def beside(function: Callable[[], T], name: str) -> T:
    """What ``function`` returns, called on a daemon thread of its own.

    It has a copy of the caller's context. Where no thread can be started (the
    interpreter is about to end, or the system has no more) it is called at once: late
    is better than lost. Whoever cancels this leaves the call to itself.

    Args:
        function: what to call.
        name: of the thread.

    Raises:
        Exception: what ``function`` raises.
    """
    try:
        called = started(function, name)
    except RuntimeError:
        return function()
    return await called


def started(function: Callable[[], T], name: str) -> asyncio.Future[T]:
    """What ``function`` will return, called on a daemon thread of its own.

    Args:
        function: what to call.
        name: of the thread.

    Raises:
        RuntimeError: no thread can be started.
    """
    loop = asyncio.get_running_loop()
    called: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            tell(fail, error)
        else:
            tell(succeed, result)

    def tell(how: Callable[..., None], what: object) -> None:
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(how, called, what)

    Thread(target=copy_context().run, args=(work,), name=name, daemon=True).start()
    return called


def succeed(called: asyncio.Future[T], result: T) -> None:
    """Give the result to whoever still waits."""
    if not called.done():
        called.set_result(result)


def fail(called: asyncio.Future[T], error: BaseException) -> None:
    """Raise the error where somebody still waits."""
    if not called.done():
        if isinstance(error, StopIteration):  # no future takes it
            error = RuntimeError("a StopIteration was raised")
        called.set_exception(error)
