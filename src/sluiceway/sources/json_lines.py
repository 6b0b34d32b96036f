"""JsonLinesSource: the events of a JSON Lines file, read once to its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeVar

import msgspec
from attrs import define, field

from ..beside import beside
from ..errors import ConfigurationError, PermanentError, PipelineStateError
from ..formats.json_events import decode_event
from ..settings import checked_path, number, one_of
from ..stages import Send, Source, StageContext

FileType = TypeVar("FileType")
Decode = Literal["event", "object"]

THREAD = "sluiceway-files"  # the name of those that read and write them
READ_AHEAD = 1 << 20  # bytes of one visit to the thread
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
        self._file: BinaryIO | None = None
        self._context: StageContext | None = None
        self._stopping = False
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
        self._stopping = False
        self._next_line = 1
        try:
            self._file = await open_on_thread(lambda: self.path.open("rb"))
        except OSError as error:
            raise ConfigurationError(
                f"JsonLinesSource.path is {str(self.path)!r}; "
                f"expected a file that can be read ({error.strerror})"
            ) from error

    async def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            await close_on_thread(file.close)

    async def run(self, send: Send[Any]) -> None:
        """Send the events of all good lines, in order."""
        if self._file is None or self._context is None:
            raise PipelineStateError("JsonLinesSource runs before it is open")
        while not self._stopping:
            reading = partial(read_lines, self._file, self.max_line_bytes)
            lines = await beside(reading, THREAD)
            if not lines:
                break
            for start in range(0, len(lines), self.batch_size):
                events = self._decode(lines[start : start + self.batch_size])
                if events:
                    await send(events)
        self._complain("at the end", force=True)

    def stop(self) -> bool:
        """Read no further; what was read is handed over."""
        self._stopping = True
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


async def open_on_thread(opener: Callable[[], FileType]) -> FileType:
    """What ``opener`` opens on a thread; closed again if nobody waits any more."""
    opening = asyncio.ensure_future(beside(opener, THREAD))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(close_opened)
        raise


async def close_on_thread(closer: Callable[[], object]) -> None:
    """Call ``closer`` on a thread, also if nobody waits any more."""
    await asyncio.shield(asyncio.ensure_future(beside(closer, THREAD)))


def close_opened(opening: asyncio.Future[Any]) -> None:
    """Close what was opened for nobody."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def read_lines(file: BinaryIO, longest: int) -> list[bytes]:
    """The next lines, stripped, about ``READ_AHEAD`` bytes; none at the end.

    ``TOO_LONG``, which is no JSON and so malformed, stands for a line that is.
    """
    lines: list[bytes] = []
    size = 0
    while size < READ_AHEAD:
        line = file.readline(longest + 1)
        if not line:
            break
        size += len(line)
        if len(line) > longest and not line.endswith(b"\n"):
            skip_line(file)
            line = TOO_LONG
        lines.append(line.strip())
    return lines


def skip_line(file: BinaryIO) -> None:
    """Pass over the rest of a line, in pieces."""
    while True:
        piece = file.readline(READ_AHEAD)
        if not piece or piece.endswith(b"\n"):
            return
