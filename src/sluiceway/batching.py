"""BatchBy: gather events into batches by count, by bytes and by time.

Law: ``BatchBy`` is the setting, ``Batcher`` the state machine that it makes; the
machine is told the time, loses nothing and keeps order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from .chains import Composable
from .settings import a_function, number
from .stages import Accumulator, Batches


@frozen
class BatchBy(Composable):
    """How events are gathered into batches: the first bound that is reached decides.

    Stands as a stage of its own (``source >> BatchBy(100) >> sink``) or as the
    ``batch`` setting of a sink.

    Attributes:
        max_events: events in a batch at most; default 512.
        max_bytes: bytes in a batch at most, as told by ``size``; None for no bound. A
            single larger event travels alone.
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
        sizes = list(map(self._size, events))
        total = self._bytes + sum(sizes)  # what is no number fails before all else
        if total < limit and len(self._held) + len(events) < self.settings.max_events:
            self._held += events
            self._bytes = total
            return released
        for event, size in zip(events, sizes, strict=True):
            if self._held and self._bytes + size > limit:
                released.append(self._take())
            self._held.append(event)
            self._bytes += size
            if len(self._held) >= self.settings.max_events or self._bytes >= limit:
                released.append(self._take())
        return released

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
