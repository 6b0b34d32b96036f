"""HealthSource: runs health checks, each on its interval, and sends what they found.

Law: no check waits for another one, nor for the pipeline: while that is full, results
gather in a bounded outbox, and how all stand is told from the latest results.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from ..clock import SYSTEM_CLOCK
from ..events import HealthCheck
from ..health.board import HealthBoard
from ..health.checks import Check, first_turns, turn_after
from ..health.outcomes import Ending
from ..health.pipelines import PipelineCheck
from ..health.reports import HealthReport
from ..inlet import wake
from ..settings import Port
from ..stages import Send, Source, StageContext
from .health_pages import HealthPages
from .health_runs import CheckRuns, let_go
from .probes import HttpCheck, TcpCheck

ROOM: Final = 1000  # events that wait for the pipeline


class HealthSource(Source[HealthCheck]):
    """Runs checks at their intervals and sends a ``HealthCheck`` for each result.

    An ``async def`` runs on the pipeline's loop, which it must not block; a ``def`` on
    a daemon thread, one at most for each check. First runs are spread over a second;
    the following ones keep exactly to their intervals, and turns that were missed are
    left out. A run that does not end in time is cancelled, or left behind if it cannot
    be; it counts as failed, as does each turn at which it still hangs. A stop does not
    wait for checks.

    ``report()`` says how all stand: ``Pages(pipeline, health=source)`` shows it at
    ``/readyz``, and so does a ``port`` where no web application is. Where a result
    changes what is said of another check, because that depends on this one, an event is
    sent for each of the two.

    Args:
        checks: at least one, each with a name of its own.
        only_changes: send an event only where a status has changed; default False.
        port: serves ``/healthz`` and ``/readyz`` there, 0 picks a free one, see the
            attribute ``port``; None (default) opens none.
        host: the address to listen on; default ``"127.0.0.1"``, this machine only.
        name: the stage's name.

    Raises:
        ConfigurationError: the checks do not fit together, or a port that cannot be.
    """

    def __init__(
        self,
        checks: Sequence[Check | HttpCheck | TcpCheck | PipelineCheck],
        *,
        only_changes: bool = False,
        port: Port | None = None,
        host: str = "127.0.0.1",
        name: str | None = None,
    ) -> None:
        self.name = name
        self._board = HealthBoard(checks, owner="HealthSource.checks")
        self._only_changes = only_changes
        self._pages = HealthPages(self, host, port)
        self._clock = SYSTEM_CLOCK
        self._reset()

    def _reset(self) -> None:
        self._runs = [CheckRuns(check) for check in self._board.checks.values()]
        self._outbox: deque[HealthCheck] = deque()
        self._overflowed = 0
        self._running = self._stopping = False
        self._taken = self._handed_over = 0
        self._alarm: asyncio.Future[None] | None = None
        self._flushes: list[asyncio.Future[None]] = []
        self._tending: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        count = len(self._runs)
        return f"<HealthSource checks={count} {self.report().status.value}>"

    @property
    def port(self) -> int | None:
        """The port that is listened on; before ``open`` the one that was asked for."""
        return self._pages.port

    def report(self) -> HealthReport:
        """How all checks stand by their latest results, from any thread."""
        return self._board.report(self._clock.now())

    def counts(self) -> Mapping[str, Mapping[Ending, int]]:
        """How many runs of each check ended in which way."""
        return self._board.counts()

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock, the pipeline for checks of it, and the port.

        Raises:
            ConfigurationError: the port cannot be had.
        """
        self._clock = context.clock
        for runs in self._runs:
            runs.ask_in(context.pipeline)
        await self._pages.open(context)

    async def close(self) -> None:
        """Let the port go."""
        await self._pages.close()

    async def run(self, send: Send[HealthCheck]) -> None:
        """Run the checks and send what they found, until asked to stop."""
        self._running = True
        self._handed_over = self._taken - len(self._outbox)
        checks = [runs.check for runs in self._runs]
        turns = first_turns(checks, self._clock.now())
        try:
            async with asyncio.TaskGroup() as group:
                self._tending = [
                    group.create_task(self._tend(runs, turn))
                    for runs, turn in zip(self._runs, turns, strict=True)
                ]
                if self._stopping:
                    self.stop()
                await self._hand_over(send)
        finally:
            self._running = self._stopping = False
            self._tending = []
            self._tell_flushes()
            await let_go(self._runs)

    async def _tend(self, runs: CheckRuns, first: float) -> None:
        """Run one check, turn by turn."""
        clock, interval, turn = self._clock, runs.check.interval, first
        while True:
            await clock.sleep(turn - clock.now())
            outcome, seconds = await runs.take_turn(clock)
            now = clock.now()
            recorded = self._board.record(
                runs.check.name,
                outcome,
                now=now,
                time_ns=clock.time_ns(),
                duration=seconds,
            )
            self._take(recorded.changed if self._only_changes else recorded.events)
            # A timer may ring a little early: the turn that was taken is over.
            turn = turn_after(first, interval, max(now, turn))

    def _take(self, events: Sequence[HealthCheck]) -> None:
        for event in events:
            if len(self._outbox) >= ROOM:
                self._outbox.popleft()
                self._overflowed += 1
                self._handed_over += 1
            self._outbox.append(event)
            self._taken += 1
        self._ring()

    async def _hand_over(self, send: Send[HealthCheck]) -> None:
        """Send what is in the outbox, and what comes in, until asked to stop."""
        while True:
            events, self._outbox = [*self._outbox], deque()
            if events:
                await send(events)
                self._handed_over += len(events)
                self._tell_flushes()
            elif self._stopping:
                return
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        self._alarm = asyncio.get_running_loop().create_future()
        await self._alarm

    def _ring(self) -> None:
        if self._alarm is not None:
            wake(self._alarm)

    def stop(self) -> bool:
        """Run no more checks; ``run`` hands over what they found and returns."""
        self._stopping = True
        for task in self._tending:
            task.cancel()
        self._ring()
        return True

    async def flush(self) -> None:
        """Return once what was found before this call has been handed over."""
        goal = self._taken
        while self._running and self._handed_over < goal:
            waiter = asyncio.get_running_loop().create_future()
            self._flushes.append(waiter)
            await waiter

    def _tell_flushes(self) -> None:
        flushes, self._flushes = self._flushes, []
        for waiter in flushes:
            wake(waiter)

    def held(self) -> int:
        """Events that wait for the pipeline."""
        return len(self._outbox)

    def refused(self) -> Mapping[str, int]:
        """Events that gave way to later ones while the pipeline was full."""
        return {"queue_full": self._overflowed} if self._overflowed else {}

    def discard(self) -> int:
        """Give up what waits for the pipeline; how much it was."""
        count = len(self._outbox)
        self._outbox.clear()
        return count

    def after_fork(self) -> None:
        """Start afresh: the checks that run are the parent's."""
        self._board.reset()
        self._pages.abandon()
        self._reset()
