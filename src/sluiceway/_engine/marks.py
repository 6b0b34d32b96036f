"""Mark: a flush on its way through the queues.

Law: a mark follows the batches that were there before it and makes every stage let go
of what it holds; when each of its copies has reached an end, the flush is done.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Final


class End(enum.Enum):
    """What a queue gives once its producers have finished and it is empty."""

    OF_INPUT = "end of input"


END: Final = End.OF_INPUT


class Mark:
    """One flush. It counts its copies on their ways.

    Args:
        done: resolved when the last copy has arrived.
    """

    __slots__ = ("_copies", "_done")

    def __init__(self, done: asyncio.Future[None]) -> None:
        self._copies = 1
        self._done = done

    def split(self, ways: int) -> None:
        """This copy goes on as ``ways`` copies."""
        self._copies += ways - 1

    def arrive(self) -> None:
        """One copy has reached its end."""
        self._copies -= 1
        if self._copies == 0 and not self._done.done():
            self._done.set_result(None)
