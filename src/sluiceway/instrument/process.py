"""What the operating system and the interpreter say of this process.

Law: what cannot be found out here is not observed, without a word: not every system has
``/proc`` and ``getrusage``.
Source: OpenTelemetry semantic conventions, ``system/process-metrics``,
``runtime/cpython-metrics``.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation

PROC = Path("/proc/self")


def cpu_time(options: CallbackOptions) -> Iterator[Observation]:
    """Seconds of CPU, by mode."""
    del options
    times = os.times()
    yield Observation(times.user, {"cpu.mode": "user"})
    yield Observation(times.system, {"cpu.mode": "system"})


def memory_usage(options: CallbackOptions) -> Iterator[Observation]:
    """Bytes of physical memory."""
    del options
    yield from (Observation(size) for size in memory_sizes(proc("statm"))[1:2])


def virtual_memory(options: CallbackOptions) -> Iterator[Observation]:
    """Bytes of virtual memory."""
    del options
    yield from (Observation(size) for size in memory_sizes(proc("statm"))[:1])


def thread_count(options: CallbackOptions) -> Iterator[Observation]:
    """Threads, those that Python does not know included."""
    del options
    count = threads_of(proc("stat"))
    if count is not None:
        yield Observation(count)


def open_files(options: CallbackOptions) -> Iterator[Observation]:
    """File descriptors in use."""
    del options
    try:
        count = sum(1 for _ in (PROC / "fd").iterdir())
    except OSError:
        return
    yield Observation(count - 1)  # without the one that listed them


def context_switches(options: CallbackOptions) -> Iterator[Observation]:
    """Switches to other processes, by whether this one had to wait."""
    del options
    usage = usage_of_process()
    if usage is not None:
        kind = "process.context_switch.type"
        yield Observation(usage.ru_nvcsw, {kind: "voluntary"})
        yield Observation(usage.ru_nivcsw, {kind: "involuntary"})


def page_faults(options: CallbackOptions) -> Iterator[Observation]:
    """Page faults, by whether the disk was needed."""
    del options
    usage = usage_of_process()
    if usage is not None:
        kind = "process.paging.fault_type"
        yield Observation(usage.ru_majflt, {kind: "major"})
        yield Observation(usage.ru_minflt, {kind: "minor"})


def collections(options: CallbackOptions) -> Iterator[Observation]:
    """Runs of the garbage collector, by generation."""
    yield from of_generations("collections", options)


def collected_objects(options: CallbackOptions) -> Iterator[Observation]:
    """Objects that the garbage collector has freed, by generation."""
    yield from of_generations("collected", options)


def uncollectable_objects(options: CallbackOptions) -> Iterator[Observation]:
    """Objects that the garbage collector could not free, by generation."""
    yield from of_generations("uncollectable", options)


def of_generations(what: str, options: CallbackOptions) -> Iterator[Observation]:
    """A figure of the garbage collector for each generation."""
    del options
    for generation, figures in enumerate(gc.get_stats()):
        yield Observation(figures[what], {"cpython.gc.generation": generation})


def proc(name: str) -> str:
    """A file of the process; empty where there is none."""
    try:
        return (PROC / name).read_text()
    except OSError:
        return ""


def memory_sizes(statm: str) -> list[int]:
    """Bytes of virtual and of physical memory, out of ``/proc/self/statm``."""
    pages = statm.split()[:2]
    return [int(count) * os.sysconf("SC_PAGE_SIZE") for count in pages]


def threads_of(stat: str) -> int | None:
    """The number of threads, out of ``/proc/self/stat``.

    The second field is the program's name in parentheses and may hold anything.
    """
    fields = stat.rpartition(")")[2].split()
    return int(fields[17]) if len(fields) > 17 else None


def usage_of_process() -> Any:
    """What ``getrusage`` says; None where there is none."""
    try:
        resource = import_module("resource")
    except ImportError:  # not on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF)
