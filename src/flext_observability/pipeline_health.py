"""PipelineWatch: how the backend's own pipeline is, as one of the health checks.

Law: it looks and changes nothing. What went wrong counts for ``RECENT`` seconds, for
everybody who asks meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define

from sluiceway import Pipeline, PipelineHealth, PipelineState, StageStatistics
from sluiceway.fork import follow_forks

OWN: Final = "flext_observability"  # the check's name
RECENT: Final = 60.0  # seconds; a sink that tries again does so within them
NEARLY_FULL: Final = 0.9  # of a queue

Finding = tuple[str, str, dict[str, Any]]

BLOCKED: Final[Finding] = (
    "degraded",
    "the event loop of the pipeline is blocked",
    {"state": "blocked"},
)
STATES: Final[Mapping[PipelineState, str]] = {
    PipelineState.NEW: "unknown",
    PipelineState.STARTING: "unknown",
    PipelineState.RUNNING: "healthy",
    PipelineState.DRAINING: "degraded",
    PipelineState.STOPPED: "unhealthy",
}


@define
class Seen:
    """A count of one stage, and when it was last seen to have grown."""

    count: int = 0
    grown_at: float = float("-inf")

    def look(self, count: int, now: float) -> bool:
        """Whether it has grown lately."""
        if count > self.count:
            self.grown_at = now
        self.count = count  # a pipeline that starts anew counts from 0
        return now - self.grown_at < RECENT


class PipelineWatch:
    """Says how a pipeline is.

    Unhealthy: it is stopped, or a stage has failed for good. Degraded: it drains; or,
    within the last minute, a stage lost events or could not reach its endpoint; or a
    queue is nearly full. Unknown before it runs. Stages are named; errors, whose texts
    may hold secrets, are not told.

    Args:
        pipeline: gives the pipeline; None before there is one.
    """

    def __init__(self, pipeline: Callable[[], Pipeline | None]) -> None:
        self._pipeline = pipeline
        self._seen: dict[tuple[str, str], Seen] = {}
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """A thread that the child does not have may have held the lock."""
        self._lock = threading.Lock()

    def look(self, now: float) -> Finding:
        """Status, words and details.

        Args:
            now: seconds on a monotonic clock, the same each time.
        """
        pipeline = self._pipeline()
        if pipeline is None:
            return "unknown", "the pipeline has not been started", {"state": "new"}
        health, stages = pipeline.health(), pipeline.statistics()
        with self._lock:
            trouble = self._trouble(stages, now)
        status, words = said_of(health)
        if trouble and status == "healthy":
            status, words = "degraded", in_words(trouble)
        return status, words, {"state": health.state.value, **trouble}

    def _trouble(
        self, stages: Sequence[StageStatistics], now: float
    ) -> dict[str, list[str]]:
        """The names of the stages that have some, by what it is."""
        found = {
            "lost_events": [
                each.name for each in stages if self._grown("lost", each, now)
            ],
            "unreached": [
                each.name for each in stages if self._grown("failures", each, now)
            ],
            "queues_full": [each.name for each in stages if is_nearly_full(each)],
        }
        return {word: names for word, names in found.items() if names}

    def _grown(self, word: str, stage: StageStatistics, now: float) -> bool:
        count = stage.lost if word == "lost" else failures_of(stage)
        return self._seen.setdefault((word, stage.name), Seen()).look(count, now)


def said_of(health: PipelineHealth) -> tuple[str, str]:
    """Status and words, as far as they follow from where the pipeline stands."""
    failed = ", ".join(sorted(health.failures))
    if failed:
        return "unhealthy", f"failed for good: {failed}"
    return STATES[health.state], f"the pipeline is {health.state.value}"


def failures_of(stage: StageStatistics) -> int:
    """How many of a sink's writes did not arrive at once."""
    return stage.retries + sum(found.count for found in stage.failures.values())


def is_nearly_full(stage: StageStatistics) -> bool:
    """Whether the queue in front of a stage has hardly room for more."""
    used, capacity = stage.queue_used, stage.queue_capacity
    return bool(used and capacity and used >= NEARLY_FULL * capacity)


SAID: Final = {
    "lost_events": "events were lost by",
    "unreached": "no success at once in",
    "queues_full": "hardly any room in front of",
}


def in_words(trouble: Mapping[str, Sequence[str]]) -> str:
    """The trouble as one line."""
    return "; ".join(f"{SAID[word]} {', '.join(trouble[word])}" for word in trouble)
