"""Whose events are being worked on, so that a source is not fed by work on its own.

Law: known by context, not by name. What a stage calls, its tasks and its threads
included, is told apart from the application; a source that takes in what any code does,
such as log lines, can leave out what is done about its own events.
A thread is known if it was given the context: by ``asyncio.to_thread`` or by
``copy_context().run``, not by a bare ``loop.run_in_executor``.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stages import Source

SOURCES: ContextVar[tuple[Source[Any], ...]] = ContextVar(
    "sluiceway_sources", default=()
)


def works_for(source: Source[Any]) -> bool:
    """Whether the code that asks handles events that may be of ``source``."""
    sources = SOURCES.get()
    return bool(sources) and any(each is source for each in sources)
