"""Meter: end-to-end latencies of a load, in an HDR histogram.

Law: every event that was due counts, from when it was due: one that was sent until it
was answered for; one that was never sent, or was cut off on its way, until the end.
Events that were lost otherwise have no latency.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, Final

from attrs import frozen

from ..clock import Clock
from ..delivery import Delivery, Outcome
from ..errors import ConfigurationError

LONGEST: Final = 3_600_000_000  # microseconds
DIGITS: Final = 3
TOGETHER: Final = 0.01  # seconds in which the parts of one gathered batch arrive
STEPS: Final = 10  # in which the latencies of a batch are spread from first to last
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)
CURVE: Final = (0.0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100)


@frozen
class Percentiles:
    """How long events took, from when they were due.

    Attributes:
        count: how many events.
        mean: seconds.
        at: seconds by percentile, of those in ``CURVE``.
    """

    count: int
    mean: float
    at: dict[float, float]

    def __getitem__(self, percentile: float) -> float:
        return self.at[percentile]


def new_histogram() -> Any:
    """An HDR histogram of microseconds up to an hour, to three digits.

    Raises:
        ConfigurationError: the library is not installed.
    """
    try:
        library = import_module("hdrh.histogram")
    except ImportError as error:
        raise ConfigurationError(
            "measuring latencies needs the library hdrhistogram; "
            "pip install 'sluiceway[bench]'"
        ) from error
    return library.HdrHistogram(1, LONGEST, DIGITS)


class Meter:
    """Follows the events of a load to their end.

    Args:
        clock: the pipeline's.
        warm_up: seconds from ``begin`` on; what was due in them has no latency, what
            arrived in them does not count for the throughput.
        steady: whether events come evenly. Then what arrives first after the warm-up,
            within ``TOGETHER``, begins the time of the throughput and is no part of it,
            since it was gathered before; of bursts nothing can be left out.
    """

    def __init__(
        self, clock: Clock, warm_up: float = 0.0, *, steady: bool = True
    ) -> None:
        self._clock = clock
        self._warm_up = warm_up
        self._anchored = steady and warm_up > 0
        self._first: float | None = None  # when something arrived
        self._since, self._gathered = 0.0, 0  # when that had ended, and how much it was
        self._from = clock.now() + warm_up
        self._latencies = new_histogram()
        self._arrived = 0
        self._last = 0.0
        self.cut_off = False  # what is lost from now on would have come later
        self.events_sent = 0
        self.events_unsent = 0
        self.events_answered = 0
        self.events_arrived = 0

    def begin(self) -> None:
        """The load begins now."""
        self._from = self._clock.now() + self._warm_up

    def sent(self, delivery: Delivery, first: float, last: float, count: int) -> None:
        """Follow a batch that was handed over."""
        self.events_sent += count
        delivery.add_callback(partial(self._answered, first, last, count))

    def unsent(self, first: float, last: float, count: int) -> None:
        """Count what was due and never sent, as late as it is by now."""
        self.events_unsent += count
        now = self._clock.now()
        self._record(now - first, now - last, count)

    def _answered(
        self, first: float, last: float, count: int, outcome: Outcome
    ) -> None:
        now = self._clock.now()
        self.events_answered += count
        lost = outcome.dropped + outcome.errored + outcome.rejected
        arrived = count
        if lost:  # copies of an event count several times in an outcome
            arrived = count * outcome.delivered // (outcome.delivered + lost)
        self.events_arrived += arrived
        if arrived and now >= self._from:
            self._last = now
            self._arrived += arrived
            if self._first is None:
                self._first = now
            if now - self._first <= TOGETHER:
                self._since = now
                self._gathered += arrived
        if first >= self._from:
            self._record(now - first, now - last, count if self.cut_off else arrived)

    def _record(self, longest: float, shortest: float, count: int) -> None:
        """Spread a batch's latencies evenly over so many steps."""
        if not count:
            return
        steps = min(STEPS, count) if longest > shortest else 1
        gap = (longest - shortest) / steps
        for step in range(steps):
            part = count * (step + 1) // steps - count * step // steps
            if part:
                micros = round((longest - gap * step) * 1e6)
                self._latencies.record_value(max(1, min(micros, LONGEST)), part)

    @property
    def throughput(self) -> float:
        """Events that arrived per second, from the warm-up to the last of them."""
        seconds, arrived = self._last - self._from, self._arrived
        since_first = self._last - self._since
        if self._anchored and since_first > seconds / 2:  # of less it would be a guess
            seconds, arrived = since_first, arrived - self._gathered
        return arrived / seconds if arrived and seconds > 0 else 0.0

    def percentiles(self) -> Percentiles:
        """The latencies up to now."""
        latencies = self._latencies
        count = int(latencies.get_total_count())
        at = dict.fromkeys((*CURVE, *PERCENTILES), 0.0)
        if not count:
            return Percentiles(0, 0.0, at)
        for percentile in at:
            at[percentile] = latencies.get_value_at_percentile(percentile) / 1e6
        return Percentiles(count, latencies.get_mean_value() / 1e6, at)
