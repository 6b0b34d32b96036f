"""Filter: keep the events for which a predicate is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..calls import keep_each
from ..errors import ConfigurationError
from ..functions import is_plain
from ..stages import Processed, Processor

T = TypeVar("T")


class Filter(Processor[T, T]):
    """Keeps the events for which ``predicate(event)`` is true; the others are filtered.

    A predicate that raises rejects that event only.

    Args:
        predicate: a plain function of one event, which must not change it.
        name: its name in the graph.

    Raises:
        ConfigurationError: the predicate is no function, or an ``async`` one.
    """

    stateful = False
    mutates = False

    def __init__(
        self, predicate: Callable[[T], object], *, name: str | None = None
    ) -> None:
        if not is_plain(predicate):
            raise ConfigurationError(
                f"Filter.predicate is {predicate!r}; expected a plain function of one "
                "event (use an async @processor that returns [] to wait for something)"
            )
        self.name = name
        self._predicate = predicate

    def process(self, events: list[T]) -> list[T]:
        """The events that the predicate likes."""
        kept, failed = keep_each(self._predicate, events)
        if not failed:
            return kept
        filtered = len(events) - len(kept) - len(failed)
        return Processed(kept, filtered=filtered, failed=failed)

    def __repr__(self) -> str:
        return f"<Filter {getattr(self._predicate, '__qualname__', self._predicate)}>"
