"""The context in which a stage works: it knows the sources whose events it handles."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import Any

from ..stages import Source
from ..upstream import SOURCES
from .graph import Node, StageKind, that_reach


def context_of(node: Node) -> Context:
    """A copy of the current context for the worker of ``node``.

    A pipeline that is started by another one's stage works for that one's sources too.
    """
    context = copy_context()
    sources = sources_above(node)
    context.run(SOURCES.set, (*SOURCES.get(), *sources))
    for source in sources:
        context.run(source.mark_work)
    return context


def sources_above(node: Node) -> list[Source[Any]]:
    """The sources whose events can reach ``node``; a source reaches itself."""
    return [n.stage for n in that_reach(node) if n.kind is StageKind.SOURCE]
