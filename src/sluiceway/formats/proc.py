"""What the files of Linux's ``/proc`` say, by OpenTelemetry's names.

Law: a text in, readings out. A line that is not understood, or a field that an older
kernel has not, costs its own readings only.
Source: ``proc(5)``; OpenTelemetry semantic conventions, ``system/system-metrics`` and
``system/process-metrics``. Load averages have no name there; theirs is the Collector's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

Attributes = Mapping[str, str | int]

SECTOR: Final = 512  # bytes, whatever the disk's own sectors are
CPU_MODES: Final = (
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "interrupt",
    "softirq",
    "steal",
)
PAIR: Final = re.compile(r"([^\s:]+):?\s+([0-9]{1,20})\b")
DIRECTION: Final = "network.io.direction"


class Reading(NamedTuple):
    """One figure.

    Attributes:
        name: the metric's.
        unit: UCUM.
        kind: ``"counter"`` grows since the start, ``"level"`` is a sum that goes up and
            down, ``"gauge"`` is no sum.
        value: the figure.
        attributes: what it is the figure of.
    """

    name: str
    unit: str
    kind: str
    value: float
    attributes: Attributes


def numbers(words: list[str]) -> list[int]:
    """The whole numbers at the beginning of some words."""
    found = []
    for word in words:
        if not re.fullmatch(r"[0-9]{1,20}", word):
            break
        found.append(int(word))
    return found


def named_numbers(text: str) -> dict[str, int]:
    """``Name: 12 kB`` or ``name 12``, a line each."""
    pairs = (
        re.match(r"([^\s:]+):?\s+([0-9]{1,20})\b", line) for line in text.splitlines()
    )
    return {pair[1]: int(pair[2]) for pair in pairs if pair is not None}


def boot_time(stat: str) -> int:
    """Nanoseconds since the epoch when the system began, of ``stat``; 0 if unknown."""
    return named_numbers(stat).get("btime", 0) * 1_000_000_000


def cpu_times(stat: str, ticks: int) -> Iterator[Reading]:
    """Seconds by mode and processor, and how many processors there are, of ``stat``.

    Args:
        stat: the file's text.
        ticks: of the kernel's clock, in a second.
    """
    count = 0
    for line in stat.splitlines():
        match = re.match(r"cpu([0-9]{1,6}) ", line)
        if match is None:
            continue
        count += 1
        times = numbers(line.split()[1:])
        for mode, time in zip(CPU_MODES, times, strict=False):
            of: Attributes = {"cpu.mode": mode, "cpu.logical_number": int(match[1])}
            yield Reading("system.cpu.time", "s", "counter", time / ticks, of)
    if count:
        yield Reading("system.cpu.logical.count", "{cpu}", "level", count, {})
    created = named_numbers(stat).get("processes")
    if created is not None:
        yield Reading("system.process.created", "{process}", "counter", created, {})


def load_averages(loadavg: str) -> Iterator[Reading]:
    """The threads that ran or wanted to, on average over 1, 5 and 15 minutes."""
    for minutes, word in zip((1, 5, 15), loadavg.split(), strict=False):
        if re.fullmatch(r"[0-9]{1,20}\.?[0-9]*", word):
            name = f"system.cpu.load_average.{minutes}m"
            yield Reading(name, "{thread}", "gauge", float(word), {})


def memory(meminfo: str) -> Iterator[Reading]:
    """Bytes of memory and of swap space by state, of ``meminfo``."""
    kilo = named_numbers(meminfo)
    states = {"free": "MemFree", "buffers": "Buffers", "cached": "Cached"}
    if {"MemTotal", *states.values()} <= kilo.keys():
        of = {state: kilo[name] for state, name in states.items()}
        of["used"] = max(0, kilo["MemTotal"] - sum(of.values()))
        for state, size in of.items():
            told = {"system.memory.state": state}
            yield Reading("system.memory.usage", "By", "level", size * 1024, told)
    for name, word in (("limit", "MemTotal"), ("linux.available", "MemAvailable")):
        if word in kilo:
            size = kilo[word] * 1024
            yield Reading(f"system.memory.{name}", "By", "level", size, {})
    if {"SwapTotal", "SwapFree"} <= kilo.keys():
        free = kilo["SwapFree"]
        swap = {"free": free, "used": max(0, kilo["SwapTotal"] - free)}
        for state, size in swap.items():
            told = {"system.paging.state": state}
            yield Reading("system.paging.usage", "By", "level", size * 1024, told)


def paging(vmstat: str) -> Iterator[Reading]:
    """Page faults, by whether the disk was needed, of ``vmstat``."""
    found = named_numbers(vmstat)
    if {"pgfault", "pgmajfault"} <= found.keys():
        major = found["pgmajfault"]
        for kind, count in (("major", major), ("minor", found["pgfault"] - major)):
            told = {"system.paging.fault.type": kind}
            yield Reading("system.paging.faults", "{fault}", "counter", count, told)


def disks(diskstats: str) -> Iterator[Reading]:
    """What each block device has done, of ``diskstats``; idle ones are left out."""
    for line in diskstats.splitlines():
        fields = line.split()
        figures = numbers(fields[3:])
        if len(figures) < 10 or not any(figures):
            continue
        device = fields[2]
        for direction, start in (("read", 0), ("write", 4)):
            operations, merged, sectors, millis = figures[start : start + 4]
            of = {"system.device": device, "disk.io.direction": direction}
            size, seconds = sectors * SECTOR, millis / 1000
            each = "{operation}"
            yield Reading("system.disk.io", "By", "counter", size, of)
            yield Reading("system.disk.operations", each, "counter", operations, of)
            yield Reading("system.disk.merged", each, "counter", merged, of)
            yield Reading("system.disk.operation_time", "s", "counter", seconds, of)
        of = {"system.device": device}
        yield Reading("system.disk.io_time", "s", "counter", figures[9] / 1000, of)


def networks(dev: str) -> Iterator[Reading]:
    """What each network interface has carried, of ``net/dev``."""
    for line in dev.splitlines():
        interface, colon, rest = line.rpartition(":")
        figures = numbers(rest.split())
        if not colon or len(figures) < 12:
            continue
        name = interface.strip()
        for direction, start in (("receive", 0), ("transmit", 8)):
            size, packets, errors, dropped = figures[start : start + 4]
            of = {"network.interface.name": name, DIRECTION: direction}
            by_device = {"system.device": name, DIRECTION: direction}
            each = "{packet}"
            yield Reading("system.network.io", "By", "counter", size, of)
            yield Reading("system.network.errors", "{error}", "counter", errors, of)
            yield Reading("system.network.packet.dropped", each, "counter", dropped, of)
            yield Reading(
                "system.network.packet.count", each, "counter", packets, by_device
            )


def uptime(text: str) -> Iterator[Reading]:
    """Seconds since the system began, of ``uptime``."""
    match = re.match(r"[0-9]{1,20}\.?[0-9]* ", text)
    if match is not None:
        yield Reading("system.uptime", "s", "gauge", float(match[0]), {})


class Mount(NamedTuple):
    """A file system that is mounted somewhere."""

    device: str
    point: str
    kind: str
    mode: str


OF_DISKS: Final = frozenset({"overlay", "zfs", "btrfs"})


def mounts(text: str) -> list[Mount]:
    """The file systems that are on disks, each device once, of ``mounts``."""
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        words = [unescaped(word) for word in line.split(" ")]
        if len(words) < 4:
            continue
        device, point, kind, options = words[:4]
        if device.startswith("/") or kind in OF_DISKS:
            mode = "ro" if "ro" in options.split(",") else "rw"
            key = device if device.startswith("/") else point
            found.setdefault(key, Mount(device, point, kind, mode))
    return list(found.values())


def unescaped(word: str) -> str:
    """A word of ``mounts``, in which blanks are written in octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def space(mount: Mount, total: int, free: int, available: int) -> Iterator[Reading]:
    """Bytes of a file system by state.

    Args:
        mount: the file system.
        total: bytes that it has.
        free: bytes that nobody uses.
        available: those of them that are for everybody.
    """
    of = {
        "system.device": mount.device,
        "system.filesystem.mountpoint": mount.point,
        "system.filesystem.type": mount.kind,
        "system.filesystem.mode": mount.mode,
    }
    states = {"used": total - free, "free": available, "reserved": free - available}
    for state, size in states.items():
        told = {**of, "system.filesystem.state": state}
        yield Reading("system.filesystem.usage", "By", "level", size, told)
    yield Reading("system.filesystem.limit", "By", "level", total, of)


def program_of(stat: str) -> str:
    """The name of a process's program, of its ``stat``; it may hold anything."""
    return stat.partition("(")[2].rpartition(")")[0]


# Behind the program's name: minflt, majflt, utime, stime, num_threads, vsize, rss.
OF_PROCESS: Final = (7, 9, 11, 12, 17, 20, 21)


def process(stat: str, ticks: int, page: int) -> Iterator[Reading]:
    """CPU, memory, threads and page faults of a process, of its ``stat``.

    Args:
        stat: the file's text.
        ticks: of the kernel's clock, in a second.
        page: bytes of a page of memory.
    """
    fields = stat.rpartition(")")[2].split()
    figures = numbers([fields[field] for field in OF_PROCESS if field < len(fields)])
    if len(figures) < len(OF_PROCESS):
        return
    minor, major, user, system, threads, virtual, resident = figures
    for mode, time in (("user", user), ("system", system)):
        of = {"cpu.mode": mode}
        yield Reading("process.cpu.time", "s", "counter", time / ticks, of)
    yield Reading("process.thread.count", "{thread}", "level", threads, {})
    yield Reading("process.memory.virtual", "By", "level", virtual, {})
    yield Reading("process.memory.usage", "By", "level", resident * page, {})
    for kind, count in (("major", major), ("minor", minor)):
        of = {"system.paging.fault.type": kind}
        yield Reading("process.paging.faults", "{fault}", "counter", count, of)


def started_after_boot(stat: str, ticks: int) -> float:
    """Seconds from the system's beginning to a process's, of its ``stat``."""
    start = numbers(stat.rpartition(")")[2].split()[19:20])
    return start[0] / ticks if start else 0.0


SYSTEM_FILES: Final[Mapping[str, Callable[[str], Iterator[Reading]]]] = {
    "loadavg": load_averages,
    "meminfo": memory,
    "vmstat": paging,
    "diskstats": disks,
    "net/dev": networks,
    "uptime": uptime,
}
