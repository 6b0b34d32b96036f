"""One file that a tail follows: what it is, how far it was read, if it is open.

Law: a file is known by its device and inode, and by a mark of its bytes, for an inode
is used again; a file that is closed is looked at without opening it.
"""

from __future__ import annotations

import os
import sys
from hashlib import blake2b
from io import FileIO
from stat import S_ISREG

from attrs import define, frozen

from .tail_places import Identity, Place

State = tuple[int, int]  # bytes, and nanoseconds since the epoch

HEAD = 256  # bytes of a file's beginning by which it is known again
BEFORE = 64  # bytes before an offset, likewise
FEW = 128  # files that are kept open where nothing tells how many may be


@frozen
class Found:
    """What a look has found in one file.

    Attributes:
        path: the file's name when it was opened.
        lines: the lines, without their ends.
        place: how far the file has been read with them.
        over: whether nothing will follow: the file was rotated away.
        is_gone: whether it has no name at all any more, so that it cannot come back.
    """

    path: str
    lines: list[str]
    place: Place
    over: bool
    is_gone: bool = False


@frozen
class Seen:
    """What the system tells of a name.

    Attributes:
        name: the name.
        identity: the file behind it.
        state: its bytes, and when they were written last.
    """

    name: str
    identity: Identity
    state: State


@define(eq=False)
class Followed:
    """A file, open or not.

    Attributes:
        path: its name when it was found.
        identity: which file it is.
        file: it; None while it is closed.
        name: its name now.
        seen: its state when its name was looked at.
        offset: bytes that have been read.
        goal: bytes to which it is read in this look.
        mark: what stood before the offset when it was read.
        checked: the state that the last look saw; None before the first.
        quiet_since: when it was seen last to grow, or to have a name.
        doubtful: whether it was written since, though it is as long as it was.
        named: whether the patterns find it.
    """

    path: str
    identity: Identity
    file: FileIO | None = None
    name: str = ""
    seen: State = (0, 0)
    offset: int = 0
    goal: int = 0
    mark: str = ""
    checked: State | None = None
    doubtful: bool = False
    quiet_since: float = 0.0
    named: bool = True

    @property
    def left(self) -> int:
        """Bytes that this look has still to read."""
        return self.goal - self.offset

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted and only we still have it."""
        return self.file is not None and fstat(self.file).st_nlink == 0

    def place(self) -> Place:
        """How far it has been read."""
        if self.file is not None:
            self.mark = mark(self.file, self.offset)
        return Place(self.path, *self.identity, self.offset, self.mark)

    def aim(self, now: float) -> None:
        """Learn to which end it is read in this look.

        Args:
            now: seconds.

        Raises:
            OSError: it cannot be read.
        """
        state = self.state
        changed = state != self.checked
        if changed or self.named:
            self.quiet_since = now
        if changed and self.is_another():
            self.offset = 0
        self.checked, self.goal = state, state[0]
        self.doubtful = changed and self.file is None and self.left == 0

    @property
    def state(self) -> State:
        """Its state, as of now or as of when its name was looked at."""
        return self.seen if self.file is None else state_of(fstat(self.file))

    def is_another(self) -> bool:
        """Whether it was truncated; while it is open, even if it has grown since."""
        if self.state[0] < self.offset:
            return True
        if self.file is None or not self.offset:
            return False
        return self.mark != mark(self.file, self.offset)

    def read(self, size: int) -> bytes:
        """The next bytes, if it is open.

        Raises:
            OSError: it cannot be read.
        """
        if self.file is None or size <= 0:
            return b""
        return read_at(self.file, self.offset, size)

    def open(self) -> bool:
        """Open it again, if its name is still its own.

        Raises:
            OSError: it cannot be opened.
        """
        file = FileIO(self.name)
        if identity_of(fstat(file)) != self.identity:
            file.close()
            return False
        self.file = file
        if self.is_another():
            self.offset = 0
        return True

    def close(self) -> None:
        """Close it; it can be opened again."""
        file, self.file = self.file, None
        if file is not None:
            file.close()


def seen_at(name: str) -> Seen | None:
    """The file that a name is of; None if it is of none."""
    try:
        stat = os.stat(name)  # noqa: PTH116 - the name is a text
    except OSError:
        return None
    if not S_ISREG(stat.st_mode):
        return None
    return Seen(name, identity_of(stat), state_of(stat))


def identity_of(stat: os.stat_result) -> Identity:
    """Which file it is that the system tells of."""
    return stat.st_dev, stat.st_ino


def state_of(stat: os.stat_result) -> State:
    """What changes when a file is written, in whichever way."""
    return stat.st_size, stat.st_mtime_ns


def fstat(file: FileIO) -> os.stat_result:
    """What the system tells of an open file."""
    return os.fstat(file.fileno())


def read_at(file: FileIO, offset: int, size: int) -> bytes:
    """Some bytes of a file, as many as there are."""
    file.seek(offset)
    return file.read(size) or b""


def mark(file: FileIO, offset: int) -> str:
    """A digest of the file's beginning and of what stands before the offset."""
    head = read_at(file, 0, min(HEAD, offset))
    size = min(BEFORE, offset)
    before = read_at(file, offset - size, size)
    return blake2b(head + b"\0" + before, digest_size=8).hexdigest()


def half_of_descriptors() -> int:
    """How many files a tail keeps open: half of what its process may have."""
    if sys.platform == "win32":
        return FEW
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit  # noqa: PLC0415 - Unix

    most, _ = getrlimit(RLIMIT_NOFILE)
    return 1 << 16 if most == RLIM_INFINITY else max(1, most // 2)
