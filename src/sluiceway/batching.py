"""BatchBy: gather events into batches by count, by bytes and by time.

Law: ``BatchBy`` is the setting, ``Batcher`` the state machine that it makes; the
machine is told the time, loses nothing and keeps order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from typing import Any

from attrs import field, frozen

from .chains import Composable
from .settings import a_function, number
from .stages import Accumulator, Batches, StageContext


@frozen
class BatchBy(Composable):
    """How events are gathered into batches: the first bound that is reached decides.

    Stands as a stage of its own (``source >> BatchBy(100) >> sink``) or as the
    ``batch`` setting of a sink.

    Attributes:
        max_events: events in a batch at most; default 512.
        max_bytes: bytes in a batch at most, as told by ``size``; None for no bound. A
            single larger event travels alone, and so does one whose size cannot be
            told, which is logged once.
        flush_interval: seconds that the oldest event waits at most; default 1.0.
        size: tells the size of one event in bytes; by default the event's ``size()``.
    """

    max_events: int = field(default=512, validator=number(1, whole=True))
    max_bytes: int | None = field(
        default=None, validator=number(1, whole=True, optional=True)
    )
    flush_interval: float = field(default=1.0, validator=number(0))
    size: Callable[[Any], int] | None = field(default=None, validator=a_function)


class Batcher(Accumulator[Any, Any]):
    """The state machine of one ``BatchBy``: what came in comes out, in order."""

    acknowledge = "on_output"
    takes_notes = True
    takes_encoded = True

    def __init__(self, settings: BatchBy) -> None:
        self.name = None
        self.settings = settings
        self._size = settings.size or ask_size
        self._held: list[Any] = []
        self._bytes = 0
        self._deadline: float | None = None
        self._logger: Logger | None = None

    async def open(self, context: StageContext) -> None:
        """Learn where to complain."""
        self._logger = context.logger

    def add(self, events: list[Any], now: float) -> list[Any]:
        """Take events in; every batch that is full by it."""
        if self.settings.max_bytes is None:
            released = self._add_by_count(events)
        else:
            released = self._add_by_bytes(events, self.settings.max_bytes)
        if not self._held:
            self._deadline = None
        elif released or self._deadline is None:
            self._deadline = now + self.settings.flush_interval
        return released

    def _add_by_count(self, events: list[Any]) -> Batches[Any]:
        limit = self.settings.max_events
        held = self._held
        held += events
        released: Batches[Any] = Batches()
        full = len(held) - len(held) % limit
        for start in range(0, full, limit):
            released.append(held[start : start + limit])
        if full:
            del held[:full]
        return released

    def _add_by_bytes(self, events: list[Any], limit: int) -> Batches[Any]:
        released: Batches[Any] = Batches()
        sizes = self._sizes_of(events, limit)
        for event, size in zip(events, sizes, strict=True):
            if self._held and self._bytes + size > limit:
                released.append(self._take())
            self._held.append(event)
            self._bytes += size
            if len(self._held) >= self.settings.max_events or self._bytes >= limit:
                released.append(self._take())
        return released

    def _sizes_of(self, events: list[Any], limit: int) -> list[int]:
        """The sizes of events; ``limit`` for one that does not tell its own."""
        with suppress(Exception):  # one event must not cost its neighbours
            sizes = [*map(int, map(self._size, events))]
            if not sizes or min(sizes) >= 0:
                return sizes
        return [self._size_or(limit, event) for event in events]

    def _size_or(self, limit: int, event: Any) -> int:
        try:
            size = int(self._size(event))
            if size >= 0:
                return size
            why: object = f"it is {size}"
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            why = repr(error)
        if self._logger is not None:
            self._logger.warning(
                "the size of a %s cannot be told, and it travels alone: %s",
                type(event).__name__,
                why,
            )
            self._logger = None
        return limit

    def _take(self) -> list[Any]:
        held, self._held, self._bytes = self._held, [], 0
        self._deadline = None
        return held

    def tick(self, now: float) -> list[Any]:
        """The held events, if the oldest has waited long enough."""
        if self._deadline is not None and now >= self._deadline:
            return self._take()
        return []

    def flush(self, now: float) -> list[Any]:  # noqa: ARG002 - the interface's
        """The held events, whatever their age."""
        return self._take()

    def next_deadline(self) -> float | None:
        """When the oldest held event has waited ``flush_interval``."""
        return self._deadline

    def held(self) -> int:
        """How many events wait for their batch to fill."""
        return len(self._held)


def ask_size(event: Any) -> int:
    """The size of an event in bytes, as the event itself tells it."""
    return int(event.size())
