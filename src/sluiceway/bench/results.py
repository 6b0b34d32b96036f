"""What a run of a load has shown, as frozen records and as plain data.

Law: times are seconds, memory is bytes, rates are per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from ..latencies import Latency
from .meter import Percentiles


@frozen
class StageFigures:
    """One stage's part in a run.

    Attributes:
        calls: p50, p90, p99 and max of a call, in seconds.
        waits: the same of the wait in the queue in front.
        holds: the same of how long an accumulator that keeps order held events; None
            of other stages.
        queue_mean: its mean fill, from 0 to 1; None without a queue.
        queue_max: its highest fill.
        busy: seconds of all calls together.
        computes: whether its calls only compute; else waits are among them.
    """

    name: str
    kind: str
    incoming: int
    outgoing: int
    left_out: int
    lost: int
    batches: int
    calls: Mapping[str, float]
    waits: Mapping[str, float]
    holds: Mapping[str, float] | None
    queue_mean: float | None
    queue_max: float | None
    queue_capacity: int | None
    busy: float
    computes: bool
    retries: int


@frozen
class Result:
    """What a run has shown.

    Attributes:
        seconds: from the first event to the end of the drain.
        sent: events that the pipeline took; ``unsent`` were due and never taken.
        answered: events of which it is known what became of them.
        throughput: events that arrived per second, after the warm-up.
        latency: from when an event was due until all that became of it had ended.
        made_seconds: CPU that the load itself took to make its events.
        contention: how much longer work took than its CPU, since other programs ran; 1
            on a machine of its own.
        memory_peak: the most bytes of the process; ``memory_growth`` what of it came
            with the run. None where the system does not tell.
        lag: seconds that the event loop came late, at the 99th percentile.
        rates: events that arrived in each second.
        losses: by stage and reason.
        drained: whether the pipeline ended by itself in time; ``ending`` says how.
        interrupted: whether it was ended early.
    """

    seconds: float
    sent: int
    unsent: int
    answered: int
    delivered: int
    throughput: float
    latency: Percentiles
    cpu_seconds: float
    made_seconds: float
    contention: float
    memory_peak: int | None
    memory_growth: int | None
    lag: float
    rates: tuple[float, ...]
    stages: tuple[StageFigures, ...]
    losses: Mapping[str, Mapping[str, int]]
    lost: int
    balanced: bool
    drained: bool
    ending: str
    failures: Mapping[str, str]
    interrupted: bool

    @property
    def arrived(self) -> bool:
        """Whether any event was delivered, or left out on purpose."""
        return self.delivered > 0 or self.answered > self.lost

    @property
    def cpu_per_event(self) -> float:
        """Seconds of CPU for one event, without making it."""
        used = max(0.0, self.cpu_seconds - self.made_seconds)
        return used / self.answered if self.answered else 0.0

    @property
    def made_share(self) -> float:
        """The share of the time, from 0 to 1, in which the load was made."""
        made = self.made_seconds * self.contention
        return made / self.seconds if self.seconds else 0.0

    @property
    def rest_seconds(self) -> float:
        """CPU that is neither the load's nor a computing stage's.

        That is the engine, the event loop, and what stages compute that also wait.
        """
        computed = sum(stage.busy for stage in self.stages if stage.computes)
        own = self.cpu_seconds - self.made_seconds
        return max(0.0, own - computed / self.contention)

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        data: dict[str, Any] = asdict(self)
        data["latency"]["at"] = {f"{p:g}": s for p, s in self.latency.at.items()}
        data["losses"] = {name: {**why} for name, why in self.losses.items()}
        data["cpu_per_event"] = self.cpu_per_event
        data["rest_seconds"] = self.rest_seconds
        return data


def quantiles(latency: Latency) -> dict[str, float]:
    """What is told of a stage's latencies."""
    return {
        "p50": latency.p50,
        "p90": latency.p90,
        "p99": latency.p99,
        "max": latency.max,
    }
