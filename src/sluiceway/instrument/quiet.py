"""QuietInlet: an inlet of telemetry whose delivery makes no further telemetry."""

from __future__ import annotations

from typing import TypeVar

from ..inlet import Inlet
from .context import suppress_instrumentation

T = TypeVar("T")


class QuietInlet(Inlet[T]):
    """Tells instrumentations not to see the work on its events.

    Args:
        name: of this source of each ``Telemetry``.
        capacity: as of every inlet.
    """

    def __init__(self, name: str, *, capacity: int) -> None:
        super().__init__(name, capacity=capacity)
        self.usual_name = name

    def mark_work(self) -> None:
        """An instrumented client makes no span of a request that delivers spans."""
        suppress_instrumentation()
