"""JsonLinesSource: the events of a JSON Lines file, read once to its end."""

from __future__ import annotations

import asyncio
import os
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Event, Lock
from typing import Any, BinaryIO, Final, Generic, Literal, Protocol, TypeVar

import msgspec
from attrs import define, field

from ..beside import beside
from ..errors import ConfigurationError, PermanentError, PipelineStateError
from ..formats.json_events import decode_event
from ..inlet import wake
from ..settings import checked_path, number, one_of
from ..stages import Send, Source, StageContext

FileType = TypeVar("FileType", bound="Closable")
Decode = Literal["event", "object"]

THREAD = "sluiceway-files"  # the name of those that read and write them
READ_AHEAD = 1 << 20  # bytes of one visit to the thread
MOST_CALLS = 100  # to a read that is about to wait for who writes into a pipe
CALL_INTERVAL = 0.001  # seconds
TOO_LONG = b"(a line that is too long)"
LOG_INTERVAL = 10.0  # seconds between two lines in the log about malformed lines


def decode_object(line: bytes) -> dict[str, Any]:
    """The JSON object in a line.

    Raises:
        PermanentError: ``malformed``: no JSON, or JSON that is no object.
    """
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PermanentError(str(error), reason="malformed") from error


DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "event": decode_event,
    "object": decode_object,
}


def path_of(path: str | os.PathLike[str]) -> Path:
    """The path of the file to read, checked."""
    return Path(checked_path("JsonLinesSource.path", path))


@define(eq=False, slots=False)
class JsonLinesSource(Source[Any]):
    """Reads a JSON Lines file to its end, off the event loop.

    A pipe, such as ``/dev/stdin``, is read as its lines come, whenever somebody begins
    to write; a stop waits for no more.
    A malformed line is counted as ``dropped{malformed}``, logged with its number at
    most every 10 s, and does not stop the others. Empty lines are passed over.

    Args:
        path: the file.
        decode: ``"event"`` (default) reads what ``JsonLinesSink`` wrote, ``"object"``
            takes each line's object as it is, as a dict.
        name: its name in the graph.
        batch_size: events that are sent together; default 512.
        max_line_bytes: a longer line counts as malformed and is never held in memory
            as a whole; default 16 MiB.

    Raises:
        ConfigurationError: a wrong setting; at ``open``, a file that cannot be read.
    """

    path: Path = field(converter=path_of)
    decode: Decode = field(default="event", kw_only=True, validator=one_of(Decode))
    name: str | None = field(default=None, kw_only=True)
    batch_size: int = field(default=512, kw_only=True, validator=number(1, whole=True))
    max_line_bytes: int = field(
        default=16 << 20, kw_only=True, validator=number(1, whole=True)
    )

    def __attrs_post_init__(self) -> None:
        self._lines: LineReader | None = None
        self._stop_asked: asyncio.Future[None] | None = None
        self._context: StageContext | None = None
        self._malformed = 0
        self._unsaid = 0
        self._next_line = 0
        self._quiet_until = float("-inf")

    async def open(self, context: StageContext) -> None:
        """Open the file, at its beginning.

        Raises:
            ConfigurationError: there is no such file, or it cannot be read.
        """
        self._context = context
        self._stop_asked = asyncio.get_running_loop().create_future()
        self._next_line = 1
        try:
            self._lines = await open_on_thread(
                lambda: reader_of(self.path, self.max_line_bytes)
            )
        except OSError as error:
            raise ConfigurationError(
                f"JsonLinesSource.path is {str(self.path)!r}; "
                f"expected a file that can be read ({error.strerror})"
            ) from error

    async def close(self) -> None:
        """Close the file."""
        lines, self._lines = self._lines, None
        if lines is not None:
            await close_on_thread(lines.close)

    async def run(self, send: Send[Any]) -> None:
        """Send the events of all good lines, in order."""
        if self._lines is None or self._stop_asked is None or self._context is None:
            raise PipelineStateError("JsonLinesSource runs before it is open")
        while lines := await self._read(self._lines, self._stop_asked):
            for start in range(0, len(lines), self.batch_size):
                events = self._decode(lines[start : start + self.batch_size])
                if events:
                    await send(events)
        self._complain("at the end", force=True)

    async def _read(
        self, lines: LineReader, stop_asked: asyncio.Future[None]
    ) -> list[bytes]:
        """The next lines; none at the end, or once a stop is asked."""
        if stop_asked.done():
            return []
        reading = asyncio.ensure_future(beside(lines.read, THREAD))
        either: set[asyncio.Future[Any]] = {reading, stop_asked}
        try:
            await asyncio.wait(either, return_when="FIRST_COMPLETED")
            return reading.result() if reading.done() else []
        finally:
            reading.cancel()

    def stop(self) -> bool:
        """Read no further; what was read is handed over."""
        if self._stop_asked is not None:
            wake(self._stop_asked)
        return True

    def refused(self) -> Mapping[str, int]:
        """The malformed lines so far."""
        return {"malformed": self._malformed} if self._malformed else {}

    def _decode(self, lines: list[bytes]) -> list[Any]:
        decode = DECODERS[self.decode]
        events = []
        for line in lines:
            try:
                if line:
                    events.append(decode(line))
            except PermanentError as error:
                self._refuse(str(error))
            self._next_line += 1
        return events

    def _refuse(self, why: str) -> None:
        self._malformed += 1
        self._unsaid += 1
        self._complain(f"line {self._next_line}: {why}")

    def _complain(self, text: str, *, force: bool = False) -> None:
        context = self._context
        if context is None or not self._unsaid:
            return
        now = context.clock.now()
        if force or now >= self._quiet_until:
            context.logger.warning(
                "%s: %d malformed lines passed over; %s", self.path, self._unsaid, text
            )
            self._unsaid = 0
            self._quiet_until = now + LOG_INTERVAL


def reader_of(path: Path, longest: int) -> LineReader:
    """Reads the lines of the file, which is opened without waiting for anybody.

    Opening a pipe that has a name waits for who writes: that is left to its reads.

    Raises:
        OSError: it cannot be opened.
    """
    is_late = path.is_fifo() and os.access(path, os.R_OK)
    return LineReader(path if is_late else FileIO(path), longest)


class LineReader:
    """The lines of a file, as they come.

    Args:
        file: where they are; the path of one that the first read opens.
        longest: bytes of a line. A longer one is never held in memory as a whole;
            ``TOO_LONG``, which is no JSON and so malformed, stands for it.
    """

    def __init__(self, file: BinaryIO | FileIO | Path, longest: int) -> None:
        self._path = file if isinstance(file, Path) else None
        self._file = None if isinstance(file, Path) else file
        self._longest = longest
        self._rest = b""  # of a line whose end has not come; cut where it is too long
        self._at_begin = True
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()
        self._closed = False

    def read(self) -> list[bytes]:
        """The next lines, stripped, about ``READ_AHEAD`` bytes; none at the end.

        It waits for one line, however long that takes.
        """
        with self._lock:
            if self._closed:
                return []
            self._idle.clear()
        try:
            if self._file is None and self._path is not None and not self._closed:
                self._file = FileIO(self._path)
            # what comes after a close is for whoever opens the pipe next
            return [] if self._file is None or self._closed else self._next(self._file)
        finally:
            with self._lock:
                self._idle.set()
                if self._closed and self._file is not None:
                    self._file.close()

    def close(self) -> None:
        """Close the file, or leave that to a read that is under way."""
        with self._lock:
            self._closed = True
            if self._idle.is_set() and self._file is not None:
                self._file.close()
        for _ in range(MOST_CALLS):
            if self._idle.wait(CALL_INTERVAL) or self._file or self._has_called():
                return

    def _has_called(self) -> bool:
        """Let a read that waits for a writer go on; False if it does not wait yet."""
        with suppress(OSError):
            os.close(os.open(self._path or "", os.O_WRONLY | os.O_NONBLOCK))
            return True
        return False

    def _next(self, file: BinaryIO | FileIO) -> list[bytes]:
        lines: list[bytes] = []
        while not lines and (piece := file.read(READ_AHEAD)):
            if self._at_begin:
                self._at_begin = False
                piece = piece.removeprefix(BOM_UTF8)
            first, *others = piece.split(b"\n")
            self._rest = (self._rest + first)[: self._longest + 1]
            for start in others:
                lines.append(self._whole())
                self._rest = start[: self._longest + 1]
        if not lines and self._rest:  # the file ends without the end of its last line
            lines.append(self._whole())
            self._rest = b""
        return lines

    def _whole(self) -> bytes:
        return TOO_LONG if len(self._rest) > self._longest else self._rest.strip()


class Closable(Protocol):
    """What is open and can be closed."""

    def close(self) -> None:
        """Close it."""


class Opening(Generic[FileType]):
    """Opens on a thread, and closes again what nobody waits for any more.

    The event loop need not live so long.

    Args:
        opener: opens a file.
    """

    def __init__(self, opener: Callable[[], FileType]) -> None:
        self._opener = opener
        self._lock = Lock()
        self._opened: FileType | None = None
        self._given_up = False

    def work(self) -> FileType:
        """What the opener opens."""
        opened = self._opener()
        with self._lock:
            self._opened = opened
            if self._given_up:
                opened.close()
        return opened

    def give_up(self) -> None:
        """Close what is or will be open."""
        with self._lock:
            self._given_up = True
            if self._opened is not None:
                self._opened.close()


async def open_on_thread(opener: Callable[[], FileType]) -> FileType:
    """What ``opener`` opens on a thread; closed again if nobody waits any more."""
    opening = Opening(opener)
    try:
        return await beside(opening.work, THREAD)
    except asyncio.CancelledError:
        opening.give_up()
        raise


async def close_on_thread(closer: Callable[[], object]) -> None:
    """Call ``closer`` on a thread, also if nobody waits any more."""
    await asyncio.shield(asyncio.ensure_future(beside(closer, THREAD)))
