"""The files that a tail follows, by what they are and not by their names.

Law: all of it may block, and runs on one thread at a time. A file is read to the end
that it had when the look began, so that a look ends however fast others write. However
many files there are, few are open, and little of what they hold is in memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from glob import iglob
from io import FileIO
from pathlib import Path

from .tail_file import (
    Followed,
    Found,
    Seen,
    fstat,
    half_of_descriptors,
    identity_of,
    mark,
    seen_at,
)
from .tail_lines import LineCutter
from .tail_places import Identity, Place, remember

PIECE = 1 << 18  # bytes that are read of a file at once
MOST_AT_ONCE = 1 << 20  # bytes after which a reading hands over what it has


class FollowedFiles:
    """The files that some patterns find, and those that were rotated away from them.

    Args:
        patterns: paths, with ``*``, ``?``, ``[...]`` and ``**``.
        exclude: patterns of paths to leave out.
        cutter: cuts lines.
        patience: seconds for which a file that has lost its name is still read.
        most_open: files that are kept open; None for half of what the process may open.

    Attributes:
        failures: files that cannot be opened or read, and why.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        exclude: Sequence[str],
        cutter: LineCutter,
        patience: float,
        most_open: int | None = None,
    ) -> None:
        self._patterns = patterns
        self._exclude = exclude
        self._cutter = cutter
        self._patience = patience
        self._most_open = most_open or half_of_descriptors()
        self._size = max(PIECE, cutter.longest + 1)
        self._files: dict[Identity, Followed] = {}
        self._open: dict[Identity, Followed] = {}  # who has grown last stands last
        self._absent: dict[Identity, Place] = {}
        self._sought: dict[Identity, Place] = {}  # in the folders where they were
        self._line: deque[Followed] = deque()  # who is still to be read in this look
        self._ended: list[Found] = []
        self._lock = threading.Lock()  # a cancelled look may still be on its thread
        self._closed = False
        self.failures: dict[str, str] = {}

    def begin(self, places: Iterable[Place] | None, *, at_end: bool) -> list[Place]:
        """Find what there is, where it was left, and tell where each is read from.

        Args:
            places: how far files were read before; None for the first time.
            at_end: whether, the first time, what is there already is passed over.
        """
        with self._lock:
            self._absent = {place.identity: place for place in places or ()}
            self._find(at_end=places is None and at_end)
            self._sought = {**self._absent}
            self._seek(to_the_end=False)
            return [followed.place() for followed in self._files.values()]

    def look(self, now: float) -> None:
        """Find new files and new ends; ``read`` then gives what there is."""
        with self._lock:
            if not self._closed:
                self._find(at_end=False)
                self._seek(to_the_end=True)
                self._set_goals(now)

    def read(self, now: float) -> list[Found]:
        """Pieces of some files that have more; nothing once all were read."""
        with self._lock:
            found, self._ended = self._ended, []
            size = 0
            while self._line and size < MOST_AT_ONCE:
                followed = self._line.popleft()
                before = followed.offset
                try:
                    piece = self._piece(followed, over=self._is_over(followed, now))
                except OSError as error:  # the next look tries again
                    self._fail(followed.path, error)
                    continue
                if piece is not None:
                    size += followed.offset - before
                    found.append(piece)
                    self._go_on(followed, piece)
            return found

    def close(self) -> None:
        """Close all files, for good."""
        with self._lock:
            self._closed = True
            self._line.clear()
            for followed in [*self._files.values()]:
                self._forget(followed)

    # What there is.

    def _find(self, *, at_end: bool) -> None:
        """Open the files that have come, and learn which have lost their names."""
        named = {seen.identity: seen for seen in self._named()}
        for identity, seen in named.items():
            if identity not in self._files:
                self._begin(seen.name, at_end=at_end)
        for identity, followed in [*self._files.items()]:
            now = named.get(identity)
            followed.named = now is not None
            if now is not None:
                followed.name, followed.seen = now.name, now.state
            elif followed.file is None:
                self._lose(followed)

    def _named(self) -> Iterator[Seen]:
        for pattern in self._patterns:
            for path in sorted(iglob(pattern, recursive=True)):  # noqa: PTH207 - texts
                if not any(fnmatch(path, left_out) for left_out in self._exclude):
                    seen = seen_at(path)
                    if seen is not None:
                        yield seen

    def _begin(
        self, path: str, *, at_end: bool = False, wanted: Identity | None = None
    ) -> Followed | None:
        """Open a file, where it was left if it is known."""
        try:
            file = FileIO(path)
        except FileNotFoundError:  # gone again
            return None
        except OSError as error:  # the next look tries again
            self._fail(path, error)
            return None
        identity = identity_of(fstat(file))
        if identity in self._files or wanted not in (None, identity):
            file.close()  # replaced since it was found
            return None
        followed = Followed(path, identity, file, path)
        left_at = self._absent.pop(identity, None)
        if left_at is not None and mark(file, left_at.offset) == left_at.mark:
            followed.offset = left_at.offset
        elif at_end:
            followed.offset = fstat(file).st_size
        followed.place()
        self._files[identity] = followed
        self._keep_open(followed)
        return followed

    def _lose(self, followed: Followed) -> None:
        """A file that is not open has lost its name; it may stand in its folder."""
        identity = followed.identity
        self._sought[identity] = self._absent[identity] = followed.place()
        self._forget(followed)

    def _seek(self, *, to_the_end: bool) -> None:
        """Open the files that have been renamed: their ends are still to come.

        Args:
            to_the_end: whether one that is not found is over.
        """
        folders: dict[Path, dict[Identity, str]] = {}
        while self._sought and self._has_room():
            identity, place = self._sought.popitem()
            folder = Path(place.path).parent
            if folder not in folders:
                folders[folder] = names_in(folder)
            path = folders[folder].get(identity)
            if path is not None:
                self._begin_renamed(path, place)
            elif to_the_end:
                self._absent.pop(identity, None)
                self._ended.append(Found(place.path, [], place, True, True))

    def _begin_renamed(self, path: str, place: Place) -> None:
        followed = self._begin(path, wanted=place.identity)
        if followed is None:
            return
        followed.named, followed.path = False, place.path
        if followed.offset != place.offset:  # another file that has its number
            self._forget(followed)

    # What is open.

    def _has_room(self) -> bool:
        return len(self._open) < self._most_open or self._closable() is not None

    def _closable(self) -> Followed | None:
        """Who has not grown for the longest time, and is found again by its name."""
        return next((each for each in self._open.values() if each.named), None)

    def _keep_open(self, followed: Followed) -> None:
        """Count a file as open, the last to be closed; close one that is too many."""
        self._open.pop(followed.identity, None)
        if len(self._open) >= self._most_open:
            other = self._closable()
            if other is not None:
                self._close(other)
        self._open[followed.identity] = followed

    def _close(self, followed: Followed) -> None:
        followed.close()
        self._open.pop(followed.identity, None)

    def _forget(self, followed: Followed) -> None:
        self._close(followed)
        del self._files[followed.identity]

    # What they hold.

    def _set_goals(self, now: float) -> None:
        self._line.clear()
        for followed in self._files.values():
            try:
                followed.aim(now)
            except OSError as error:  # the next look tries again
                self._fail(followed.path, error)
                continue
            more = followed.left > 0 or followed.doubtful
            if more or self._is_over(followed, now):
                self._line.append(followed)

    def _is_over(self, followed: Followed, now: float) -> bool:
        """Whether a file that has lost its name has been quiet for long enough."""
        quiet = now - followed.quiet_since >= self._patience
        return quiet and not followed.named and followed.left <= self._size

    def _piece(self, followed: Followed, *, over: bool) -> Found | None:
        """The next piece of a file, if there is a whole line in it."""
        if not self._is_ready(followed):
            return None
        data = followed.read(min(self._size, followed.left))
        lines, used = self._cutter.cut(data, last=over)
        followed.offset += used
        if not used and not over:
            return None
        return Found(followed.path, lines, followed.place(), over, followed.is_gone)

    def _is_ready(self, followed: Followed) -> bool:
        """Whether it is open and still what it was when the look began."""
        if followed.file is None:
            if not followed.open():  # the next look finds that its name is another's
                return False
        elif followed.is_another():
            followed.checked = None  # truncated since the look began: the next one's
            return False
        self._keep_open(followed)
        return True

    def _go_on(self, followed: Followed, piece: Found) -> None:
        """Let a file stand in line again, or let it go."""
        if not piece.over:
            if followed.left > 0:
                self._line.append(followed)
            return
        self._forget(followed)
        if not piece.is_gone:  # it may come back, as one whose disk was away
            remember(self._absent, piece.place)

    def _fail(self, path: str, error: OSError) -> None:
        self.failures[path] = error.strerror or str(error)


def names_in(folder: Path) -> dict[Identity, str]:
    """The files of a folder."""
    try:
        names = sorted(map(str, folder.iterdir()))
    except OSError:
        return {}
    found = (seen_at(name) for name in names)
    return {seen.identity: seen.name for seen in found if seen is not None}
