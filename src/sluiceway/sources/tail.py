"""FileTailSource: the lines of files as they are written, across rotations.

Law: a place is written down when the pipeline has answered for what stands before it,
in order; so a crash repeats what was on its way, and skips nothing.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Any, Final, Literal

from anyio import to_thread

from ..delivery import Delivery, Outcome
from ..errors import ConfigurationError, PermanentError, nearest
from ..events import LogRecord
from ..formats.json_events import decode_event
from ..settings import checked_path, is_number
from ..stages import Send, StageContext
from .interval import IntervalSource
from .json_lines import close_on_thread, decode_object, open_on_thread
from .tail_files import FollowedFiles, Found, Identity
from .tail_lines import LineCutter
from .tail_places import Place, load_places, save_places

Start = Literal["end", "beginning"]
Decode = Literal["text", "object", "event"]
Patterns = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

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
        interval: float = 0.25,
        rotate_wait: float = 5.0,
        batch_size: int = 512,
        max_line_bytes: int = 1 << 20,
        name: str | None = None,
    ) -> None:
        checked_number("interval", interval, 0.001)
        checked_number("rotate_wait", rotate_wait, 0)
        checked_number("batch_size", batch_size, 1, whole=True)
        checked_number("max_line_bytes", max_line_bytes, 4, whole=True)
        super().__init__(name, interval)
        self.paths = checked_patterns(paths)
        self._at_end = checked_word("start", start, ("end", "beginning")) == "end"
        self._decode = checked_word("decode", decode, ("text", "object", "event"))
        self._checkpoint = None
        if checkpoint is not None:
            checked_path("FileTailSource.checkpoint", checkpoint)
            self._checkpoint = Path(checkpoint)
        self._cutter = LineCutter(encoding, max_line_bytes)
        self._exclude = tuple(exclude)
        self._rotate_wait = rotate_wait
        self._batch_size = batch_size
        self._logger = getLogger("sluiceway.sources.tail")
        self._malformed = 0
        self._places: dict[Identity, Place] = {}
        self._was_open = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._files = FollowedFiles(
            self.paths, self._exclude, self._cutter, self._rotate_wait
        )
        self._on_the_way: deque[Waiting] = deque()
        self._held_back: set[Identity] = set()
        self._is_saved = True
        self._told: set[str] = set()

    async def open(self, context: StageContext) -> None:
        """Open the files, where they were left.

        Raises:
            ConfigurationError: the checkpoint cannot be read or written.
        """
        await super().open(context)
        self._logger = context.logger
        self._begin_anew()
        # a call that was given up opens what it closes, and nothing of the next one
        await open_on_thread(partial(self._open, self._files))

    def _open(self, files: FollowedFiles) -> FollowedFiles:
        known = [*self._places.values()] if self._was_open else None
        if self._checkpoint is not None:
            known = load_places(self._checkpoint)
        begun = files.begin(known, at_end=self._at_end)
        self._places = {place.identity: place for place in begun}
        self._was_open = True
        try:
            self._save()
        except OSError as error:
            files.close()
            raise ConfigurationError(
                f"FileTailSource.checkpoint is {str(self._checkpoint)!r}; "
                f"expected a file that can be written ({error.strerror})"
            ) from error
        return files

    async def close(self) -> None:
        """Write down how far the pipeline has come, and close the files."""
        self._take_answers(ending=True)
        await close_on_thread(self._close)

    def _close(self) -> None:
        self._files.close()
        if not self._is_saved:
            self._try_to_save()

    async def gather(self) -> list[Any]:
        """Nothing: what a look finds is sent piece by piece."""
        return []

    async def _hand_over(self, send: Send[Any]) -> None:
        self._begun += 1
        number = self._begun
        now = self._clock.now()
        await to_thread.run_sync(self._files.look, now)
        while found := await to_thread.run_sync(self._files.read, now):
            for piece in found:
                await self._send(piece, send)
            await self._write_down()
        await self._write_down()
        self._complain()
        self._wake(number)

    async def _send(self, found: Found, send: Send[Any]) -> None:
        """Send what was found; its place counts once all of it is answered for."""
        events = self._events(found)
        for start in range(0, len(events), self._batch_size):
            delivery = await send(events[start : start + self._batch_size])
            self._on_the_way.append((delivery, found.place.identity))
        self._on_the_way.append((None, found))

    def _events(self, found: Found) -> list[Any]:
        if self._decode == "text":
            return self._records(found)
        decode = DECODERS[self._decode]
        events = []
        for line in found.lines:
            try:
                events.append(decode(line.encode()))
            except (PermanentError, UnicodeEncodeError) as error:
                self._malformed += 1
                self._warn(f"{found.path} has a malformed line: {error}")
        return events

    def _records(self, found: Found) -> list[LogRecord]:
        now = self._clock.time_ns()
        name = Path(found.path).name
        return [
            LogRecord(
                body=line,
                observed_time_unix_nano=now,
                attributes={"log.file.name": name, "log.file.path": found.path},
            )
            for line in found.lines
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
        if found.over:
            self._places.pop(identity, None)
        else:
            self._places[identity] = found.place

    async def _write_down(self) -> None:
        self._take_answers(ending=self._stopping)
        if not self._is_saved:
            await to_thread.run_sync(self._try_to_save)

    def _try_to_save(self) -> None:
        try:
            self._save()
        except OSError as error:
            self._warn(f"{self._checkpoint} cannot be written: {error.strerror}")

    def _save(self) -> None:
        if self._checkpoint is not None:
            save_places(self._checkpoint, self._places.values())
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

    def __repr__(self) -> str:
        return f"<FileTailSource {' '.join(self.paths)} files={len(self._places)}>"


def is_cut_off(outcome: Outcome | None) -> bool:
    """Whether a pipeline that ends has left events for the next one."""
    return outcome is not None and bool(outcome.dropped or outcome.errored)


def checked_patterns(paths: Any) -> tuple[str, ...]:
    """The patterns, in a tuple.

    Raises:
        ConfigurationError: there are none, or one is no path.
    """
    single = isinstance(paths, str | os.PathLike)
    given = (paths,) if single else paths
    if not isinstance(given, Sequence) or not given:
        raise ConfigurationError(
            f"FileTailSource.paths is {paths!r}; expected paths or patterns of files"
        )
    return tuple(os.fspath(checked_path("FileTailSource.paths", p)) for p in given)


def checked_number(
    setting: str, value: object, low: float, *, whole: bool = False
) -> None:
    """Refuse what is no number from ``low``."""
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
