"""The metrics of the process, the interpreter and the event loop.

Law: nothing of it needs a thread or task of its own, and nothing outlives the pipeline:
the loop is watched by one timer that ends with it.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from . import process

if TYPE_CHECKING:
    from .meter import Meter

Told = tuple[str, Callable[[CallbackOptions], Iterator[Observation]], str, str]

COUNTERS: Sequence[Told] = (
    ("process.cpu.time", process.cpu_time, "s", "CPU time by mode."),
    (
        "process.context_switches",
        process.context_switches,
        "{context_switch}",
        "Switches to other processes.",
    ),
    ("process.paging.faults", process.page_faults, "{fault}", "Page faults."),
    (
        "cpython.gc.collections",
        process.collections,
        "{collection}",
        "Runs of the garbage collector by generation.",
    ),
    (
        "cpython.gc.collected_objects",
        process.collected_objects,
        "{object}",
        "Objects that the garbage collector has freed.",
    ),
    (
        "cpython.gc.uncollectable_objects",
        process.uncollectable_objects,
        "{object}",
        "Objects that the garbage collector could not free.",
    ),
)
LEVELS: Sequence[Told] = (
    ("process.memory.usage", process.memory_usage, "By", "Physical memory in use."),
    ("process.memory.virtual", process.virtual_memory, "By", "Virtual memory."),
    ("process.thread.count", process.thread_count, "{thread}", "Threads."),
    (
        "process.unix.file_descriptor.count",
        process.open_files,
        "{file_descriptor}",
        "File descriptors in use.",
    ),
)

PERIOD = 0.1  # seconds between two looks at the event loop
DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Runtime:
    """Measures the process always, and an event loop from ``begin`` to ``end``.

    Args:
        meter: makes the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        for name, callback, unit, description in COUNTERS:
            meter.observable_counter(name, callback, unit=unit, description=description)
        for name, callback, unit, description in LEVELS:
            meter.observable_up_down_counter(
                name, callback, unit=unit, description=description
            )
        meter.observable_up_down_counter(
            "asyncio.task.count",
            self._tasks,
            unit="{task}",
            description="Tasks of the event loop that have not ended.",
        )
        self._delay = meter.histogram(
            "asyncio.eventloop.delay",
            "s",
            "How late the event loop calls what is due.",
            buckets=DELAYS,
        )
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the loop: it is the parent's."""
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None

    def begin(self, loop: AbstractEventLoop) -> None:
        """Watch the loop, which calls this, from now on."""
        self.end()
        self._loop = loop
        self._look_in(PERIOD)

    def end(self) -> None:
        """Watch the loop no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None

    def _look_in(self, seconds: float) -> None:
        if self._loop is not None:
            due = self._loop.time() + seconds
            self._timer = self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        if self._loop is not None:
            self._delay.record(max(self._loop.time() - due, 0.0))
            self._look_in(PERIOD)

    def _tasks(self, options: CallbackOptions) -> Iterator[Observation]:
        del options
        loop = self._loop
        if loop is not None:
            yield Observation(len(asyncio.all_tasks(loop)))
