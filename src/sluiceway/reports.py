"""What a pipeline tells of itself: how it stopped, how it is, what it does.

Law: frozen snapshots, made when asked for.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Protocol

from attrs import field, frozen

from .latencies import NONE_YET, Latency


class PipelineState(enum.Enum):
    """Where a pipeline stands."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


@frozen
class StopReport:
    """How a pipeline ended.

    Attributes:
        drained: everything that was taken in had been answered for in time.
        left: the stages that were still busy at the deadline, and the events they
            held, which are booked as ``dropped{drain_timeout}`` or
            ``dropped{aborted}``.
        stuck: the stages that did not let go even when cancelled.
        failures: what went wrong for good, by stage.
        opening: the stages that were still opening when it was stopped; those that
            had opened were closed again, and no source was started.
    """

    drained: bool
    left: Mapping[str, int] = field(factory=dict)
    stuck: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(factory=dict)
    opening: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = ["drained" if self.drained else "cut off"]
        if self.opening:
            parts.append(f"still opening: {', '.join(self.opening)}")
        if self.left:
            busy = ", ".join(f"{name} ({held})" for name, held in self.left.items())
            parts.append(f"still busy with events: {busy}")
        if self.stuck:
            parts.append(f"did not let go: {', '.join(self.stuck)}")
        parts += [f"{name} failed: {error}" for name, error in self.failures.items()]
        return "; ".join(parts)


@frozen
class StageStatistics:
    """What one stage does, for tables and metrics.

    Times are on the pipeline's clock, one for each batch. What a pipeline tells of
    itself (see ``Source.tells_of_pipeline``) is left out where other events come too.

    Attributes:
        incoming: events that came in or were made here.
        outgoing: events sent on or delivered.
        left_out: filtered, sampled out and merged ones.
        lost: dropped, rejected and errored ones.
        held: events in queue, hands and stage at this moment.
        queue_used: events that take up room in the queue in front; None without one.
        queue_capacity: the room of that queue; None without one.
        batches: calls of the stage, and ``busy`` the seconds that they took.
        calls: how long they took each; a sink's write with all of its retries.
        waits: how long the batches had waited before, since they were put into the
            queue in front; where a sink gathers its batches, the oldest event. Stages
            that are called right after another one do not wait.
        holds: how long an accumulator that keeps order, such as ``BatchBy``, had held
            the oldest event of each batch that it let go; None of other stages.
        failures: the calls among them that failed or lost events, by reason: a sink's.
        retries: how many times a sink's settings made it try again.
        in_flight: writes of a sink that are under way at this moment.
        left_out_as: ``left_out`` by the ledger's words, ``"filtered"`` and so on.
        losses: ``lost`` by the ledger's words, ``"dropped"`` and so on, and by reason.
        type: the full name of the stage's class.
        own: whether nothing else comes here but what the pipeline tells of itself; then
            the figures are of that.
    """

    name: str
    kind: str
    incoming: int
    outgoing: int
    left_out: int
    lost: int
    held: int
    queue_used: int | None
    queue_capacity: int | None
    batches: int
    busy: float
    calls: Latency = NONE_YET
    waits: Latency = NONE_YET
    holds: Latency | None = None
    failures: Mapping[str, Latency] = field(factory=dict, repr=False)
    retries: int = 0
    in_flight: int = 0
    left_out_as: Mapping[str, int] = field(factory=dict, repr=False)
    losses: Mapping[str, Mapping[str, int]] = field(factory=dict, repr=False)
    type: str = ""
    own: bool = False

    @property
    def latency(self) -> float:
        """Seconds that a call of the stage took on average; 0 before the first."""
        return self.busy / self.batches if self.batches else 0.0


@frozen
class PipelineHealth:
    """How a pipeline is.

    Attributes:
        state: where it stands.
        failures: stages that have failed for good, with their errors.
    """

    state: PipelineState
    failures: Mapping[str, str] = field(factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether it runs and no stage has failed."""
        return self.state is PipelineState.RUNNING and not self.failures


class Watched(Protocol):
    """A pipeline, for those who tell what it does."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def began_unix_nano(self) -> int:
        """When its books began, in nanoseconds since the epoch."""
        ...

    def statistics(self) -> tuple[StageStatistics, ...]:
        """What each of its stages does, from any thread."""
        ...

    def health(self) -> PipelineHealth:
        """Where it stands and which stages have failed for good."""
        ...
