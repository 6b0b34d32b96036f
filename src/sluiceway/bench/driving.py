"""Driving a pipeline with a load, and looking at it meanwhile.

Law: the run always ends: the load has an extent, the drain the pipeline's deadline, and
signals cut both short. Whatever ends it, the figures up to then are told.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from attrs import define, field

from .._engine.checks import work_of
from .._engine.graph import StageKind
from ..clock import SYSTEM_CLOCK, cpu_seconds
from ..pipeline import Pipeline
from ..reports import StageStatistics, StopReport
from ..signals import handled_signals
from . import machine
from .generator import Spent
from .meter import Meter
from .results import Result, StageFigures, quantiles
from .rewiring import Load, Rewired, graph_of, rewire
from .schedules import Bursts

LOOK_INTERVAL = 0.05  # seconds between two looks at the queues
GRACE = 0.2  # seconds that a source gets to end by itself


@define
class Fill:
    """How full a queue was, over many looks."""

    looks: int = 0
    total: float = 0.0
    highest: float = 0.0

    def add(self, share: float) -> None:
        """One look more."""
        self.looks += 1
        self.total += share
        self.highest = max(self.highest, share)


@define
class Progress:
    """How far a run is, for people.

    Attributes:
        elapsed: seconds.
        rate: events that arrived in the last second.
        sent: events taken; ``unsent`` is not known before the end.
        fill: the fullest queue at this moment, from 0 to 1.
        lost: events lost up to now.
    """

    elapsed: float
    rate: float
    sent: int
    fill: float
    lost: int


Tell = Callable[[Progress], None]


@define(eq=False)
class Drive:
    """One run.

    Attributes:
        pipeline: the user's; it is changed, so that it can be driven once.
        load: what it is driven with.
        tell: called every second.
        drain: seconds that it may take to deliver what it holds when the load has
            ended; the pipeline's ``drain_timeout`` if None.
    """

    pipeline: Pipeline
    load: Load
    tell: Tell | None = None
    drain: float | None = None
    meter: Meter = field(init=False)
    rewired: Rewired = field(init=False)
    interrupted: bool = field(default=False, init=False)
    _fills: dict[str, Fill] = field(factory=dict, init=False)
    _lags: list[float] = field(factory=list, init=False)
    _rates: list[float] = field(factory=list, init=False)
    _ending: asyncio.Task[Any] | None = field(default=None, init=False)
    _start: float = field(default=0.0, init=False)
    _told: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        steady = not isinstance(self.load.schedule, Bursts)
        self.meter = Meter(SYSTEM_CLOCK, self.load.warm_up, steady=steady)
        self.rewired = rewire(self.pipeline, self.load, self.meter)

    async def run(self) -> Result:
        """Drive the pipeline to the end of the load.

        Raises:
            Exception: what a stage's ``open`` raised.
        """
        machine.forget_peak()
        memory = machine.memory_now()
        with handled_signals(("SIGINT", "SIGTERM"), self._on_signal):
            self.meter.begin()
            cpu = cpu_seconds()
            await self.pipeline.start()
            self._start = SYSTEM_CLOCK.now()
            report = await self._watch()
        used = cpu_seconds() - cpu
        return self._result(report, used, memory)

    def _on_signal(self, count: int) -> None:
        self.interrupted = True
        self._end(abort=count > 1)

    def _end(self, *, abort: bool = False) -> None:
        """Let the pipeline drain until its deadline, or end at once."""
        self.meter.cut_off = True
        ending = self.pipeline.abort() if abort else self.pipeline.stop(self.drain)
        self._ending = asyncio.get_running_loop().create_task(ending)

    async def _watch(self) -> StopReport:
        """Look at the pipeline until it has ended."""
        self._look(0.0)
        waiting = asyncio.get_running_loop().create_task(self.pipeline.wait())
        while not waiting.done():
            before = SYSTEM_CLOCK.now()
            await asyncio.wait({waiting}, timeout=LOOK_INTERVAL)
            now = SYSTEM_CLOCK.now()
            if waiting.done():
                break
            self._lags.append(max(0.0, now - before - LOOK_INTERVAL))
            self._look(now - self._start)
            if self._ending is None and self._over(now - self._start):
                self._end()
        return waiting.result()

    def _over(self, elapsed: float) -> bool:
        """Whether the drain's deadline begins to count."""
        seconds = self.load.extent.seconds
        late = seconds is not None and elapsed > seconds + GRACE
        return late or all(source.done for source in self.rewired.driven)

    def _look(self, elapsed: float) -> None:
        stages = self.pipeline.statistics()
        shares = {s.name: fill_of(s) for s in stages if s.queue_capacity}
        for name, share in shares.items():
            self._fills.setdefault(name, Fill()).add(share)
        if elapsed < len(self._rates) + 1:
            return
        rate = self.meter.events_arrived - self._told
        self._told += rate
        self._rates.append(rate)
        if self.tell is not None:
            lost = sum(stage.lost for stage in stages)
            fullest = max(shares.values(), default=0.0)
            sent = self.meter.events_sent
            self.tell(Progress(elapsed, rate, sent, fullest, lost))

    def _result(self, report: StopReport, cpu: float, memory: int | None) -> Result:
        ledger, meter = self.pipeline.ledger(), self.meter
        peak = machine.memory_peak()
        growth = None if peak is None or memory is None else max(0, peak - memory)
        made = Spent()
        for source in self.rewired.driven:
            made.add(source.made.seconds, source.made.cpu)
        lags = sorted(self._lags) or [0.0]
        return Result(
            seconds=SYSTEM_CLOCK.now() - self._start,
            sent=meter.events_sent,
            unsent=meter.events_unsent,
            answered=meter.events_answered,
            delivered=ledger.delivered,
            throughput=meter.throughput,
            latency=meter.percentiles(),
            cpu_seconds=cpu,
            made_seconds=made.cpu,
            contention=made.contention,
            memory_peak=peak,
            memory_growth=growth,
            lag=lags[len(lags) * 99 // 100],
            rates=tuple(self._rates),
            stages=tuple(map(self._figures, self.pipeline.statistics())),
            losses=ledger.losses,
            lost=ledger.lost,
            balanced=ledger.balanced,
            drained=report.drained,
            ending=str(report),
            failures=report.failures,
            interrupted=self.interrupted,
        )

    def _figures(self, stage: StageStatistics) -> StageFigures:
        fill = self._fills.get(stage.name)
        node = next(n for n in graph_of(self.pipeline).nodes if n.name == stage.name)
        return StageFigures(
            name=stage.name,
            kind=stage.kind,
            incoming=stage.incoming,
            outgoing=stage.outgoing,
            left_out=stage.left_out,
            lost=stage.lost,
            batches=stage.batches,
            calls=quantiles(stage.calls),
            waits=quantiles(stage.waits),
            holds=None if stage.holds is None else quantiles(stage.holds),
            queue_mean=None if fill is None else fill.total / fill.looks,
            queue_max=None if fill is None else fill.highest,
            queue_capacity=stage.queue_capacity,
            busy=stage.busy,
            computes=computes(node.kind, node.stage),
            retries=stage.retries,
        )


def fill_of(stage: StageStatistics) -> float:
    """How full the queue in front of a stage is."""
    return (stage.queue_used or 0) / (stage.queue_capacity or 1)


def computes(kind: StageKind, stage: Any) -> bool:
    """Whether a stage's calls are seconds of CPU on the event loop, and no waits."""
    if kind is StageKind.PROCESSOR:
        waits = inspect.iscoroutinefunction(work_of(stage)) or stage.blocking
        return not waits
    return kind in (StageKind.SAMPLER, StageKind.ACCUMULATOR)
