"""MetricsSource: collects every instrument, at an interval and a last time at the end.

Law: what was measured before a flush or a stop is in a collection that was handed over
before it returns. Neither callbacks nor many series keep the event loop waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from ..clock import Clock
from ..events import MetricPoint
from ..stages import Send, Source, StageContext
from .asking import Asker
from .observables import Answers, Observable

Collect = Callable[[Mapping[Observable, Answers]], Iterator[MetricPoint]]

LONGEST_TURN = 0.005  # seconds of collecting before others on the loop get a turn
LOOK = 64  # points between two looks at the clock
LONGEST_ANSWER = 5.0  # seconds for the callbacks of one instrument


class MetricsSource(Source[MetricPoint]):
    """The source of a ``Telemetry``'s metrics.

    Args:
        observables: the instruments to be asked.
        collect: all points as of now, with what the instruments have answered.
        interval: seconds between two collections.
        clock: tells the interval; a pipeline that opens the source brings its own.
        start_afresh: what a forked child must forget.
    """

    def __init__(
        self,
        observables: Callable[[], Iterable[Observable]],
        collect: Collect,
        *,
        interval: float,
        clock: Clock,
        start_afresh: Callable[[], None],
    ) -> None:
        self.name = "metrics"
        self.interval = interval
        self._observables = observables
        self._collect = collect
        self._asker = Asker(min(LONGEST_ANSWER, interval / 2))
        self._clock = clock
        self._start_afresh = start_afresh
        self._reset()

    def _reset(self) -> None:
        self._running = False
        self._stopping = False
        self._begun = 0  # collections
        self._alarm: asyncio.Future[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock."""
        self._clock = context.clock

    async def run(self, send: Send[MetricPoint]) -> None:
        """Collect at the interval; once more when asked to stop, and return."""
        self._running = True
        try:
            stopping = False
            while not stopping:
                await self._wait()
                stopping = self._stopping
                await self._hand_over(send)
        finally:
            self._running = False
            self._stopping = False
            self._wake(None)

    async def _hand_over(self, send: Send[MetricPoint]) -> None:
        self._begun += 1
        number = self._begun
        points = await self._gather()
        if points:
            await send(points)
        self._wake(number)

    async def _gather(self) -> list[MetricPoint]:
        """All points as of now, with a turn for others every few milliseconds."""
        answers = await self._asker.ask(self._observables())
        points: list[MetricPoint] = []
        end = self._clock.now() + LONGEST_TURN
        for point in self._collect(answers):
            points.append(point)
            if len(points) % LOOK == 0 and self._clock.now() >= end:
                await asyncio.sleep(0)
                end = self._clock.now() + LONGEST_TURN
        return points

    async def _wait(self) -> None:
        """Wait for the interval to pass, a flush or a stop."""
        if self._stopping or self._waiting:
            return
        self._alarm = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now() + self.interval, self._ring)
        try:
            await self._alarm
        finally:
            timer.cancel()
            self._alarm = None

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def _wake(self, number: int | None) -> None:
        """Let those go on who waited for this collection; None is all of them."""
        still_waiting = []
        for goal, waiter in self._waiting:
            if number is not None and goal > number:
                still_waiting.append((goal, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._waiting = still_waiting

    def stop(self) -> bool:
        """Collect a last time; ``run`` then returns by itself."""
        self._stopping = True
        self._ring()
        return True

    async def flush(self) -> None:
        """Collect now; returns once that has been handed over."""
        if not self._running:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((self._begun + 1, waiter))
        self._ring()
        await waiter

    def after_fork(self) -> None:
        """Start afresh: the parent sends what it has measured."""
        self._reset()
        self._start_afresh()
