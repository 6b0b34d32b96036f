"""How far files have been read, kept in a file of its own.

Law: the file is replaced as a whole and is on the disk before ``save`` returns;
so a crash leaves the old places or the new ones, and never a half.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISREG
from typing import IO

import msgspec

from ..errors import ConfigurationError

VERSION = 1
MOST_ABSENT = 1000  # files that are remembered although they cannot be seen
Identity = tuple[int, int]


class Place(msgspec.Struct, frozen=True):
    """How far a file has been read.

    Attributes:
        path: where the file was; a rotation may have given it another name.
        device: with ``inode``, which file it is, whatever its name.
        inode: see there.
        offset: bytes that have been read.
        mark: a digest of bytes before the offset, which tells another file that has
            the same number, and one that was truncated and has grown again.
    """

    path: str
    device: int
    inode: int
    offset: int
    mark: str

    @property
    def identity(self) -> Identity:
        """Which file it is."""
        return self.device, self.inode


class Places(msgspec.Struct):
    """What the file holds."""

    version: int
    files: list[Place]


def remember(places: dict[Identity, Place], place: Place) -> None:
    """Keep the place of a file that cannot be seen, and forget the oldest of many."""
    places.pop(place.identity, None)
    places[place.identity] = place
    if len(places) > MOST_ABSENT:
        del places[next(iter(places))]


class Checkpoint:
    """The file with the places, while one source has it for itself.

    It is locked where the system has locks; a process that ends leaves none behind.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: IO[bytes] | None = None

    def load(self) -> list[Place] | None:
        """The places of the file, or None if there is no such file yet.

        Raises:
            ConfigurationError: it cannot be read, holds something else, or another
                source writes it.
        """
        expected = "expected what FileTailSource has written, or no file"
        try:
            data = self._read()
            return (
                None if data is None else msgspec.json.decode(data, type=Places).files
            )
        except BlockingIOError:
            raise self._in_use() from None
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"FileTailSource.checkpoint is {str(self.path)!r}; {expected} ({why})"
            ) from error

    def _read(self) -> bytes | None:
        try:
            if not S_ISREG(self.path.stat().st_mode):  # a device may never end
                raise ValueError("it is no file")
            self._held = self.path.open("rb")
        except FileNotFoundError:
            return None
        lock(self._held)
        return self._held.read()

    def _in_use(self) -> ConfigurationError:
        return ConfigurationError(
            f"FileTailSource.checkpoint is {str(self.path)!r}, which another "
            "FileTailSource writes; expected a file of its own"
        )

    def save(self, places: Iterable[Place]) -> None:
        """Put the places on the disk, in the place of those before.

        Raises:
            OSError: that cannot be done; those before are still there.
        """
        data = msgspec.json.encode(Places(VERSION, list(places)))
        new = self.path.with_name(f"{self.path.name}.new")
        file = new.open("wb")
        try:
            lock(file)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            new.replace(self.path)
        except BaseException:
            file.close()
            raise
        self.close()
        self._held = file
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Let others have it."""
        held, self._held = self._held, None
        if held is not None:
            held.close()


def lock(file: IO[bytes]) -> None:
    """Have a file for oneself, where there are locks.

    Raises:
        BlockingIOError: another has it.
    """
    if sys.platform == "win32":
        return
    from fcntl import LOCK_EX, LOCK_NB, flock  # noqa: PLC0415 - Unix

    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return


def sync_folder(folder: Path) -> None:
    """Let the disk know of a new name; a system without such a call needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
