"""HealthTurns: the runs of health checks, in their turns and when somebody asks.

Law: a check never runs twice at a time: who asks while it runs gets the same answer. No
run keeps another one, or the pipeline, waiting; and nobody who asks waits longer than
its time-out and a moment, whatever the function does.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from attrs import Factory, define, field, frozen

from sluiceway import Clock, HealthCheck, Send, Source, StageContext
from sluiceway.health import Check, CheckRuns, Outcome

from .health_functions import running_loop
from .health_reports import unanswered
from .models import CLOCK, FlextHealthCheck

T = TypeVar("T")

A_MOMENT: Final = 0.5  # seconds that a busy loop, or a run at its end, has
LATE: Final = "no answer in time: the event loop that runs the check is blocked"
STOPPED: Final = "the backend was stopped meanwhile"
OWN_THREAD: Final = "the pipeline's own thread cannot wait for a check; await it"


@define(eq=False)
class Registered:
    """A check that is there.

    Attributes:
        check: what it is.
        repeats: whether it has turns.
        runs: what runs it.
        run: the run that is under way, or the latest.
    """

    check: Check
    repeats: bool = True
    runs: CheckRuns = field(
        default=Factory(lambda self: CheckRuns(self.check), takes_self=True)
    )
    run: asyncio.Task[FlextHealthCheck] | None = None

    @property
    def under_way(self) -> asyncio.Task[FlextHealthCheck] | None:
        """The run that is."""
        return self.run if self.run is not None and not self.run.done() else None

    def after_fork(self) -> None:
        """What runs is the parent's."""
        self.run, self.runs = None, CheckRuns(self.check)


Recorder = Callable[[Registered, Outcome, float], FlextHealthCheck]


@frozen
class Asked:
    """Runs that somebody has asked for.

    Attributes:
        checks: which.
        answers: what will come of them.
        loop: where they run.
    """

    checks: Sequence[Registered]
    answers: Future[list[FlextHealthCheck]]
    loop: AbstractEventLoop | None

    @property
    def seconds(self) -> float:
        """How long they are waited for at most."""
        return max((each.check.timeout for each in self.checks), default=0.0) + A_MOMENT

    def wait(self) -> list[FlextHealthCheck]:
        """The answers, for who has no event loop."""
        if self.loop is not None and running_loop() is self.loop:
            return self._none(OWN_THREAD)
        try:
            return self.answers.result(self.seconds)
        except (CancelledError, TimeoutError) as error:
            return self._none(LATE if isinstance(error, TimeoutError) else STOPPED)

    async def awaited(self) -> list[FlextHealthCheck]:
        """The answers, on whichever loop."""
        answers = asyncio.wrap_future(self.answers)
        try:
            await asyncio.wait({answers}, timeout=self.seconds)
            if not answers.done():
                return self._none(LATE)
            return self._none(STOPPED) if answers.cancelled() else answers.result()
        finally:
            answers.cancel()  # nothing is told to a loop that may be closed by then

    def _none(self, why: str) -> list[FlextHealthCheck]:
        self.answers.cancel()
        return [unanswered(each.check.name, why) for each in self.checks]


class HealthTurns(Source[HealthCheck]):
    """Runs checks on the pipeline's loop; what they find goes where it is recorded.

    Args:
        repeating: the checks that have turns now.
        record: takes what a run found.
        name: the stage's name.
    """

    def __init__(
        self,
        repeating: Callable[[], Sequence[Registered]],
        record: Recorder,
        name: str = "checks",
    ) -> None:
        self.name = name
        self.clock: Clock = CLOCK
        self._repeating = repeating
        self._record = record
        self.after_fork()

    def after_fork(self) -> None:
        """The loop is the parent's."""
        self.loop: AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._begun = False
        self._runs: set[asyncio.Task[FlextHealthCheck]] = set()

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock, and its loop."""
        self.clock = context.clock
        self.loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Run nothing any more."""
        self.loop, self._begun = None, False

    def begin(self) -> None:
        """Turns may come: a check may use the backend, which runs by now."""
        self._begun = True
        self.look()

    def look(self) -> None:
        """Checks came or went; from any thread."""
        loop = self.loop
        if loop is not None:
            with suppress(RuntimeError):  # it has been closed meanwhile
                loop.call_soon_threadsafe(self._changed.set)

    async def run(self, send: Send[HealthCheck]) -> None:  # noqa: ARG002 - see Recorder
        """Give the checks their turns, until cancelled."""
        turns: dict[Registered, asyncio.Task[None]] = {}
        try:
            while True:
                if self._begun:
                    self._follow(turns)
                await self._changed.wait()
                self._changed.clear()
        finally:
            await end([*turns.values(), *self._runs])

    def _follow(self, turns: dict[Registered, asyncio.Task[None]]) -> None:
        """Begin the turns of checks that came, and end those of checks that went."""
        wanted = self._repeating()
        for gone in turns.keys() - {*wanted}:
            turns.pop(gone).cancel()
        for registered in wanted:
            if registered not in turns:
                turns[registered] = asyncio.create_task(
                    self._tend(registered), name=f"turns of {registered.check.name}"
                )

    async def _tend(self, registered: Registered) -> None:
        """Run one check, turn by turn; turns that were missed are left out."""
        clock, interval = self.clock, registered.check.interval
        turn = clock.now()
        while True:
            await self._ask(registered)
            late = max(0.0, clock.now() - turn)
            turn += interval * (int(late // interval) + 1)
            await clock.sleep(turn - clock.now())

    def ask(self, checks: Sequence[Registered]) -> Asked:
        """Run checks, all at the same time; from any thread."""
        loop = self.loop
        return Asked(checks, self.on_loop(self._ask_all(checks)), loop)

    def on_loop(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """What comes of it on the pipeline's loop; cancelled, if that has ended."""
        loop = self.loop
        if loop is not None:
            with suppress(RuntimeError):  # it has been closed meanwhile
                return asyncio.run_coroutine_threadsafe(work, loop)
        work.close()
        never: Future[T] = Future()
        never.cancel()
        return never

    @property
    def is_elsewhere(self) -> bool:
        """Whether the pipeline's loop is there, and not that of whoever asks."""
        return self.loop is not None and running_loop() is not self.loop

    async def _ask_all(self, checks: Sequence[Registered]) -> list[FlextHealthCheck]:
        return [*await asyncio.gather(*(self._ask(each) for each in checks))]

    async def _ask(self, registered: Registered) -> FlextHealthCheck:
        """What the run that is under way finds, or one that begins now."""
        run = registered.under_way
        if run is None:
            run = registered.run = asyncio.create_task(self._run(registered))
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)
        await asyncio.wait({run})
        if run.cancelled():
            return unanswered(registered.check.name, STOPPED)
        return run.result()

    async def _run(self, registered: Registered) -> FlextHealthCheck:
        outcome, seconds = await registered.runs.take_turn(self.clock)
        return self._record(registered, outcome, seconds)


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel them, and give them a moment."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=A_MOMENT)
