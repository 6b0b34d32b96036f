"""What a sink remembers of a write from one try to the next.

Law: a write is known by its task, since whoever repeats a write does it there, and with
events of the first try. What was given up is not remembered, nor are its events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen
class Write(Generic[T]):
    """A write that is tried.

    Attributes:
        events: the very objects, held so that no other can be mistaken for one.
        memory: what is remembered.
    """

    events: tuple[Any, ...]
    memory: T

    def goes_on_with(self, events: list[Any]) -> bool:
        """Whether these are all, or what has failed, of its events."""
        known = set(map(id, self.events))
        return all(id(event) in known for event in events)


class Tries(Generic[T]):
    """Remembers something of each write that may be tried again.

    Args:
        make: makes what is remembered, at the first try.
        give_up: told of what was remembered once no try will follow.
    """

    def __init__(self, make: Callable[[], T], give_up: Callable[[T], object]) -> None:
        self._make = make
        self._give_up = give_up
        self._writes: dict[asyncio.Task[Any], Write[T]] = {}

    def __len__(self) -> int:
        return len(self._writes)

    def begin(self, events: list[Any]) -> T:
        """The memory of the running task's write: at its first try a new one."""
        task = running_task()
        write = self._writes.get(task)
        if write is None or not write.goes_on_with(events):
            self.end()
            write = self._writes[task] = Write(tuple(events), self._make())
            task.add_done_callback(self._end)
        return write.memory

    @property
    def memory(self) -> T:
        """The memory of the running task's write, which has begun."""
        return self._writes[running_task()].memory

    def end(self) -> None:
        """The running task's write is not tried again."""
        self._end(running_task())

    def _end(self, task: asyncio.Task[Any]) -> None:
        task.remove_done_callback(self._end)
        write = self._writes.pop(task, None)
        if write is not None:
            self._give_up(write.memory)


def running_task() -> asyncio.Task[Any]:
    """The task that runs; every coroutine runs in one."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a write must be awaited in a task")
    return task
