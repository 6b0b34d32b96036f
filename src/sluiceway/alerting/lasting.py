"""Lasting: an accumulator whose state survives a restart.

Law: what is kept tells times of day, since the pipeline's clock begins anew, and when
it was kept: where the time of day has gone back since then, nobody waits for it to come
again. Whoever keeps it does no I/O himself. It is kept whenever something was released,
within a second otherwise or when it is large, and at the end: a crash repeats what it
released last, at most.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from logging import Logger
from typing import Any, Final, Generic, TypeVar

import msgspec

from ..clock import Clock
from ..errors import ConfigurationError, PartialError
from ..events import Alert
from ..formats.valid_json import encoded
from ..stages import Accumulator, StageContext
from ..state import State, StateFile, state_file
from .muting import Silences

In = TypeVar("In")
Out = TypeVar("Out")

SMALL: Final = 64 * 1024  # bytes that cost little, each time that something is released
EACH: Final = 1.0  # seconds until it is kept while nothing is released


class Kept(msgspec.Struct):
    """A state.

    Attributes:
        at: the time of day, in seconds since the epoch.
        state: what ``snapshot`` gave then.
    """

    at: float
    state: msgspec.Raw


class Lasting(Accumulator[In, Out], Generic[In, Out]):
    """What the stages of alerting share: the time of day, and what they keep.

    Attributes:
        state: where the state is kept; None for nowhere.
    """

    state: State
    _epoch_ns = 0  # the time of day when the pipeline's clock was 0
    _ahead = 0.0  # seconds by which times that were kept are, since a clock went back
    _file: StateFile | None = None
    _stage = ""
    _loop: asyncio.AbstractEventLoop
    _clock: Clock
    _logger: Logger | None = None
    _keep_at = 0.0
    _size = 0  # bytes that were kept last
    _waits = False  # whether something has changed that is not kept yet

    @abstractmethod
    def snapshot(self) -> Any:
        """The state, a ``msgspec.Struct``; its times are seconds since the epoch."""

    @abstractmethod
    def restore(self, saved: Any, now: float) -> None:
        """Go on from a state.

        Args:
            saved: what ``snapshot`` gave.
            now: on the pipeline's clock.
        """

    async def open(self, context: StageContext) -> None:
        """Learn the time of day, and go on from what was kept.

        Raises:
            ConfigurationError: the file cannot be used.
        """
        now = context.clock.now()
        self._clock, self._logger = context.clock, context.logger
        self._epoch_ns = context.clock.time_ns() - int(now * 1e9)
        if self.state is None:
            return
        file = state_file(self.state)
        self._loop = asyncio.get_running_loop()
        self._stage = context.name
        self._keep_at, self._waits = 0.0, False
        kept = await file.load(context.name)
        self._file = file  # not before: else a close would write over what it is
        try:
            self._go_on(kept, now)
        except (msgspec.MsgspecError, ConfigurationError) as error:
            context.logger.warning(
                "what %s kept in %s cannot be read, and is left aside: %s",
                *(context.name, file.path, error),
            )

    def _go_on(self, kept: bytes | None, now: float) -> None:
        """Go on from what was kept, if it was.

        Raises:
            msgspec.MsgspecError: it is something else.
            ConfigurationError: a setting of it cannot mean anything.
        """
        if kept is None:
            return
        found = msgspec.json.decode(kept, type=Kept)
        saved = msgspec.json.decode(found.state, type=type(self.snapshot()))
        self._ahead = max(0.0, found.at - self._time(now))
        try:
            self.restore(saved, now)
        finally:
            self._ahead = 0.0

    async def close(self) -> None:
        """Keep the last state."""
        self._save()
        file, self._file = self._file, None
        if file is not None:
            await file.close()

    def keep(self) -> None:
        """Keep the state although nothing was released; from any thread."""
        if self._file is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._save)

    def _save(self) -> None:
        if self._file is not None:
            self._waits = False
            at = self._time(self._clock.now())
            state = encoded(self.snapshot())
            self._size = len(state)
            kept = Kept(at, msgspec.Raw(state))
            self._file.save(self._stage, msgspec.json.encode(kept))

    def _kept(self, released: list[Any], now: float) -> list[Any]:
        """What is released, once it is on its way to the file that it was."""
        at_once = bool(released) and self._size <= SMALL
        if at_once or now >= self._keep_at:
            self._keep_at = now + EACH
            self._save()
        else:
            self._waits = self._file is not None
        return released

    def _refusing(
        self, failed: Mapping[int, Exception], released: list[Any]
    ) -> list[Any]:
        """What is released, if no event was refused.

        Raises:
            PartialError: some were.
        """
        if failed:
            raise PartialError(failed, released)
        return released

    def _soonest(self, due: float | None) -> float | None:
        """When to look again: when it is due, or earlier to keep what has changed."""
        if not self._waits:
            return due
        return self._keep_at if due is None else min(due, self._keep_at)

    def _time_ns(self, now: float) -> int:
        """The time of day, in nanoseconds since the epoch."""
        return self._epoch_ns + int(now * 1e9)

    def _time(self, now: float) -> float:
        """The time of day, in seconds since the epoch."""
        return self._epoch_ns / 1e9 + now

    def _time_or_none(self, now: float | None) -> float | None:
        return None if now is None else self._time(now)

    def _now(self, time: float) -> float:
        """A time of day on the pipeline's clock."""
        return time - self._ahead - self._epoch_ns / 1e9

    def _now_or_none(self, time: float | None) -> float | None:
        return None if time is None else self._now(time)


class Silenced(Lasting[Alert, Alert]):
    """What tells nobody of some alerts, and keeps the silences that are added."""

    _silences: Silences

    @property
    def silencing(self) -> Silences:
        """The silences, to which more can be added."""
        return self._silences

    async def open(self, context: StageContext) -> None:
        """Go on from what was kept, and keep the silences whenever they change."""
        await super().open(context)
        self._silences.watch(self.keep)

    async def close(self) -> None:
        """Keep the last state."""
        self._silences.unwatch(self.keep)
        await super().close()
