"""JsonLinesSink: events as lines of JSON in a file.

Law: a write adds all of its lines or none: what a failing write has left is cut off
again. The file has one writer.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, Final

from ..batching import BatchBy
from ..beside import beside
from ..calls import call_each
from ..errors import (
    ConfigurationError,
    DeliveryError,
    PartialError,
    PermanentError,
    PipelineStateError,
    TransientError,
)
from ..formats.json_events import encode_event
from ..settings import Queue, Retry, checked_path
from ..sources.json_lines import THREAD, close_on_thread, open_on_thread
from ..stages import Sink, StageContext

# What another try cannot change; the rest, such as a full disk, may pass.
HOPELESS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EBADF, errno.EINVAL}
)


class JsonLinesSink(Sink[Any]):
    """Appends each event as one line of JSON, off the event loop.

    Delivered means handed to the operating system, or on the disk with ``fsync``.
    ``JsonLinesSource`` reads the same events back.

    Args:
        path: the file; it is made if it is not there, its folder is not.
        append: True (default) adds to the file, False empties it at ``open``. A last
            line that a crash has left without its end is ended first.
        fsync: wait for the disk after every write; default False.
        name: its name in the graph.
        queue: the bounded queue in front of it.
        batch: gathers events before each write; default none, as they come.
        retry: after transient errors; default ``Retry()``: a full disk may get room.

    Raises:
        ConfigurationError: at ``open``, a file that cannot be written.
        TransientError: ``disk_full`` or ``os_error``: the write may succeed later.
        PermanentError: ``os_error``: the file can never be written.
        PartialError: some events cannot be JSON (``unencodable``).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        append: bool = True,
        fsync: bool = False,
        name: str | None = None,
        queue: Queue | None = None,
        batch: BatchBy | None = None,
        retry: Retry | None = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self.path = Path(checked_path("JsonLinesSink.path", path))
        self.name = name
        self.queue = queue or Queue()
        self.batch = batch
        self.retry = retry
        self._append = append
        self._fsync = fsync
        self._file: FileIO | None = None
        self._lock = threading.Lock()  # a cancelled write may still be on its thread

    async def open(self, context: StageContext) -> None:  # noqa: ARG002 - the interface's
        """Open the file, or make it.

        Raises:
            ConfigurationError: it cannot be written.
        """
        try:
            self._file = await open_on_thread(
                lambda: open_file(self.path, self._append)
            )
        except OSError as error:
            raise ConfigurationError(
                f"JsonLinesSink.path is {str(self.path)!r}; "
                f"expected a file that can be written ({error.strerror})"
            ) from error

    async def close(self) -> None:
        """Close the file, after a write that is still on its thread."""
        await close_on_thread(self._close)

    async def write(self, events: list[Any]) -> None:
        """Append the events that can be JSON, and name the others."""
        write = partial(self._write, list(events))
        failed = await beside(write, THREAD)
        if failed:
            raise PartialError(failed)

    def _close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _write(self, events: list[Any]) -> dict[int, Exception]:
        lines, failed = call_each(encode_event, events)
        with self._lock:
            if self._file is None:
                raise PipelineStateError("JsonLinesSink writes before it is open")
            if lines:
                self._add(self._file, b"\n".join((*lines, b"")))
        return failed

    def _add(self, file: FileIO, data: bytes) -> None:
        start = os.fstat(file.fileno()).st_size
        try:
            write_all(file, data)
            if self._fsync:
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):  # a device cannot be cut
                file.truncate(start)
            raise delivery_error(self.path, error) from error

    def __repr__(self) -> str:
        state = "closed" if self._file is None else "open"
        return f"<JsonLinesSink {str(self.path)!r} {state}>"


def open_file(path: Path, append: bool) -> FileIO:
    """The file, unbuffered, with its last line ended.

    Raises:
        OSError: it cannot be opened, read or written.
    """
    file = FileIO(path, "a+")
    try:
        if not append:
            file.truncate(0)
        elif file.seekable() and file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                write_all(file, b"\n")
    except BaseException:
        file.close()
        raise
    return file


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of it; the operating system may take it in pieces."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def delivery_error(path: Path, error: OSError) -> DeliveryError:
    """What an error of the operating system means for the events."""
    text = f"writing {str(path)!r}: {error.strerror}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TransientError(text, reason="disk_full")
    if error.errno in HOPELESS:
        return PermanentError(text, reason="os_error")
    return TransientError(text, reason="os_error")
