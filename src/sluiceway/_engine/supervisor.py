"""Runtime: one run of a graph, from opening the stages to closing them.

Law: one detached supervisor task owns every worker, so that neither the caller's body
nor a stage can cancel the others. It stops in one direction: intake, drain, close; then
the deadline, after which it cuts off, names what was left, and waits for nobody.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from logging import getLogger
from typing import TYPE_CHECKING

from ..batch import OwnBatch
from ..calls import FAILURES
from ..clock import Clock
from ..errors import words_of
from ..reports import StopReport, Watched
from ..stages import StageContext
from .accumulating import AccumulatorWorker
from .asking import buffered_at, discard_held
from .complaints import Complaints
from .delivering import SinkWorker
from .doors import GRACE, Doors, tasks_or
from .fanout import Outlet
from .graph import Graph, Node, StageKind
from .marks import Mark
from .origins import context_of
from .outlasting import outlast
from .patience import DrainPatience
from .plan import Segment, plan_segments, sends_notes
from .queue import BoundedQueue
from .sending import SourceWorker
from .steps import Step
from .workers import FlowWorker, Row, Shared, Worker

if TYPE_CHECKING:
    from ..events import Resource

PATIENCE_SHARE = 0.75  # of the drain's time-out, after which retries are not waited for


class Runtime:
    """Everything that exists only while a pipeline runs.

    Args:
        graph: what to run.
        clock: the stages' time; the deadlines of a stop are the loop's.
        resource: handed to the stages.
        watched: the pipeline, for its stages; its name is in tasks and log lines.
        close_timeout: seconds that closing the stages may take.

    Attributes:
        given_up: whether its event loop answered nobody when it was asked to end.
    """

    given_up = False

    def __init__(
        self,
        graph: Graph,
        *,
        clock: Clock,
        resource: Resource | None,
        watched: Watched,
        close_timeout: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.queues: dict[Node, BoundedQueue] = {}
        self.workers: list[Worker] = []
        self.sources: list[SourceWorker] = []
        self.report: StopReport | None = None
        self.failures: dict[str, BaseException] = {}
        self._graph = graph
        self._clock = clock
        self._resource = resource
        self.watched = watched
        self._close_timeout = close_timeout
        self._logger = getLogger("sluiceway.pipeline")
        self._complaints = Complaints(self._logger, clock)
        self._patience = DrainPatience(clock)
        self._shared = Shared(clock, self._complaints, self._patience)
        self._tasks: dict[asyncio.Task[None], Worker] = {}
        self._ready: asyncio.Future[None] = self.loop.create_future()
        self._stop_asked = asyncio.Event()
        self._cut_asked = asyncio.Event()
        self._doors = Doors(
            graph,
            name=watched.name,
            context=self._context,
            cut=self._cut_asked,
            complaints=self._complaints,
        )
        self._deadline = float("inf")
        self._timers: list[asyncio.TimerHandle] = []
        self._finished: asyncio.Future[StopReport] = self.loop.create_future()
        self._flushes: set[asyncio.Future[None]] = set()
        self._supervisor: asyncio.Task[None] | None = None

    # What the pipeline asks for.

    async def start(self) -> None:
        """Open the stages and start the workers; a failure undoes what was opened."""
        self._supervisor = self.loop.create_task(
            self._supervise(), name=f"sluiceway:{self.watched.name}"
        )
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            self._supervisor.cancel()
            await outlast(self._supervisor)
            raise

    async def stop(self, timeout: float) -> StopReport:
        """Stop intake, drain, close; cut off what is left after ``timeout`` seconds."""
        if timeout <= 0:
            self._cut("drain_timeout")
        self._bound(timeout)
        self._stop_asked.set()
        return await asyncio.shield(self._finished)

    def call_off(self) -> None:
        """Open no further, and close what was opened; too late, it does nothing."""
        self._doors.haste.set()

    async def abort(self) -> StopReport:
        """Cut everything off now."""
        self._cut("aborted")
        self._stop_asked.set()
        return await asyncio.shield(self._finished)

    def _bound(self, seconds: float) -> None:
        """Let it take so long at most; a sooner deadline that was set before stays."""
        now = self.loop.time()
        if now + seconds >= self._deadline:
            return
        self._deadline = now + seconds
        self._forget_deadline()
        share = now + seconds * PATIENCE_SHARE
        self._timers = [
            self.loop.call_at(share, self._patience.lose),
            self.loop.call_at(self._deadline, self._cut, "drain_timeout"),
        ]

    def _forget_deadline(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _cut(self, reason: str) -> None:
        if self._shared.ending is None:
            self._shared.ending = reason
        self._cut_asked.set()
        self._doors.haste.set()

    async def wait(self) -> StopReport:
        """Wait until the pipeline has ended, for whichever reason."""
        return await asyncio.shield(self._finished)

    async def flush(self) -> None:
        """Wait until what was sent before has been answered for."""
        done: asyncio.Future[None] = self.loop.create_future()
        self._flushes.add(done)
        mark = Mark(done)
        try:
            for source in self.sources:
                await source.node.stage.flush()
                mark.split(2)
                source.pass_mark(mark)
            mark.arrive()
            await done
        finally:
            self._flushes.discard(done)

    def held(self, node: Node) -> int:
        """The events that are at ``node`` now, counted by looking."""
        queue = self.queues.get(node)
        count = 0 if queue is None else queue.held()
        for worker in self.workers:
            count += sum(hand.held() for hand in worker.hands if hand.node is node)
            if worker.node is node:
                count += worker.held_inside()
        return count

    def held_own(self, node: Node) -> int:
        """Those of them by which the pipeline tells of itself."""
        queue = self.queues.get(node)
        hands = {hand for worker in self.workers for hand in worker.hands}
        count = sum(hand.held_own() for hand in hands if hand.node is node)
        return count if queue is None else count + queue.held(OwnBatch)

    def in_flight(self, node: Node) -> int:
        """The writes of a sink that are under way now."""
        return sum(
            worker.in_flight()
            for worker in self.workers
            if worker.node is node and isinstance(worker, SinkWorker)
        )

    @property
    def draining(self) -> bool:
        """Whether the intake has stopped."""
        return self._stop_asked.is_set()

    # The supervisor.

    async def _supervise(self) -> None:
        try:
            await self._doors.open_all()
            self._spawn()
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            report = await self._undo()
            self._ready.set_exception(error)
            self._ready.exception()
            self._finish(report)
            return
        self._ready.set_result(None)
        report = StopReport(drained=False)
        try:
            report = await self._live_and_drain()
        finally:
            self._finish(report)

    async def _undo(self) -> StopReport:
        """Close what was opened; who was stopped does not send what waits, either."""
        asked = self._stop_asked.is_set()
        lost = self._discard_held() if asked else 0
        await self._close_all()
        return StopReport(
            drained=asked and not lost and self._shared.ending is None,
            stuck=tuple(self._doors.hung),
            opening=tuple(self._doors.unopened),
        )

    async def _live_and_drain(self) -> StopReport:
        try:
            await self._workers_or(self._stop_asked)
            self._stop_intake()
            await self._workers_or(self._cut_asked)
        except asyncio.CancelledError:  # the loop itself is closing down
            self._cut("aborted")
        drained = self._shared.ending is None
        left: dict[str, int] = {}
        stuck: list[str] = []
        if any(not task.done() for task in self._tasks):
            left = self.left()
            stuck = await self._cut_off()
        self._discard_held()
        await self._close_all()
        return StopReport(
            drained=drained,
            left=left,
            stuck=tuple(dict.fromkeys(stuck + self._doors.hung)),
            failures={name: words_of(error) for name, error in self.failures.items()},
        )

    async def _close_all(self) -> None:
        self._bound(self._close_timeout)
        await self._doors.close_all()

    def _finish(self, report: StopReport) -> None:
        self._forget_deadline()
        self._complaints.say_the_rest()
        for done in self._flushes:
            if not done.done():
                done.set_result(None)
        if report.left or report.stuck or report.opening:
            self._logger.warning("pipeline %s stopped: %s", self.watched.name, report)
        self.report = report
        if not self._finished.done():
            self._finished.set_result(report)

    async def _workers_or(self, event: asyncio.Event) -> None:
        """Wait until all workers have ended, or for the event."""
        await tasks_or({*self._tasks}, event)

    def _context(self, node: Node) -> StageContext:
        return StageContext(
            name=node.name,
            clock=self._clock,
            resource=self._resource,
            logger=getLogger(f"sluiceway.stages.{node.name}"),
            patience=self._patience,
            takes_notes=node.kind is StageKind.SOURCE and sends_notes(node),
            pipeline=self.watched,
        )

    # Running.

    def _spawn(self) -> None:
        """Make the queues, then the workers, then let the sources loose."""
        segments = plan_segments(self._graph)
        for segment in segments:
            node = segment.head
            own = None if node.mixes else node.own
            self.queues[node] = BoundedQueue(
                node.stage.queue, node.books, self._clock, own
            )
        for segment in segments:
            self.workers += self._workers_of(segment)
        for node in self._graph.of_kind(StageKind.SOURCE):
            outlet = Outlet(node, self.queues, self._complaints)
            self.sources.append(SourceWorker(node, outlet, self._shared))
        self.workers += self.sources
        for worker in self.workers:
            task = self.loop.create_task(
                worker.run(),
                name=f"sluiceway:{self.watched.name}:{worker.node.name}",
                context=context_of(worker.node),
            )
            self._tasks[task] = worker
            task.add_done_callback(self._worker_ended)

    def _workers_of(self, segment: Segment) -> list[Worker]:
        head, queue = segment.head, self.queues[segment.head]
        if head.kind is StageKind.SINK:
            return [SinkWorker(head, queue, self._shared)]
        outlet = Outlet(segment.last, self.queues, self._complaints)
        if head.kind is StageKind.ACCUMULATOR:
            row = Row(self._steps(segment.others), outlet, self._clock)
            return [AccumulatorWorker(head, queue, row, self._shared)]
        steps = self._steps([head, *segment.others])
        row = Row(steps, outlet, self._clock, segment.workers)
        return [FlowWorker(queue, row, self._shared) for _ in range(segment.workers)]

    def _steps(self, nodes: list[Node]) -> list[Step]:
        return [Step(node, self._complaints) for node in nodes]

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        worker = self._tasks[task]
        if not task.cancelled():
            task.exception()  # it is asked, or the loop complains of it, too
        if worker.failure is not None:
            self.failures[worker.node.name] = worker.failure
            if not isinstance(worker, SourceWorker):
                self._complaints.about(worker.node.name, worker.failure)

    # Stopping.

    def _stop_intake(self) -> None:
        for task, worker in self._tasks.items():
            if isinstance(worker, SourceWorker) and not task.done():
                self._ask_to_stop(task, worker)

    def _ask_to_stop(self, task: asyncio.Task[None], worker: SourceWorker) -> None:
        try:
            willing = worker.node.stage.stop()
        except FAILURES as error:  # then it is cancelled
            self._complaints.about(worker.node.name, error)
            willing = False
        if not willing:
            worker.stopping = True
            task.cancel()

    def left(self) -> dict[str, int]:
        """The stages that hold events or are busy, and how many they hold."""
        held = {n.name: self.held(n) + buffered_at(n) for n in self._graph.nodes}
        busy = {w.node.name: 0 for t, w in self._tasks.items() if not t.done()}
        late = self._shared.ending == "drain_timeout"  # sources had time to end
        sources = {node.name for node in self._graph.of_kind(StageKind.SOURCE)}
        return {
            name: count or busy.get(name, 0)
            for name, count in held.items()
            if count or (late and name in busy and name in sources)
        }

    def give_up(self) -> StopReport:
        """What can be told while a stage blocks the event loop, which answers none."""
        self.given_up = True
        stuck = "event loop", *sorted(self._doors.moving)
        return StopReport(drained=False, left=self.left(), stuck=stuck)

    async def _cut_off(self) -> list[str]:
        """Drop everything, cancel everybody, and wait a moment; who is still there."""
        reason = self._shared.ending or "aborted"
        self._patience.lose()
        for queue in self.queues.values():
            queue.break_off(reason)
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        if running:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(running, timeout=GRACE)
        stuck: list[str] = []
        for task in [task for task in running if not task.done()]:
            stuck += self._tasks[task].busy_at()
            self._tasks[task].abandon(reason)
            task.cancel()  # it has swallowed one; this ends what it has begun since
        return stuck

    def _discard_held(self) -> int:
        """What came into an inlet after its source had ended will not be sent."""
        reason = self._shared.ending or "closed"
        sources = self._graph.of_kind(StageKind.SOURCE)
        return sum(discard_held(node, reason, self._complaints) for node in sources)
