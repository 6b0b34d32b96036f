"""Watching a pipeline: a moment for the screen, again and again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from ...clock import SYSTEM_CLOCK
from ...pipeline import Pipeline
from ...reports import StageStatistics
from .figures import figures_of
from .screen import Moment, Screen
from .traffic import Traffic

SPAN_OF_RATES: Final = 1.0  # seconds that a rate is taken over
Snapshot = tuple[float, Sequence[StageStatistics]]


class Watch:
    """Shows the pipeline on the screen while the block runs.

    A screen that fails, such as a pipe whose reader has gone, ends the traffic; the
    failure is raised once the block has ended.

    Args:
        screen: where to show it.
        pipeline: what to look at.
        traffic: the customers.
    """

    def __init__(self, screen: Screen, pipeline: Pipeline, traffic: Traffic) -> None:
        self._screen = screen
        self._pipeline = pipeline
        self._traffic = traffic
        self._snapshots: deque[Snapshot] = deque()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._screen.open()
        self._look()
        self._task = asyncio.get_running_loop().create_task(self._watch())
        self._task.add_done_callback(lambda _: self._traffic.end())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        self._screen.close()
        if error is None and not self._task.cancelled():
            self._task.result()

    async def _watch(self) -> None:
        while True:
            await SYSTEM_CLOCK.sleep(self._screen.interval)
            self._screen.show(self._moment())

    def _look(self) -> Snapshot:
        """A snapshot, remembered for as long as rates are taken over."""
        now = SYSTEM_CLOCK.now()
        while len(self._snapshots) > 1 and now - self._snapshots[1][0] >= SPAN_OF_RATES:
            self._snapshots.popleft()
        self._snapshots.append((now, self._pipeline.statistics()))
        return self._snapshots[-1]

    def _moment(self) -> Moment:
        now, stages = self._look()
        begin, before = self._snapshots[0]
        traffic = self._traffic
        return Moment(
            open=not traffic.over,
            elapsed=traffic.elapsed,
            duration=traffic.duration,
            requests=traffic.requests,
            slow=traffic.slow,
            failed=traffic.failed,
            stages=figures_of(before, stages, now - begin),
        )
