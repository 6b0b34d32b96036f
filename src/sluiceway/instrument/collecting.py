"""MetricsSource: collects every instrument, at an interval and a last time at the end.

Law: neither callbacks nor many series keep the event loop waiting, and no callback
keeps others' values from being delivered. Whoever watches the loop does so while the
source runs.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from logging import getLogger
from typing import Protocol

from opentelemetry.metrics import CallbackOptions

from ..clock import Clock
from ..events import MetricPoint
from ..sources.asking import Asker, Question
from ..sources.interval import IntervalSource
from ..stages import Send
from .context import suppress_instrumentation
from .observables import Answers, Observable

Collect = Callable[[Mapping[Observable, Answers]], Iterator[MetricPoint]]

LONGEST_TURN = 0.005  # seconds of collecting before others on the loop get a turn
LOOK = 64  # points between two looks at the clock
LONGEST_ANSWER = 5.0  # seconds for the callbacks of all instruments


class Watcher(Protocol):
    """Watches an event loop."""

    def begin(self, loop: AbstractEventLoop) -> None:
        """Watch the loop, which calls this, from now on."""

    def end(self) -> None:
        """Watch it no more."""

    def after_fork(self) -> None:
        """Forget the loop: it is the parent's."""


class MetricsSource(IntervalSource[MetricPoint]):
    """The source of a ``Telemetry``'s metrics.

    Args:
        observables: the instruments to be asked.
        collect: all points as of now, with what the instruments have answered.
        interval: seconds between two collections.
        clock: tells the interval; a pipeline that opens the source brings its own.
        preview: a point for each metric, without asking anybody.
        start_afresh: what a forked child must forget.
    """

    def __init__(
        self,
        observables: Callable[[], Iterable[Observable]],
        collect: Collect,
        *,
        interval: float,
        clock: Clock,
        preview: Callable[[], list[MetricPoint]],
        start_afresh: Callable[[], None],
    ) -> None:
        super().__init__("metrics", interval, clock)
        self.usual_name = self.name
        self._observables = observables
        self._collect = collect
        self._asker: Asker[Observable, Answers] = Asker(
            "sluiceway-observe", min(LONGEST_ANSWER, interval / 2)
        )
        self._gathered: list[MetricPoint] = []
        self._coming: Iterator[MetricPoint] | None = None
        self._preview = preview
        self._start_afresh = start_afresh
        self._loop: AbstractEventLoop | None = None
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Let this, too, watch the event loop while the source runs."""
        if watcher in self._watchers:
            return
        self._watchers.append(watcher)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(watcher.begin, self._loop)

    def mark_work(self) -> None:
        """An instrumented client measures no request that delivers metrics."""
        suppress_instrumentation()

    async def run(self, send: Send[MetricPoint]) -> None:
        """Collect at the interval, with the event loop watched."""
        self._loop = asyncio.get_running_loop()
        try:
            for watcher in self._watchers:
                watcher.begin(self._loop)
            await super().run(send)
        finally:
            self._loop = None
            for watcher in self._watchers:
                watcher.end()

    async def gather(self) -> list[MetricPoint]:
        """All points as of now, with a turn for others every few milliseconds."""
        self._gathered, self._coming = [], None
        answers = await self._answers()
        points = self._gathered
        self._coming = self._collect(answers)
        end = self._clock.now() + LONGEST_TURN
        for point in self._coming:
            points.append(point)
            if len(points) % LOOK == 0 and self._clock.now() >= end:
                await asyncio.sleep(0)
                end = self._clock.now() + LONGEST_TURN
        return points

    async def _answers(self) -> dict[Observable, Answers]:
        options = CallbackOptions(self._asker.timeout * 1000)
        questions = {
            observable: Question(
                f"the callbacks of {observable.description.name}",
                partial(observable.answers, options),
            )
            for observable in self._observables()
        }
        told = await self._asker.ask(questions, getLogger(__name__), self._patience)
        return {each: told.get(each, Answers(complete=False)) for each in questions}

    def gather_at_once(self) -> list[MetricPoint]:
        """The points that need no callback."""
        if self._coming is None:
            unanswered = Answers(complete=False)
            answers = dict.fromkeys(self._observables(), unanswered)
            self._coming = self._collect(answers)
        return [*self._gathered, *self._coming]

    def preview(self) -> list[MetricPoint]:
        """A point without a measurement for each metric that there is by now."""
        return self._preview()

    def after_fork(self) -> None:
        """Start afresh: the parent sends what it has measured."""
        super().after_fork()
        self._asker.after_fork()
        self._loop = None
        for watcher in self._watchers:
            watcher.after_fork()
        self._start_afresh()
