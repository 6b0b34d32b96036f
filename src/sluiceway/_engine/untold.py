"""Untold: ends that are booked and of which nobody has heard yet.

Law: who hears of an end may look at the books, so that it is told when they agree.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


class Untold:
    """What is to be told once the books agree again."""

    __slots__ = ("_tells",)

    def __init__(self) -> None:
        self._tells: list[Callable[[], object]] = []

    def add(self, settle: Callable[..., object], *told: Any) -> None:
        """Call ``settle(*told)`` then."""
        self._tells.append(partial(settle, *told))

    def tell(self) -> None:
        """The books agree."""
        if self._tells:
            tells, self._tells = self._tells, []
            for tell in tells:
                tell()
