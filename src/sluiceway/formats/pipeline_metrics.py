"""What a pipeline does as metric points, named as OpenTelemetry's conventions name it.

Law: pure, and bounded: a point for each stage, outcome and reason, and no more than
``MOST_REASONS`` reasons of each kind. Source: semantic conventions, "OpenTelemetry SDK
metrics", for a sink's writes; the others of that page count spans, points or records by
name, which an engine that looks into no event cannot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from ..events import Histogram, MetricKind, MetricPoint, Resource, Scope
from ..latencies import Latency
from ..reports import StageStatistics

SCOPE: Final = Scope("sluiceway.pipeline_metrics")
BOUNDS: Final = [float(f"{m}e{e}") for e in range(-6, 3) for m in ("1", "2.5", "5")]
MOST_REASONS: Final = 16
OTHER: Final = "_OTHER"  # as the conventions call what has no word of its own
ALWAYS: Final = {"processor": "filtered", "sampler": "sampled_out"}


@frozen
class Metric:
    """One metric: what all of its points share."""

    name: str
    unit: str
    description: str
    kind: MetricKind = MetricKind.SUM
    is_monotonic: bool = False


def counter(name: str, unit: str, description: str) -> Metric:
    """A sum that only grows."""
    return Metric(name, unit, description, is_monotonic=True)


def histogram(name: str, description: str) -> Metric:
    """Durations in seconds."""
    return Metric(name, "s", description, MetricKind.HISTOGRAM)


INCOMING: Final = counter(
    "sluiceway.stage.incoming", "{event}", "Events that came in or were made."
)
OUTGOING: Final = counter(
    "sluiceway.stage.outgoing", "{event}", "Events that were sent on or delivered."
)
LEFT_OUT: Final = counter(
    "sluiceway.stage.left_out",
    "{event}",
    "Events that were filtered, sampled out or merged into others.",
)
LOST: Final = counter(
    "sluiceway.stage.lost",
    "{event}",
    "Events that were dropped, rejected or errored.",
)
HELD: Final = Metric(
    "sluiceway.stage.held",
    "{event}",
    "Events in the stage, in its hands and in the queue in front of it.",
)
DURATION: Final = histogram(
    "sluiceway.stage.duration", "How long the calls of a stage took, one for a batch."
)
WRITE: Final = histogram(
    "otel.sdk.exporter.operation.duration",
    "The duration of exporting a batch of telemetry records.",
)
QUEUE_SIZE: Final = Metric(
    "sluiceway.queue.size",
    "{event}",
    "Events that take up room in the queue, those in work included.",
)
QUEUE_CAPACITY: Final = Metric(
    "sluiceway.queue.capacity", "{event}", "Events that the queue has room for."
)
WAIT: Final = histogram(
    "sluiceway.queue.wait.duration",
    "How long batches waited from the queue to the call of the stage behind it.",
)
HOLD: Final = histogram(
    "sluiceway.stage.hold.duration",
    "How long an accumulator held the oldest event of each batch that it let go.",
)
RETRIES: Final = counter(
    "sluiceway.sink.retries", "{retry}", "Writes that were tried again."
)
IN_FLIGHT: Final = Metric(
    "sluiceway.sink.inflight", "{write}", "Writes under way, their retries included."
)


@define
class Teller:
    """Makes points of what a pipeline does; knows which reasons it has told.

    Attributes:
        resource: what the points are about.
    """

    resource: Resource
    _reasons: dict[tuple[str, str], dict[str, None]] = field(factory=dict, init=False)

    def points(
        self, pipeline: str, began: int, now: int, stages: Iterable[StageStatistics]
    ) -> list[MetricPoint]:
        """A point of each series.

        Args:
            pipeline: its name.
            began: when its books did, in nanoseconds since the epoch.
            now: when the statistics were taken.
            stages: the statistics; a stage of which they say ``own`` is left out.
        """
        return [
            self._point(metric, value, attributes, began, now)
            for stage in stages
            if not stage.own
            for metric, value, attributes in self._readings(
                stage, attributes_of(pipeline, stage)
            )
        ]

    def _point(
        self,
        metric: Metric,
        value: Any,
        attributes: dict[str, Any],
        began: int,
        now: int,
    ) -> MetricPoint:
        return MetricPoint(
            name=metric.name,
            value=value,
            kind=metric.kind,
            unit=metric.unit,
            description=metric.description,
            attributes=attributes,
            time_unix_nano=now,
            start_time_unix_nano=began,
            is_monotonic=metric.is_monotonic,
            resource=self.resource,
            scope=SCOPE,
        )

    def _readings(
        self, stage: StageStatistics, about: dict[str, Any]
    ) -> Iterator[tuple[Metric, Any, dict[str, Any]]]:
        yield INCOMING, stage.incoming, {**about}
        yield OUTGOING, stage.outgoing, {**about}
        for outcome, count in stage.left_out_as.items():
            if count or ALWAYS.get(stage.kind) == outcome:
                yield LEFT_OUT, count, {**about, "sluiceway.outcome": outcome}
        for outcome, losses in stage.losses.items():
            for reason, count in self._bounded(stage.name, outcome, losses).items():
                why = {"sluiceway.outcome": outcome, "sluiceway.reason": reason}
                yield LOST, count, {**about, **why}
        yield HELD, stage.held, {**about}
        if stage.queue_capacity is not None:
            yield QUEUE_SIZE, stage.queue_used, {**about}
            yield QUEUE_CAPACITY, stage.queue_capacity, {**about}
            yield WAIT, buckets(stage.waits), {**about}
        if stage.kind == "sink":
            yield RETRIES, stage.retries, {**about}
            yield IN_FLIGHT, stage.in_flight, {**about}
            yield from writes(stage, about)
        elif stage.kind != "source":
            yield DURATION, buckets(stage.calls), {**about}
            if stage.holds is not None:
                yield HOLD, buckets(stage.holds), {**about}

    def _bounded(
        self, stage: str, outcome: str, losses: Mapping[str, int]
    ) -> Counter[str]:
        """Losses by reason; those that come after many others share one word."""
        known = self._reasons.setdefault((stage, outcome), {})
        told: Counter[str] = Counter()
        for reason, count in losses.items():
            if len(known) < MOST_REASONS:
                known[reason] = None
            told[reason if reason in known else OTHER] += count
        return told


def attributes_of(pipeline: str, stage: StageStatistics) -> dict[str, Any]:
    """What tells the series of one stage from those of others."""
    return {
        "sluiceway.pipeline.name": pipeline,
        "sluiceway.stage.name": stage.name,
        "sluiceway.stage.kind": stage.kind,
    }


def writes(
    stage: StageStatistics, about: dict[str, Any]
) -> Iterator[tuple[Metric, Histogram, dict[str, Any]]]:
    """The durations of a sink's writes: without an error, and by its type."""
    component = {
        **about,
        "otel.component.name": stage.name,
        "otel.component.type": stage.type,
    }
    delivered = stage.calls
    for reason, failed in stage.failures.items():
        delivered = delivered.without(failed)
        yield WRITE, buckets(failed), {**component, "error.type": reason}
    yield WRITE, buckets(delivered), component


def buckets(latency: Latency) -> Histogram:
    """Durations in explicit buckets."""
    return Histogram(
        count=latency.count,
        sum=latency.total,
        bucket_counts=latency.counts_below(BOUNDS),
        explicit_bounds=[*BOUNDS],
    )
