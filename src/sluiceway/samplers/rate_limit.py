"""RateLimitSampler: so many events a second, and a burst.

Law: in any window of ``w`` seconds at most ``burst + per_second * w`` events are kept.
The bucket is told the time; a clock that goes back earns nothing.
"""

from __future__ import annotations

from typing import TypeVar

from attrs import define, field, setters

from ..settings import number
from ..stages import Sampler

T = TypeVar("T")


@define(eq=False, slots=False)
class RateLimitSampler(Sampler[T]):
    """Keeps the first events of each moment, up to a rate: a token bucket.

    It decides by time and not by trace: it may keep a part of a trace, and the ``th``
    of a span that it leaves out is lost to whoever counts by adjusted counts.

    Args:
        per_second: events that a second earns; 0 keeps the first burst only.
        burst: events that can be kept at once, at least 1; by default one second's
            worth.
        name: its name in the graph.

    Raises:
        ConfigurationError: a rate or burst that is not a number in range.
    """

    takes_notes = True
    takes_encoded = True

    per_second: float = field(validator=number(0, 1e12), on_setattr=setters.frozen)
    burst: float | None = field(
        default=None,
        validator=number(1, 1e12, optional=True),
        on_setattr=setters.frozen,
    )
    name: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        burst = max(1.0, self.per_second) if self.burst is None else self.burst
        self._most = float(burst)
        self._tokens = self._most
        self._latest: float | None = None

    def sample(self, events: list[T], now: float) -> list[T]:
        """The first of the events, as many as the bucket has tokens for."""
        if self._latest is None:
            self._latest = now
        elif now > self._latest:
            earned = self.per_second * (now - self._latest)
            self._tokens = min(self._most, self._tokens + earned)
            self._latest = now
        kept = events[: int(self._tokens)]
        self._tokens -= len(kept)
        return kept
