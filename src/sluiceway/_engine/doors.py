"""Doors: opens the stages of a graph and closes them again, whatever they do.

Law: nobody waits for a stage past the cut. Sinks open first, sources close first; one
that fails to open undoes what was opened, one that hangs keeps no other from closing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import PipelineStateError
from ..stages import StageContext
from .complaints import Complaints
from .graph import Graph, Node
from .origins import context_of

GRACE = 0.4  # seconds after the cut for all that still open or close


class OpeningStoppedError(PipelineStateError):
    """The pipeline was stopped while a stage was opening."""

    def __init__(self, name: str) -> None:
        super().__init__(f"stopped while stage {name} was opening")


class Doors:
    """What of a graph is open.

    Args:
        graph: its stages.
        name: the pipeline's.
        context: what a stage is told when it opens.
        cut: set when waiting must end.
        complaints: where the errors of ``close`` are logged.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        name: str,
        context: Callable[[Node], StageContext],
        cut: asyncio.Event,
        complaints: Complaints,
    ) -> None:
        self.haste = asyncio.Event()  # set when there is nothing left to open for
        self.hung: list[str] = []  # stages that did not let go
        self.unopened: list[str] = []  # stages that were cut off while they opened
        self.moving: set[str] = set()  # stages that open or close now
        self._graph = graph
        self._name = name
        self._context = context
        self._cut = cut
        self._complaints = complaints
        self._opened: list[Node] = []

    async def open_all(self) -> None:
        """Sinks first, so that whoever sends finds everybody ready."""
        for node in self._graph.downstream_first():
            if node.exclusive and node.stage.opened_by is not None:
                raise PipelineStateError(
                    f"stage {node.name} is open in pipeline {node.stage.opened_by}; "
                    "give each running pipeline one of its own"
                )
            if self.haste.is_set():
                self.unopened.append(node.name)
                raise OpeningStoppedError(node.name)
            node.stage.opened_by = self._name
            self._opened.append(node)
            self.moving.add(node.name)
            try:
                await self._open(node)
            except OpeningStoppedError:
                raise
            except Exception as error:
                error.add_note(f"while opening stage {node.name}")
                raise
            finally:
                self.moving.discard(node.name)

    async def _open(self, node: Node) -> None:
        opened = node.stage.open(self._context(node))
        opening = context_of(node).run(asyncio.ensure_future, opened)
        try:
            await tasks_or({opening}, self.haste)
        finally:
            if not opening.done():
                await self._call_off(opening, node)
        if self.unopened:
            raise OpeningStoppedError(node.name)
        error = failure_of(opening)
        if error is not None:
            self._opened.pop()
            node.stage.opened_by = None
            raise error

    async def _call_off(self, opening: asyncio.Future[None], node: Node) -> None:
        """End an ``open`` that nobody waits for, if it lets itself be ended."""
        self.unopened.append(node.name)
        opening.add_done_callback(failure_of)  # it is asked, or the loop complains
        opening.cancel()
        await asyncio.wait({opening}, timeout=GRACE)
        if not opening.done():
            self.hung.append(node.name)

    async def close_all(self) -> None:
        """Close what was opened, sources first; ``hung`` names those that hang.

        One after the other until the cut; then together, so that all of them have one
        moment, however many they are.
        """
        nodes, self._opened = self._opened[::-1], []
        loop = asyncio.get_running_loop()
        closing: dict[asyncio.Task[None], Node] = {}
        for node in nodes:
            task = loop.create_task(self._close(node), context=context_of(node))
            closing[task] = node
            try:
                await tasks_or({task}, self._cut)
            except asyncio.CancelledError:  # the loop itself is closing down
                self._cut.set()
        late = [task for task in closing if not task.done()]
        if late:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(late, timeout=GRACE)
        for task in late:
            if not task.done():
                task.cancel()
                self.hung.append(closing[task].name)

    async def _close(self, node: Node) -> None:
        self.moving.add(node.name)
        try:
            await node.stage.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it keeps no other
            self._complaints.about(node.name, error)
        finally:
            self.moving.discard(node.name)
            node.stage.opened_by = None


def failure_of(ended: asyncio.Future[None]) -> BaseException | None:
    """What a task has raised; nobody had asked it to be cancelled."""
    if ended.cancelled():
        return PipelineStateError("open() was cancelled, and nobody had asked for it")
    return ended.exception()


async def tasks_or(tasks: set[asyncio.Future[Any]], event: asyncio.Event) -> None:
    """Wait until all tasks have ended, or for the event."""
    pending = {task for task in tasks if not task.done()}
    if not pending or event.is_set():
        return
    asked: asyncio.Future[Any] = asyncio.ensure_future(event.wait())
    try:
        while pending and not event.is_set():
            done, _ = await asyncio.wait(
                {*pending, asked}, return_when="FIRST_COMPLETED"
            )
            pending -= done
    finally:
        asked.cancel()
