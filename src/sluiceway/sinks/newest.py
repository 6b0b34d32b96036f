"""Which updates of an alert still have to be sent.

Law: pure. An update is superseded by a later one of the same alert while it waits for
another try, or while the receiver wants to be left alone; otherwise each is sent, and
never after a later one.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from attrs import define

from ..events import Alert


@define(eq=False)
class Update:
    """An update that was not sent yet.

    Attributes:
        key: the alert that it is of; None for one of its own.
        waits: whether it failed and waits for another try.
        superseded: whether it need not be sent.
    """

    key: Hashable | None
    waits: bool = False
    superseded: bool = False


class Newest:
    """Knows the newest update of each alert, until it is sent or given up."""

    def __init__(self) -> None:
        self._newest: dict[Hashable, Update] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def __repr__(self) -> str:
        return f"<Newest of {len(self)} alerts>"

    def begin(self, key: Hashable | None, *, limited: bool) -> Update:
        """An update that is to be sent.

        Args:
            key: the alert that it is of; None for one of its own.
            limited: whether the receiver wants to be left alone.
        """
        update = Update(key)
        if key is not None:
            before = self._newest.get(key)
            if before is not None and (limited or before.waits):
                before.superseded = True
            self._newest[key] = update
        return update

    def postpone(self, update: Update) -> bool:
        """It was not sent and would be tried again; False if that is not needed."""
        update.waits = True
        if update.key is not None and self._newest.get(update.key) is not update:
            update.superseded = True
        return not update.superseded

    def end(self, update: Update) -> None:
        """It was sent, refused, superseded or given up."""
        if self._newest.get(update.key) is update:
            del self._newest[update.key]


def alert_key(event: Any) -> Hashable | None:
    """What tells an alert from others; None for what is no alert."""
    if not isinstance(event, Alert):
        return None
    return event.name, frozenset(event.labels.items())
