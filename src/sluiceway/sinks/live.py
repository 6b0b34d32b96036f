"""Live: what a scrape shows as of now, beside what was collected before.

Law: a scrape waits a bounded time, and looks once at a time: what hangs costs only how
young the page is.
"""

from __future__ import annotations

import asyncio
from logging import getLogger
from typing import Final, Protocol

from ..beside import started
from ..errors import ConfigurationError
from ..events import MetricPoint

LONGEST_LOOK: Final = 2.0  # seconds
CUMULATIVE: Final = "cumulative"


class Collected(Protocol):
    """Whose metrics may be asked for: a ``Telemetry``."""

    def collect(self) -> list[MetricPoint]:
        """All points as of now."""
        ...


class Live:
    """Asks one who may hang for its metrics.

    Args:
        collected: whom; None for nobody. One with delta sums is not asked, as what it
            tells a scrape it would tell nobody else.
        owner: whose setting it is, for errors.
        longest: seconds that a scrape waits for the answer.

    Raises:
        ConfigurationError: it cannot be asked.
    """

    def __init__(
        self, collected: Collected | None, owner: str, longest: float = LONGEST_LOOK
    ) -> None:
        if collected is not None and not callable(getattr(collected, "collect", None)):
            raise ConfigurationError(
                f"{owner} is {collected!r}; expected a Telemetry or None"
            )
        sums = getattr(collected, "temporality", CUMULATIVE)
        self._collected = collected if sums == CUMULATIVE else None
        self._longest = longest
        self._complained = False
        self._looking: asyncio.Future[list[MetricPoint]] | None = None
        if sums != CUMULATIVE:
            getLogger(__name__).warning(
                "%s has sums that are %s, which a scrape would take away from others; "
                "the page shows the latest export",
                collected,
                sums,
            )

    async def points(self) -> list[MetricPoint]:
        """The points as of now; none where they cannot be had in time."""
        looking = self._look()
        if looking is None:
            return []
        done, _ = await asyncio.wait({looking}, timeout=self._longest)
        return self._found(looking) if done else []

    def _look(self) -> asyncio.Future[list[MetricPoint]] | None:
        """The look that has begun, or a new one; None for none."""
        known = self._looking
        if known is not None and known.get_loop() is asyncio.get_running_loop():
            return known
        if self._collected is None:
            return None
        try:
            self._looking = started(self._collected.collect, "sluiceway-scrape")
        except RuntimeError:  # no thread can be had: the program ends
            return None
        return self._looking

    def _found(self, looking: asyncio.Future[list[MetricPoint]]) -> list[MetricPoint]:
        if self._looking is looking:
            self._looking = None
        error = looking.exception()
        if error is None:
            return looking.result()
        if not self._complained:
            self._complained = True
            getLogger(__name__).warning(
                "metrics cannot be collected for a scrape: %r; it shows the latest "
                "export",
                error,
            )
        return []
