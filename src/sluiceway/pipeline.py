"""Pipeline: describe stages, check them, run them, drain them, account for all.

Law: a pipeline never owns the caller's body. Entering starts a detached supervisor,
leaving is a shielded, bounded ``stop``; the body's exception passes unchanged.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from ._engine.accounts import ledger_of, statistics_of
from ._engine.checks import is_name
from ._engine.doors import OpeningStoppedError
from ._engine.graph import StageKind, build_graph
from ._engine.loops import (
    despite_cancellation,
    ended,
    look_on_loop,
    need_loop,
    on_its_loop,
)
from ._engine.render import as_mermaid, as_text
from ._engine.supervisor import Runtime
from .chains import Composable
from .clock import SYSTEM_CLOCK, Clock, checked_clock
from .errors import (
    ConfigurationError,
    PipelineFailedError,
    PipelineStateError,
    words_of,
)
from .events import Resource
from .fork import follow_forks, keep_for_ever
from .ledger import Ledger
from .lifespan import Lifespan
from .reports import PipelineHealth, PipelineState, StageStatistics, StopReport
from .settings import is_seconds, timeout_of
from .signals import Termination, handled_signals
from .stages import Stage

if TYPE_CHECKING:
    from types import TracebackType

    from .background import Background

T = TypeVar("T")


class Pipeline:
    """Runs stages that are connected by bounded queues.

    ``async with pipeline:`` embeds it in a program, ``await pipeline.run()`` serves
    until the sources end or a signal comes, ``with pipeline.background():`` runs it on
    a thread of its own. It may be started again after it has stopped; its ledger goes
    on.

    Args:
        chains: ``source >> ... >> sink``, any number of them.
        name: for log lines and task names; default ``"pipeline"``.
        drain_timeout: seconds that leaving or ``stop()`` may take to deliver what was
            taken in; default 20.
        drain_on_sigterm: inside ``async with``, a SIGTERM cancels the body and drains;
            a second one cuts the drain off. One that comes while the stages are opening
            closes them again at once, and cancels the body at its first ``await``. Only
            on the main thread.
        clock: the stages' time; ``sluiceway.testing.ManualClock`` in tests.
        resource: what the telemetry is about, handed to stages as they open.

    Raises:
        GraphError: the chains do not form a pipeline.
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self,
        *chains: Composable,
        name: str = "pipeline",
        drain_timeout: float = 20.0,
        drain_on_sigterm: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        resource: Resource | None = None,
    ) -> None:
        flag = isinstance(drain_on_sigterm, bool)
        seconds = is_seconds(drain_timeout)
        about = isinstance(resource, Resource | None)
        check("drain_timeout", drain_timeout, "seconds from 0", good=seconds)
        check("drain_on_sigterm", drain_on_sigterm, "True or False", good=flag)
        check("name", name, "one line of text", good=is_name(name))
        check("resource", resource, "a Resource or None", good=about)
        self.name = name
        self.drain_timeout = drain_timeout
        self._graph = build_graph(chains)
        self._clock = checked_clock(clock)
        self._began = self._clock.time_ns()
        self._resource = resource
        self._drain_on_sigterm = drain_on_sigterm
        self._runtime: Runtime | None = None
        self._state = PipelineState.NEW
        self._termination: Termination | None = None
        self._signalled: asyncio.Task[StopReport] | None = None
        follow_forks(self)

    # Looking at it.

    @property
    def state(self) -> PipelineState:
        """Where the pipeline stands."""
        runtime = self._runtime
        if self._state is PipelineState.RUNNING and runtime is not None:
            if runtime.report is not None:
                return PipelineState.STOPPED
            if runtime.draining:
                return PipelineState.DRAINING
        return self._state

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages by their names in the graph."""
        return {node.name: node.stage for node in self._graph.nodes}

    @property
    def clock(self) -> Clock:
        """The stages' time."""
        return self._clock

    @property
    def began_unix_nano(self) -> int:
        """When its books began, in nanoseconds since the epoch: with its making."""
        return self._began

    def graph(self, form: Literal["text", "mermaid"] = "text") -> str:
        """The stages and their connections.

        Args:
            form: ``"text"`` for a terminal, ``"mermaid"`` for a page.

        Raises:
            ConfigurationError: another form.
        """
        if form == "text":
            return as_text(self._graph)
        if form == "mermaid":
            return as_mermaid(self._graph)
        raise ConfigurationError(f"form is {form!r}; expected 'text' or 'mermaid'")

    def ledger(self) -> Ledger:
        """Where every event went: a frozen snapshot, from any thread."""
        return look_on_loop(
            self._runtime, lambda: ledger_of(self._graph, self._runtime)
        )

    def statistics(self) -> tuple[StageStatistics, ...]:
        """What each stage does: a frozen snapshot, from any thread."""
        return look_on_loop(
            self._runtime, lambda: statistics_of(self._graph, self._runtime)
        )

    def health(self) -> PipelineHealth:
        """Where it stands and which stages have failed for good."""
        failures = {} if self._runtime is None else self._runtime.failures
        told = {name: repr(error) for name, error in failures.items()}
        return PipelineHealth(self.state, told)

    # Running it.

    async def start(self) -> None:
        """Open the stages, sinks first, and begin; prefer ``async with``.

        Raises:
            PipelineStateError: it runs, was stopped at it, or this is not asyncio.
            Exception: what a stage's ``open`` raised, after the others were closed.
        """
        need_loop(self.name)
        if self.state not in (PipelineState.NEW, PipelineState.STOPPED):
            raise PipelineStateError(
                f"pipeline {self.name} is {self.state.value}; it can be started once "
                "it has stopped"
            )
        self._state = PipelineState.STARTING
        before = self._runtime
        self._runtime = Runtime(
            self._graph,
            clock=self._clock,
            resource=self._resource,
            watched=self,
            close_timeout=self.drain_timeout,
        )
        try:
            await self._runtime.start()
        except BaseException:
            self._runtime, self._state = before, PipelineState.STOPPED
            raise
        self._state = PipelineState.RUNNING

    async def stop(self, timeout: float | None = None) -> StopReport:
        """Stop intake, deliver what was taken in, close the stages.

        Args:
            timeout: seconds until what is left is cut off; ``drain_timeout`` if None.
                It returns at most a second later, whatever the stages do.

        Returns:
            Whether it drained, and which stages were still busy if not. A pipeline
            that never ran has drained.
        """
        seconds = timeout_of(timeout, self.drain_timeout)
        if self._runtime is None:
            return StopReport(drained=True)
        return await ended(self._runtime, partial(self._runtime.stop, seconds), seconds)

    def give_up(self) -> StopReport:
        """What can be told of it when its event loop answers nobody any more."""
        runtime = self._runtime
        if runtime is None:
            return StopReport(drained=True)
        return runtime.report or runtime.give_up()

    async def abort(self) -> StopReport:
        """Cut everything off now; what was on its way is ``dropped{aborted}``."""
        if self._runtime is None:
            return StopReport(drained=True)
        return await ended(self._runtime, self._runtime.abort, 0)

    async def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything emitted before this call has been answered for.

        Args:
            timeout: seconds to wait; ``drain_timeout`` if None.

        Returns:
            False if that took longer and the events go on; True of one that has ended.

        Raises:
            PipelineStateError: it has not been started.
        """
        runtime = self._running()
        seconds = timeout_of(timeout, self.drain_timeout)
        if runtime.report is not None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await on_its_loop(runtime, runtime.flush())
        except TimeoutError:
            return False
        return True

    async def wait(self) -> StopReport:
        """Wait until it has ended: its sources did, or somebody stopped it.

        Raises:
            PipelineStateError: it does not run.
        """
        runtime = self._running()
        return await on_its_loop(runtime, runtime.wait())

    def _running(self) -> Runtime:
        if self._runtime is None:
            raise PipelineStateError(
                f"pipeline {self.name} is {self.state.value}; start it first, with "
                "`async with pipeline:`"
            )
        need_loop(self.name)
        return self._runtime

    async def run(self) -> StopReport:
        """Serve until the sources end or SIGINT or SIGTERM comes, then drain.

        A second signal cuts the drain off. A signal while the stages are opening closes
        them again at once. Signals are only taken on the main thread.

        Raises:
            PipelineFailedError: a stage failed for good; what was taken in has been
                drained all the same.
        """
        need_loop(self.name)
        self._signalled = None
        with handled_signals(("SIGINT", "SIGTERM"), self._on_signal):
            try:
                await self.start()
            except OpeningStoppedError as stopped:
                return await self._called_off(stopped)
            try:
                report = await self.wait()
            except asyncio.CancelledError:
                await despite_cancellation(self.stop())
                raise
        failures = self._running().failures
        for name, error in failures.items():
            told = f"stage {name} failed: {words_of(error)}"
            raise PipelineFailedError(told) from error
        return report

    def _on_signal(self, count: int) -> None:
        if self._runtime is not None:
            ask = self._drain_or_call_off() if count == 1 else self.abort()
            self._signalled = asyncio.get_running_loop().create_task(ask)

    async def _called_off(self, error: OpeningStoppedError) -> StopReport:
        """How a start ended that a signal has called off."""
        if self._signalled is None:
            raise error
        return await self._signalled

    async def _drain_or_call_off(self) -> StopReport:
        """Stop, and do not wait for what is still opening."""
        if self._runtime is not None:
            self._runtime.call_off()
        return await self.stop()

    # Embedding it.

    async def __aenter__(self) -> Self:
        need_loop(self.name)
        termination = Termination(
            self._drain_or_call_off, self.abort, wanted=self._drain_on_sigterm
        )
        try:
            await self.start()
        except BaseException as error:
            called_off = isinstance(error, OpeningStoppedError) and termination.came
            if not called_off:
                termination.close()
                raise
        termination.begin_body()
        self._termination = termination
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        cancelled: asyncio.CancelledError | None = None
        termination = self._termination
        try:
            await despite_cancellation(self.stop())
        except asyncio.CancelledError as late:
            cancelled = late
        finally:
            if termination is not None:
                termination.close()
        taken_back = termination is not None and termination.takes_back()
        if cancelled is not None and not taken_back:
            raise cancelled
        return taken_back and kind is asyncio.CancelledError

    def lifespan(self, app: object = None) -> Lifespan:
        """For web applications: an ASGI lifespan and an aiohttp cleanup context.

        ``FastAPI(lifespan=pipeline.lifespan)``, ``app = pipeline.lifespan(app)`` round
        any other ASGI application, or ``app.cleanup_ctx.append(pipeline.lifespan)``.
        """
        return Lifespan(self, app)

    def sources(self, reaching: Any = object) -> tuple[Any, ...]:
        """The sources as described, or those that reach a stage of such a class."""
        return tuple(node.stage for node in self._graph.sources(reaching))

    def background(self) -> Background:
        """Run on a thread with a loop of its own, for programs without one.

        Use it as a context manager, or call its ``start()`` and ``stop()``.
        """
        from .background import Background  # noqa: PLC0415 - only some programs need it

        return Background(self)

    def after_fork(self) -> None:
        """Start afresh in a forked child: the parent owns what was on its way."""
        abandoned = self._runtime
        self._runtime = None
        self._began = self._clock.time_ns()
        self._state = PipelineState.NEW
        for node in self._graph.nodes:
            node.renew()
            node.stage.opened_by = None
            if node.kind is StageKind.SOURCE:
                node.stage.after_fork()
        if abandoned is not None:
            keep_for_ever(abandoned)

    def __repr__(self) -> str:
        return f"<Pipeline {self.name} {self.state.value}>"


def check(setting: str, value: object, wanted: str, *, good: bool) -> None:
    """Refuse a value that is not good for a setting."""
    if not good:
        raise ConfigurationError(f"Pipeline.{setting} is {value!r}; expected {wanted}")
