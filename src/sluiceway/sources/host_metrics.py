"""HostMetricsSource: the metrics of a Linux host and of some of its processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Final

from attrs import frozen

from ..beside import beside
from ..errors import ConfigurationError
from ..events import NO_RESOURCE, MetricKind, MetricPoint, Resource, Scope
from ..formats.proc import (
    SYSTEM_FILES,
    Mount,
    Reading,
    boot_time,
    cpu_times,
    mounts,
    process,
    program_of,
    space,
    started_after_boot,
)
from ..settings import Seconds, checked_path
from ..stages import StageContext
from .asking import Asker, Question
from .interval import IntervalSource

SCOPE: Final = Scope("sluiceway.host_metrics")
NANOS: Final = 1_000_000_000
LONGEST_LOOK: Final = 5.0  # seconds for all files of /proc, and again for all the rest
STAT: Final = "stat"
MOUNTS: Final = "mounts"
PROCESSES: Final = "the processes"


@frozen
class Look:
    """When something is looked at, and what it is.

    Attributes:
        now: nanoseconds since the epoch.
        start: since when its counters count, likewise.
        resource: what the metrics are about.
    """

    now: int
    start: int
    resource: Resource

    def points(self, readings: Iterable[Reading]) -> list[MetricPoint]:
        """The readings as points."""
        return [point_of(reading, self) for reading in readings]


class HostMetricsSource(IntervalSource[MetricPoint]):
    """Reads a Linux host's ``/proc`` at an interval, on a flush, and a last time.

    CPU time by mode and processor, load, memory, swap and page faults, disks, network
    interfaces, file systems on disks and the uptime, by OpenTelemetry's semantic
    conventions; counters count since the host's boot. On request also CPU, memory,
    threads and page faults of processes, each with ``process.pid`` and
    ``process.executable.name`` in its resource. What a kernel does not tell is left
    out. It all runs on threads: a disk that hangs costs its own metrics, and makes
    nobody wait.

    Args:
        interval: seconds between two looks; default 60.
        processes: patterns of the programs to measure, such as ``"nginx*"``, as
            ``/proc/PID/stat`` names them (15 characters at most); default none.
        proc: where the host's ``/proc`` is; in a container that measures its host, a
            mount of it. File systems are then those that can be reached from here.
        resource: what the metrics are about; by default the pipeline's.
        name: the stage's name.

    Raises:
        ConfigurationError: no positive interval; at ``open``, no ``stat`` in ``proc``.
    """

    def __init__(
        self,
        interval: Seconds = 60.0,
        *,
        processes: Sequence[str] = (),
        proc: str | os.PathLike[str] = "/proc",
        resource: Resource | None = None,
        name: str | None = None,
    ) -> None:
        number = isinstance(interval, int | float) and not isinstance(interval, bool)
        if not number or not 0 < interval < float("inf"):
            raise ConfigurationError(
                f"HostMetricsSource.interval is {interval!r}; expected seconds above 0"
            )
        if isinstance(processes, str) or not isinstance(processes, Sequence):
            raise ConfigurationError(
                f"HostMetricsSource.processes is {processes!r}; "
                "expected a list of patterns, such as ['nginx*']"
            )
        super().__init__(name, interval)
        self._processes = tuple(processes)
        self._proc = Path(checked_path("HostMetricsSource.proc", proc))
        self._resource = resource
        self._logger = getLogger("sluiceway.sources.host_metrics")
        self._failing: set[str] = set()
        self._boot = 0
        self._thread = thread = f"sluiceway-host-metrics {name or ''}"
        longest = min(LONGEST_LOOK, interval / 2)
        self._asker: Asker[str, list[MetricPoint]] = Asker(thread, longest)
        self._text_asker: Asker[str, str] = Asker(thread, longest)

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock, and its resource if there is no other.

        Raises:
            ConfigurationError: this is no Linux, or ``proc`` is another folder.
        """
        await super().open(context)
        self._logger = context.logger
        if self._resource is None:
            self._resource = context.resource
        stat = await self._first_stat()
        if not stat:
            raise ConfigurationError(
                f"HostMetricsSource.proc is {str(self._proc)!r}; "
                "expected a Linux system's /proc"
            )
        self._boot = boot_time(stat)

    async def _first_stat(self) -> str:
        """The file without which nothing begins; empty if it cannot be read in time."""
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                return await beside(partial(self._text, STAT), self._thread)
        except TimeoutError:
            return ""

    async def gather(self) -> list[MetricPoint]:
        """All points, as of now, of what answers in time."""
        told = await self._texts(STAT, MOUNTS, *SYSTEM_FILES)
        look = partial(Look, self._clock.time_ns(), self._boot)
        host = look(self._resource or NO_RESOURCE)
        points = host.points(cpu_times(told.get(STAT, ""), ticks()))
        for name, read in SYSTEM_FILES.items():
            points += host.points(read(told.get(name, "")))
        questions = {
            mount.point: Question(mount.point, partial(self._space, mount, host))
            for mount in mounts(told.get(MOUNTS, ""))
        }
        if self._processes:
            ask = partial(self._of_processes, host)
            questions[PROCESSES] = Question(PROCESSES, ask)
        found = await self._asker.ask(questions, self._logger, self._patience)
        return points + [p for key in questions for p in found.get(key, ())]

    async def _texts(self, *names: str) -> dict[str, str]:
        """Files of ``/proc``, those that can be read in time."""
        questions = {
            name: Question(str(self._proc / name), partial(self._text, name))
            for name in names
        }
        return await self._text_asker.ask(questions, self._logger, self._patience)

    def _space(self, mount: Mount, host: Look) -> list[MetricPoint]:
        found = mounts_space(mount)
        self._tell(mount.point, failed=found is None)
        return host.points(found or [])

    def _of_processes(self, host: Look) -> list[MetricPoint]:
        points: list[MetricPoint] = []
        for folder in sorted(self._proc.glob("[0-9]*")):
            stat = self._text(f"{folder.name}/stat", may_go=True)
            program = program_of(stat)
            if not any(fnmatch(program, wanted) for wanted in self._processes):
                continue
            own = {
                **host.resource.attributes,
                "process.pid": int(folder.name),
                "process.executable.name": program,
            }
            about = Resource(own, host.resource.schema_url)
            start = host.start + int(started_after_boot(stat, ticks()) * NANOS)
            points += Look(host.now, start, about).points(
                process(stat, ticks(), os.sysconf("SC_PAGE_SIZE"))
            )
        return points

    def _text(self, name: str, *, may_go: bool = False) -> str:
        """A file of ``/proc``; empty, and said once, where it cannot be read."""
        path = self._proc / name
        try:
            text = path.read_text(errors="replace")
        except OSError:
            if not may_go:  # a process may have ended
                self._tell(str(path), failed=True)
            return ""
        self._tell(str(path), failed=False)
        return text

    def _tell(self, what: str, *, failed: bool) -> None:
        """Say once in a row that something cannot be read."""
        if failed and what not in self._failing:
            self._logger.warning("%s cannot be read; its metrics are left out", what)
            self._failing.add(what)
        elif not failed:
            self._failing.discard(what)

    def after_fork(self) -> None:
        """Start afresh: who was asked is in the parent."""
        super().after_fork()
        self._asker.after_fork()
        self._text_asker.after_fork()

    def __repr__(self) -> str:
        return f"<HostMetricsSource of {self._proc} every {self.interval:g} s>"


def ticks() -> int:
    """Of the kernel's clock, in a second."""
    return os.sysconf("SC_CLK_TCK")


def mounts_space(mount: Mount) -> list[Reading] | None:
    """How full a file system is; None if it cannot be asked."""
    try:
        told = os.statvfs(mount.point)
    except OSError:
        return None
    size = told.f_frsize
    sizes = (told.f_blocks * size, told.f_bfree * size, told.f_bavail * size)
    return [*space(mount, *sizes)] if told.f_blocks else []


def point_of(reading: Reading, look: Look) -> MetricPoint:
    """A reading as a point; a gauge counts from nowhere."""
    is_gauge = reading.kind == "gauge"
    return MetricPoint(
        name=reading.name,
        value=reading.value,
        kind=MetricKind.GAUGE if is_gauge else MetricKind.SUM,
        unit=reading.unit,
        attributes={**reading.attributes},
        time_unix_nano=look.now,
        start_time_unix_nano=0 if is_gauge else look.start,
        is_monotonic=reading.kind == "counter",
        resource=look.resource,
        scope=SCOPE,
    )
