"""Work that would keep the event loop is done beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import to_thread

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


async def beside_loop(
    work: Callable[[*Arguments], Result], *arguments: *Arguments
) -> Result:
    """What ``work`` returns, called on a thread; in place where none can be had."""
    try:
        return await to_thread.run_sync(work, *arguments, abandon_on_cancel=True)
    except RuntimeError:  # no new thread: the interpreter is ending
        return work(*arguments)
