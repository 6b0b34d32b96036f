"""Pages are rendered beside the event loop once they are long enough to be felt."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TypeVar

from .threads import beside_loop

Rendered = TypeVar("Rendered")
FEW_POINTS = 100  # render in some 10 ms at most, as long as they have few buckets


async def rendered(points: Sized, render: Callable[[], Rendered]) -> Rendered:
    """What ``render()`` returns; on a thread if there are many points."""
    if len(points) <= FEW_POINTS:
        return render()
    return await beside_loop(render)
