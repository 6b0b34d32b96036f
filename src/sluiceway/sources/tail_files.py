"""The files that a tail follows, by what they are and not by their names.

Law: all of it may block, and runs on one thread at a time. A file is read to the end
that it had when the look began, so that a look ends however fast others write.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from glob import iglob
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from stat import S_ISREG

from attrs import define, frozen

from .tail_lines import LineCutter
from .tail_places import Place

Identity = tuple[int, int]

PIECE = 1 << 18  # bytes that are read of a file at once
HEAD = 256  # bytes of a file's beginning by which it is known again
BEFORE = 64  # bytes before an offset, likewise


@frozen
class Found:
    """What a look has found in one file.

    Attributes:
        path: the file's name when it was opened.
        lines: the lines, without their ends.
        place: how far the file has been read with them.
        over: whether nothing will follow: the file was rotated away.
    """

    path: str
    lines: list[str]
    place: Place
    over: bool


@define(eq=False)
class Followed:
    """A file that is open.

    Attributes:
        goal: bytes to which it is read in this look.
        mark: what stood before the offset when it was read.
        checked: the size that the last look saw; -1 before the first.
        quiet_since: when it was seen last to grow, or to have a name.
        named: whether the patterns find it.
    """

    path: str
    file: FileIO
    identity: Identity
    offset: int = 0
    goal: int = 0
    mark: str = ""
    checked: int = -1
    quiet_since: float = 0.0
    named: bool = True

    @property
    def left(self) -> int:
        """Bytes that this look has still to read."""
        return self.goal - self.offset

    def place(self) -> Place:
        """How far it has been read."""
        self.mark = mark(self.file, self.offset)
        return Place(self.path, *self.identity, self.offset, self.mark)


class FollowedFiles:
    """The files that some patterns find, and those that were rotated away from them.

    Args:
        patterns: paths, with ``*``, ``?``, ``[...]`` and ``**``.
        exclude: patterns of paths to leave out.
        cutter: cuts lines.
        patience: seconds for which a file that has lost its name is still read.

    Attributes:
        failures: files that cannot be opened or read, and why.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        exclude: Sequence[str],
        cutter: LineCutter,
        patience: float,
    ) -> None:
        self._patterns = patterns
        self._exclude = exclude
        self._cutter = cutter
        self._patience = patience
        self._size = max(PIECE, cutter.longest + 1)
        self._files: dict[Identity, Followed] = {}
        self._lock = threading.Lock()  # a cancelled look may still be on its thread
        self._closed = False
        self.failures: dict[str, str] = {}

    def begin(self, places: Iterable[Place] | None, *, at_end: bool) -> list[Place]:
        """Open what there is, where it was left, and tell where each is read from.

        Args:
            places: how far files were read before; None for the first time.
            at_end: whether, the first time, what is there already is passed over.
        """
        with self._lock:
            return self._begin(places, at_end=at_end)

    def _begin(self, places: Iterable[Place] | None, *, at_end: bool) -> list[Place]:
        self._find()
        for place in places or ():
            followed = self._files.get(place.identity) or self._rotated(place)
            if followed is not None and mark(followed.file, place.offset) == place.mark:
                followed.offset = place.offset
            elif followed is not None and not followed.named:
                self._forget(followed)
        if places is None and at_end:
            for followed in self._files.values():
                followed.offset = size_of(followed.file)
        return [followed.place() for followed in self._files.values()]

    def look(self, now: float) -> None:
        """Find new files and new ends; ``read`` then gives what there is."""
        with self._lock:
            if not self._closed:
                self._find()
                self._set_goals(now)

    def _set_goals(self, now: float) -> None:
        for followed in self._files.values():
            size = size_of(followed.file)
            if size != followed.checked or followed.named:
                followed.quiet_since = now
            if size != followed.checked and self._is_another(followed, size):
                followed.offset = 0
            followed.checked = followed.goal = size

    def read(self, now: float) -> list[Found]:
        """A piece of each file that has more; nothing once all were read."""
        with self._lock:
            return self._read_pieces(now)

    def _read_pieces(self, now: float) -> list[Found]:
        found = []
        for followed in [*self._files.values()]:
            quiet = now - followed.quiet_since >= self._patience
            over = quiet and not followed.named and followed.left <= self._size
            try:
                piece = self._read_piece(followed, over=over)
            except OSError as error:  # the next look tries again
                self.failures[followed.path] = error.strerror or str(error)
                continue
            if piece is not None:
                found.append(piece)
            if over:
                self._forget(followed)
        return found

    def close(self) -> None:
        """Close all files, for good."""
        with self._lock:
            self._closed = True
            for followed in [*self._files.values()]:
                self._forget(followed)

    def _find(self) -> None:
        """Open the files that have come, and learn which have lost their names."""
        named = dict(self._named())
        for identity, path in named.items():
            if identity not in self._files:
                self._open(path)
        for identity, followed in self._files.items():
            followed.named = identity in named

    def _named(self) -> Iterator[tuple[Identity, str]]:
        for pattern in self._patterns:
            for path in sorted(iglob(pattern, recursive=True)):  # noqa: PTH207 - texts
                if not any(fnmatch(path, left_out) for left_out in self._exclude):
                    identity = identity_of(path)
                    if identity is not None:
                        yield identity, path

    def _open(self, path: str) -> Followed | None:
        try:
            file = FileIO(path)
        except FileNotFoundError:  # gone again
            return None
        except OSError as error:  # the next look tries again
            self.failures[path] = error.strerror or str(error)
            return None
        stat = os.fstat(file.fileno())
        followed = Followed(path, file, (stat.st_dev, stat.st_ino))
        if followed.identity in self._files:  # replaced since it was found
            file.close()
            return self._files[followed.identity]
        self._files[followed.identity] = followed
        return followed

    def _rotated(self, place: Place) -> Followed | None:
        """A file that has been renamed since it was read: its end is still to come."""
        folder = Path(place.path).parent
        names = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in names:
            if identity_of(str(path)) == place.identity:
                followed = self._open(str(path))
                if followed is not None:
                    followed.named, followed.path = False, place.path
                return followed
        return None

    def _is_another(self, followed: Followed, size: int) -> bool:
        """Whether the file was truncated, even if it has grown beyond since."""
        if size < followed.offset:
            return True
        return bool(followed.offset) and followed.mark != mark(
            followed.file, followed.offset
        )

    def _read_piece(self, followed: Followed, *, over: bool) -> Found | None:
        if self._is_another(followed, size_of(followed.file)):
            followed.checked = -1  # truncated since the look began: the next one's
            return None
        size = min(self._size, followed.left)
        data = read_at(followed.file, followed.offset, size) if size > 0 else b""
        lines, used = self._cutter.cut(data, last=over)
        followed.offset += used
        if not used and not over:
            return None
        return Found(followed.path, lines, followed.place(), over)

    def _forget(self, followed: Followed) -> None:
        followed.file.close()
        del self._files[followed.identity]


def identity_of(path: str) -> Identity | None:
    """Which file a path names; None if it names no file."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - the path is a text
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if S_ISREG(stat.st_mode) else None


def size_of(file: FileIO) -> int:
    """The file's size in bytes."""
    return os.fstat(file.fileno()).st_size


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
