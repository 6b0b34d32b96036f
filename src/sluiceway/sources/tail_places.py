"""How far files have been read, kept in a file of its own.

Law: the file is replaced as a whole and is on the disk before ``save_places`` returns;
so a crash leaves the old places or the new ones, and never a half.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..errors import ConfigurationError

VERSION = 1


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
    def identity(self) -> tuple[int, int]:
        """Which file it is."""
        return self.device, self.inode


class Places(msgspec.Struct):
    """What the file holds."""

    version: int
    files: list[Place]


def load_places(path: Path) -> list[Place] | None:
    """The places of a file, or None if there is no such file yet.

    Raises:
        ConfigurationError: it cannot be read, or holds something else.
    """
    expected = "expected what FileTailSource has written, or no file"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"FileTailSource.checkpoint is {str(path)!r}; {expected} ({error.strerror})"
        ) from error
    try:
        return msgspec.json.decode(data, type=Places).files
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigurationError(
            f"FileTailSource.checkpoint is {str(path)!r}; {expected} ({error})"
        ) from error


def save_places(path: Path, places: Iterable[Place]) -> None:
    """Put the places on the disk, in the place of those before.

    Raises:
        OSError: that cannot be done; those before are still there.
    """
    data = msgspec.json.encode(Places(VERSION, list(places)))
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let the disk know of a new name; a system without such a call needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
