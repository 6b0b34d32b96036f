"""Which updates of an alert still have to be sent.

Law: pure. An update is superseded by a later one of the same alert while it waits for
another try, or while the receiver wants to be left alone; otherwise each is sent, and
never after a later one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

from attrs import define

from ..events import Alert

MOST: Final = 16_384  # updates that are known at a time


@define
class Update:
    """An update that was not sent yet.

    Attributes:
        event: the very object, held so that no other can be mistaken for it.
        key: the alert that it is of; None for one of its own.
        waits: whether it failed and waits for another try.
        superseded: whether it need not be sent.
    """

    event: Any
    key: Hashable | None
    waits: bool = False
    superseded: bool = False


class Newest:
    """Knows the updates that wait.

    Args:
        key: tells which alert an event is an update of; None for none.
        most: updates to know at most; the oldest were given up and are forgotten.
    """

    def __init__(self, key: Callable[[Any], Hashable | None], most: int = MOST) -> None:
        self._key = key
        self._most = most
        self._updates: OrderedDict[int, Update] = OrderedDict()
        self._newest: dict[Hashable, Update] = {}

    def __len__(self) -> int:
        return len(self._updates)

    def __repr__(self) -> str:
        return f"<Newest of {len(self)} updates>"

    def begin(self, event: Any, *, limited: bool) -> None:
        """An event is to be sent, or to be tried again.

        Args:
            event: the very object, at each try.
            limited: whether the receiver wants to be left alone.
        """
        if id(event) in self._updates:
            return
        update = Update(event, self._key(event))
        self._updates[id(event)] = update
        if update.key is not None:
            before = self._newest.get(update.key)
            if before is not None and (limited or before.waits):
                before.superseded = True
            self._newest[update.key] = update
        if len(self._updates) > self._most:
            self.end(next(iter(self._updates.values())).event)

    def is_superseded(self, event: Any) -> bool:
        """Whether a later update is sent instead."""
        update = self._updates.get(id(event))
        return update is not None and update.superseded

    def postpone(self, event: Any) -> bool:
        """It was not sent and would be tried again; False if that is not needed."""
        update = self._updates.get(id(event))
        if update is None:
            return True
        update.waits = True
        if update.key is not None and self._newest.get(update.key) is not update:
            update.superseded = True
        return not update.superseded

    def end(self, event: Any) -> None:
        """It was sent, refused or superseded."""
        update = self._updates.pop(id(event), None)
        if update is not None and self._newest.get(update.key) is update:
            del self._newest[update.key]


def alert_key(event: Any) -> Hashable | None:
    """What tells an alert from others; None for what is no alert."""
    if not isinstance(event, Alert):
        return None
    return event.name, frozenset(event.labels.items())
