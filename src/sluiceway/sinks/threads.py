"""Work that would keep the event loop is done beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

from ..beside import beside

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


async def beside_loop(
    work: Callable[[*Arguments], Result], *arguments: *Arguments
) -> Result:
    """What ``work`` returns, called on a thread; in place where none can be had."""
    return await beside(partial(work, *arguments), "sluiceway-rendering")
