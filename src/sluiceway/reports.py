"""What a pipeline tells of itself: how it stopped, how it is, what it does.

Law: frozen snapshots, made when asked for.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from attrs import field, frozen


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
    """

    drained: bool
    left: Mapping[str, int] = field(factory=dict)
    stuck: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(factory=dict)

    def __str__(self) -> str:
        parts = ["drained" if self.drained else "cut off"]
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

    Attributes:
        incoming: events that came in or were made here.
        outgoing: events sent on or delivered.
        left_out: filtered, sampled out and merged ones.
        lost: dropped, rejected and errored ones.
        held: events in queue, hands and stage at this moment.
        queue_used: events that take up room in the queue in front; None without one.
        queue_capacity: the room of that queue; None without one.
        batches: calls of the stage, and ``busy`` the seconds that they took.
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
