"""FileTailSource: the lines of files as they are written, across rotations.

Law: a place is written down when the pipeline has answered for what stands before it,
in order; so a crash repeats what was on its way, and skips nothing.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from ..beside import beside
from ..delivery import Delivery, Outcome
from ..errors import ConfigurationError, PermanentError, nearest
from ..events import LogRecord
from ..formats.json_events import decode_event
from ..settings import Bounds, Count, checked_path, is_number
from ..stages import Send, StageContext
from .interval import IntervalSource
from .json_lines import THREAD, close_on_thread, decode_object, open_on_thread
from .tail_file import Found
from .tail_files import FollowedFiles
from .tail_lines import LineCutter
from .tail_places import Checkpoint, Identity, Place, remember

Start = Literal["end", "beginning"]
Decode = Literal["text", "object", "event"]
Patterns = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

PATTERNS: Final = "expected paths or patterns of files"
SAVE_INTERVAL: Final = 0.25  # seconds between two savings in one look
LOWEST: Final[Mapping[str, float]] = {  # a whole number bounds whole numbers
    "interval": 0.001,
    "rotate_wait": 0.0,
    "batch_size": 1,
    "max_line_bytes": 4,
    "max_open": 1,
}
MOST_WARNINGS = 100  # texts that are said, each once
DECODERS: Final = {"object": decode_object, "event": decode_event}
Waiting = tuple[Delivery | None, Identity | Found]


class FileTailSource(IntervalSource[Any]):
    """Follows files as ``tail -F`` does: what is written to them, line by line.

    A file is followed by what it is and not by its name: renamed by a rotation, it is
    read to its end while the new one begins. One that was truncated, or copied and
    truncated, begins anew. A last line without its end waits for the rest. Empty lines
    are passed over.

    With ``checkpoint`` a restart goes on where the pipeline had answered for the lines:
    after a stop nothing is lost or repeated, unless the stop was cut off; after a crash
    nothing is lost, and what was on its way is repeated. Lines that a rotation has
    moved away meanwhile are found in the same folder.

    Args:
        paths: a file, or a pattern with ``*``, ``?``, ``[...]`` or ``**``, or several.
        exclude: patterns of paths to leave out, such as ``"*.gz"``.
        checkpoint: the file that remembers how far each was read; None, the default,
            remembers nothing.
        start: where to begin with files that are there the first time: at their
            ``"end"`` (default) or ``"beginning"``. Files that come later are read from
            their beginning.
        decode: ``"text"`` (default) makes a ``LogRecord`` of each line, with
            ``log.file.path`` and ``log.file.name``; ``"object"`` takes each line's JSON
            object as a dict, ``"event"`` what ``JsonLinesSink`` wrote. A line that is
            none is counted as ``dropped{malformed}``.
        encoding: of the files; default ``"utf-8"``. What is wrong is replaced.
        interval: seconds between two looks; default 0.25.
        rotate_wait: seconds for which a file that was renamed or deleted is still read
            after it last grew; default 5.
        batch_size: events that are sent together; default 512.
        max_line_bytes: a longer line is cut into pieces; default 1 MiB.
        max_open: files that are kept open; default half of what the process may open.
            With more files, those that have not grown for the longest time are closed
            meanwhile. What was last written to such a one before its deletion is lost.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything; at ``open``, a checkpoint
            that cannot be read or written.
    """

    wants_delivery = True

    def __init__(
        self,
        paths: Patterns,
        *,
        exclude: Sequence[str] = (),
        checkpoint: str | os.PathLike[str] | None = None,
        start: Start = "end",
        decode: Decode = "text",
        encoding: str = "utf-8",
        interval: Annotated[float, Bounds(0.001)] = 0.25,
        rotate_wait: Annotated[float, Bounds(0)] = 5.0,
        batch_size: Count = 512,
        max_line_bytes: Annotated[int, Bounds(4)] = 1 << 20,
        max_open: Count | None = None,
        name: str | None = None,
    ) -> None:
        check_numbers(
            interval=interval,
            rotate_wait=rotate_wait,
            batch_size=batch_size,
            max_line_bytes=max_line_bytes,
            max_open=1 if max_open is None else max_open,
        )
        super().__init__(name, interval)
        single = isinstance(paths, str | os.PathLike)
        self.paths = checked_patterns("paths", (paths,) if single else paths)
        self._at_end = checked_word("start", start, ("end", "beginning")) == "end"
        self._decode = checked_word("decode", decode, ("text", "object", "event"))
        self._path = checked_checkpoint(checkpoint)
        self._cutter = LineCutter(encoding, max_line_bytes)
        self._exclude = checked_patterns("exclude", exclude)
        self._max_open = max_open
        self._rotate_wait = rotate_wait
        self._batch_size = batch_size
        self._logger = getLogger("sluiceway.sources.tail")
        self._malformed = 0
        self._places: dict[Identity, Place] = {}
        self._absent: dict[Identity, Place] = {}  # who may come back
        self._was_open = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._files = FollowedFiles(
            self.paths,
            self._exclude,
            self._cutter,
            self._rotate_wait,
            self._max_open,
        )
        self._checkpoint = None if self._path is None else Checkpoint(self._path)
        self._opened = ExitStack()
        self._on_the_way: deque[Waiting] = deque()
        self._held_back: set[Identity] = set()
        self._is_saved = True
        self._saved_at = 0.0
        self._told: set[str] = set()

    async def open(self, context: StageContext) -> None:
        """Open the files, where they were left.

        Raises:
            ConfigurationError: the checkpoint cannot be read or written, or another
                source writes it.
        """
        await super().open(context)
        self._logger = context.logger
        self._begin_anew()
        # a call that was given up opens what it closes, and nothing of the next one
        opener = partial(self._open, self._files, self._checkpoint)
        self._opened = await open_on_thread(opener)

    def _open(self, files: FollowedFiles, checkpoint: Checkpoint | None) -> ExitStack:
        with ExitStack() as opened:
            opened.callback(files.close)
            known = self._known() if self._was_open else None
            if checkpoint is not None:
                opened.callback(checkpoint.close)
                known = checkpoint.load()
            begun = files.begin(known, at_end=self._at_end)
            self._begin_at(begun, known or ())
            try:
                self._save()
            except OSError as error:
                raise ConfigurationError(
                    f"FileTailSource.checkpoint is {str(self._path)!r}; expected a "
                    f"file that can be written ({error.strerror})"
                ) from error
            return opened.pop_all()

    def _begin_at(self, begun: Iterable[Place], known: Iterable[Place]) -> None:
        self._places = {place.identity: place for place in begun}
        self._absent = {}
        for place in known:
            if place.identity not in self._places:
                remember(self._absent, place)
        self._was_open = True

    async def close(self) -> None:
        """Write down how far the pipeline has come, and close the files."""
        self._take_answers(ending=True)
        await close_on_thread(self._close)

    def _close(self) -> None:
        with self._opened:
            self._opened = ExitStack()
            if not self._is_saved:
                self._try_to_save()

    async def gather(self) -> list[Any]:
        """Nothing: what a look finds is sent piece by piece."""
        return []

    async def _hand_over(self, send: Send[Any]) -> None:
        self._begun += 1
        number = self._begun
        now = self._clock.now()
        await beside(partial(self._files.look, now), THREAD)
        while found := await beside(partial(self._files.read, now), THREAD):
            for piece in found:
                await self._send(piece, send)
            await self._write_down(within=SAVE_INTERVAL)
        await self._write_down()
        self._complain()
        self._wake(number)

    async def _send(self, found: Found, send: Send[Any]) -> None:
        """Send what was found; its place counts once all of it is answered for."""
        for start in range(0, len(found.lines), self._batch_size):
            lines = found.lines[start : start + self._batch_size]
            events = self._events(lines, found.path)
            if events:
                delivery = await send(events)
                self._on_the_way.append((delivery, found.place.identity))
            await asyncio.sleep(0)  # a piece may be of a million lines
        self._on_the_way.append((None, found))

    def _events(self, lines: list[str], path: str) -> list[Any]:
        if self._decode == "text":
            return self._records(lines, path)
        decode = DECODERS[self._decode]
        events = []
        for line in lines:
            try:
                events.append(decode(line.encode()))
            except (PermanentError, UnicodeEncodeError) as error:
                self._malformed += 1
                self._warn(f"{path} has a malformed line: {error}")
        return events

    def _records(self, lines: list[str], path: str) -> list[LogRecord]:
        now = self._clock.time_ns()
        name = Path(path).name
        return [
            LogRecord(
                body=line,
                observed_time_unix_nano=now,
                attributes={"log.file.name": name, "log.file.path": path},
            )
            for line in lines
        ]

    def _take_answers(self, *, ending: bool) -> None:
        """Move the places behind what has been answered for, in order."""
        while self._on_the_way:
            delivery, what = self._on_the_way[0]
            if delivery is not None and delivery.outcome is None:
                break
            self._on_the_way.popleft()
            if isinstance(what, Found):
                self._move(what)
            elif ending and delivery is not None and is_cut_off(delivery.outcome):
                self._held_back.add(what)

    def _move(self, found: Found) -> None:
        identity = found.place.identity
        if identity in self._held_back:
            return
        self._is_saved = False
        self._absent.pop(identity, None)
        if not found.over:
            self._places[identity] = found.place
            return
        self._places.pop(identity, None)
        if not found.is_gone:
            remember(self._absent, found.place)

    async def _write_down(self, within: float = 0.0) -> None:
        """Save the places, unless that was done ``within`` so many seconds."""
        self._take_answers(ending=self._stopping)
        now = self._clock.now()
        if not self._is_saved and now >= self._saved_at + within:
            self._saved_at = now
            await beside(self._try_to_save, THREAD)

    def _try_to_save(self) -> None:
        try:
            self._save()
        except OSError as error:
            self._warn(f"{self._path} cannot be written: {error.strerror}")

    def _known(self) -> list[Place]:
        return [*self._absent.values(), *self._places.values()]

    def _save(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.save(self._known())
        self._is_saved = True

    def _complain(self) -> None:
        for path, why in self._files.failures.items():
            self._warn(f"{path} cannot be read: {why}")
        self._files.failures.clear()

    def _warn(self, text: str) -> None:
        """Say something, once."""
        if text not in self._told and len(self._told) < MOST_WARNINGS:
            self._told.add(text)
            self._logger.warning("%s", text)

    def refused(self) -> Mapping[str, int]:
        """The malformed lines so far."""
        return {"malformed": self._malformed} if self._malformed else {}

    def after_fork(self) -> None:
        """Start afresh: what is open is the parent's, and so is its checkpoint."""
        super().after_fork()
        if self._checkpoint is not None:
            self._checkpoint.close()

    def __repr__(self) -> str:
        return f"<FileTailSource {' '.join(self.paths)} files={len(self._places)}>"


def is_cut_off(outcome: Outcome | None) -> bool:
    """Whether a pipeline that ends has left events for the next one."""
    return outcome is not None and bool(outcome.dropped or outcome.errored)


def checked_checkpoint(path: Any) -> Path | None:
    """The checkpoint's path, if there is to be one."""
    if path is None:
        return None
    return Path(checked_path("FileTailSource.checkpoint", path))


def checked_patterns(setting: str, paths: Any) -> tuple[str, ...]:
    """The patterns, in a tuple.

    Raises:
        ConfigurationError: it is no list of them, or one is no path.
    """
    needed = setting == "paths"
    wrong = isinstance(paths, str) or not isinstance(paths, Sequence)
    if wrong or (needed and not paths):
        raise ConfigurationError(f"FileTailSource.{setting} is {paths!r}; {PATTERNS}")
    return tuple(os.fspath(checked_path(f"FileTailSource.{setting}", p)) for p in paths)


def check_numbers(**settings: object) -> None:
    """Refuse what is no number, or too small a one."""
    for setting, value in settings.items():
        low = LOWEST[setting]
        whole = isinstance(low, int)
        if not is_number(value, low, math.inf, whole=whole):
            kind = "a whole number" if whole else "a number"
            raise ConfigurationError(
                f"FileTailSource.{setting} is {value!r}; expected {kind} from {low}"
            )


def checked_word(setting: str, value: str, words: Sequence[str]) -> str:
    """The word, if it is one of these.

    Raises:
        ConfigurationError: it is another one.
    """
    if value not in words:
        expected = " or ".join(map(repr, words))
        raise ConfigurationError(
            f"FileTailSource.{setting} is {value!r}; expected {expected}"
            f"{nearest(value, words)}"
        )
    return value
