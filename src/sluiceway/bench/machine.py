"""What this process uses of the machine's memory.

Law: what cannot be found out here is None, without a word.
"""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc/self")
KIB = 1024
RESET_PEAK = "5"  # proc(5), clear_refs: the peak of resident memory begins anew


def forget_peak() -> bool:
    """Let the peak of memory begin anew; whether that is possible here."""
    try:
        (PROC / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def memory_now() -> int | None:
    """Bytes of resident memory."""
    return status_of("VmRSS")


def memory_peak() -> int | None:
    """The most bytes of resident memory since ``forget_peak``, or since the start."""
    return status_of("VmHWM")


def status_of(key: str) -> int | None:
    """A figure of the process's status, in bytes."""
    try:
        lines = (PROC / "status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{key}:")]
    return int(found[0][1]) * KIB if found else None
