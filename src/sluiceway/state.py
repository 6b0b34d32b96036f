"""StateFile: what stages keep across restarts.

Law: the loop never waits for the disk. Of several values of one stage that wait to be
written only the newest is; a file that cannot be written is told of, and harms nobody.
A stage's value is written by who loaded it last: a process that is on its way out while
the next one runs does not put its own back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from logging import getLogger
from secrets import token_hex
from typing import Any

from .beside import beside
from .errors import ConfigurationError
from .settings import checked_path

TABLE = "CREATE TABLE IF NOT EXISTS state (stage TEXT PRIMARY KEY, value BLOB)"
WRITERS = "CREATE TABLE IF NOT EXISTS writers (stage TEXT PRIMARY KEY, writer TEXT)"
CLAIM = "INSERT OR REPLACE INTO writers VALUES (?, ?)"
STORE = "INSERT OR REPLACE INTO state VALUES (?, ?)"
SECONDS = 5.0  # that a writer waits for another one


class StateFile:
    """An SQLite file with one value for each stage; several may share it.

    Args:
        path: the file; it is made when something is kept. Its folder must exist.

    Raises:
        ConfigurationError: the path is no path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(checked_path("StateFile.path", path))
        self._waiting: dict[str, bytes] = {}
        self._unwritten: dict[str, bytes] = {}
        self._lost: set[str] = set()
        self._token = token_hex(8)
        self._writing: asyncio.Task[None] | None = None

    async def load(self, stage: str) -> bytes | None:
        """What a stage kept last; None if that is nothing. It is this object's now.

        Raises:
            ConfigurationError: the file cannot be used.
        """
        try:
            return await beside(partial(self._read, stage), "sluiceway-state")
        except Exception as error:
            raise ConfigurationError(
                f"the state file {self.path} cannot be used: {error}"
            ) from error

    def save(self, stage: str, value: bytes) -> None:
        """Keep a stage's value; it is written soon."""
        self._waiting[stage] = value
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def close(self) -> None:
        """Return once everything is written, or cannot be."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while self._waiting:
            values, self._waiting = self._unwritten | self._waiting, {}
            try:
                lost = await beside(partial(self._write, values), "sluiceway-state")
            except Exception as error:  # noqa: BLE001 - whatever a disk does
                self._note(values, error)
            else:
                self._note({}, None)
                self._tell_lost(lost)

    def _note(self, unwritten: dict[str, bytes], error: Exception | None) -> None:
        """Keep what was not written for the next time, and tell of it once."""
        logger, was_unwritten = getLogger(__name__), bool(self._unwritten)
        self._unwritten = unwritten
        if error is not None and not was_unwritten:
            logger.warning("%s was not written: %s", self.path, error)
        elif error is None and was_unwritten:
            logger.info("%s is written again", self.path)

    def _tell_lost(self, stages: set[str]) -> None:
        for stage in sorted(stages - self._lost):
            getLogger(__name__).warning(
                "what %s keeps in %s is not written: another pipeline has opened it",
                *(stage, self.path),
            )
        self._lost = stages

    # On a thread.

    def _read(self, stage: str) -> bytes | None:
        with self._file() as file:
            file.execute(CLAIM, (stage, self._writer()))
            found = file.execute("SELECT value FROM state WHERE stage = ?", (stage,))
            row = found.fetchone()
        return None if row is None else bytes(row[0])

    def _write(self, values: dict[str, bytes]) -> set[str]:
        """Write what is this object's; the stages that are not."""
        with self._file() as file:
            file.execute("BEGIN IMMEDIATE")
            writers = dict(file.execute("SELECT stage, writer FROM writers"))
            own = self._writer()
            lost = {stage for stage in values if writers.get(stage, own) != own}
            mine = [(s, value) for s, value in values.items() if s not in lost]
            file.executemany(STORE, mine)
        return lost

    def _writer(self) -> str:
        """Who this is, in a forked child another one."""
        return f"{os.getpid()}-{self._token}"

    @contextmanager
    def _file(self) -> Iterator[Any]:
        import sqlite3  # noqa: PLC0415 - only who keeps something needs it

        with closing(sqlite3.connect(self.path, timeout=SECONDS)) as file, file:
            file.execute(TABLE)
            file.execute(WRITERS)
            yield file

    def __repr__(self) -> str:
        return f"<StateFile {self.path}>"


State = StateFile | str | os.PathLike[str] | None


def state_file(given: StateFile | str | os.PathLike[str]) -> StateFile:
    """The file, which may be given by its path.

    Raises:
        ConfigurationError: it is no path.
    """
    return given if isinstance(given, StateFile) else StateFile(given)
