"""PipelineMetricsSource: what a pipeline does, as metrics."""

from __future__ import annotations

from ..beside import beside
from ..errors import ConfigurationError
from ..events import NO_RESOURCE, MetricPoint, Resource
from ..formats.pipeline_metrics import Teller
from ..reports import Watched
from ..settings import Seconds
from ..stages import StageContext
from .interval import IntervalSource


class PipelineMetricsSource(IntervalSource[MetricPoint]):
    """Tells what its own pipeline does: at an interval, on a flush, and a last time.

    Events by stage (incoming, outgoing, left out and lost, with outcome and reason),
    how full queues are, how long batches waited, stages took and accumulators held, a
    sink's retries and writes under way; cumulative since the pipeline was made. The
    time of a sink's writes is ``otel.sdk.exporter.operation.duration`` of
    OpenTelemetry's semantic conventions, the others are ``sluiceway.*``. It never
    counts itself: what it sends is in the ledger, and neither its events nor the
    batches, writes and times that they cause are in any of its metrics. Stages where
    only its own events come are left out.

    Args:
        interval: seconds between two looks; default 60.
        pipeline: another pipeline to tell of. What is told of another one is an
            ordinary event here.
        resource: what the metrics are about, such as ``telemetry.resource``; by default
            the pipeline's.
        name: the stage's name.

    Raises:
        ConfigurationError: no pipeline, or no positive interval.
    """

    def __init__(
        self,
        interval: Seconds = 60.0,
        *,
        pipeline: Watched | None = None,
        resource: Resource | None = None,
        name: str | None = None,
    ) -> None:
        number = isinstance(interval, int | float) and not isinstance(interval, bool)
        if not number or not 0 < interval < float("inf"):
            raise ConfigurationError(
                f"PipelineMetricsSource.interval is {interval!r}; "
                "expected seconds above 0"
            )
        if pipeline is not None and not hasattr(pipeline, "began_unix_nano"):
            raise ConfigurationError(
                f"PipelineMetricsSource.pipeline is {pipeline!r}; expected a Pipeline"
            )
        super().__init__(name, interval)
        self.tells_of_pipeline = pipeline is None
        self._watched = pipeline
        self._resource = resource
        self._teller = Teller(resource or NO_RESOURCE)

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's clock, and what is not told otherwise."""
        await super().open(context)
        if self.tells_of_pipeline:
            self._watched = context.pipeline
        if self._resource is None and context.resource is not None:
            self._teller.resource = context.resource

    async def gather(self) -> list[MetricPoint]:
        """All points, as of now."""
        watched = self._watched
        if watched is None:  # it was opened by a test
            return []
        if self.tells_of_pipeline:
            stages = watched.statistics()
        else:  # its loop may be another one, and busy
            stages = await beside(watched.statistics, "sluiceway-pipeline-metrics")
        now = self._clock.time_ns()
        began = min(watched.began_unix_nano, now)
        return self._teller.points(watched.name, began, now, stages)

    def __repr__(self) -> str:
        told = "its pipeline" if self.tells_of_pipeline else repr(self._watched)
        return f"<PipelineMetricsSource of {told} every {self.interval:g} s>"
