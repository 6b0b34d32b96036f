"""HealthMetrics: what health checks found, as metric points.

Law: pure. Each result becomes a whole set of points, so that no series of a check tells
an older status than another. Source: OpenTelemetry semantic conventions, "State
Metrics"; OpenMetrics 1.0, "StateSet".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ..calls import change_each
from ..errors import PermanentError
from ..events import (
    NO_RESOURCE,
    HealthCheck,
    HealthStatus,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
)
from ..stages import Processor, StageContext

SCOPE: Final = Scope("sluiceway.health")
NAME: Final = "health.check.name"
STATE: Final = "health.check.state"
MOST: Final = 2000  # checks whose results are counted


class HealthMetrics(Processor[HealthCheck, MetricPoint]):
    """Makes metric points of the results of health checks.

    For each result: ``health.check.status``, 1 for the status that the check has and 0
    for the others, by ``health.check.name`` and ``health.check.state``;
    ``health.check.duration`` in seconds; and ``health.check.results``, which counts
    results by status. To Prometheus they are ``health_check_status``,
    ``health_check_duration_seconds`` and ``health_check_results_total``. What is no
    ``HealthCheck`` is rejected alone, as ``not_a_health_check``; so are the results of
    more than 2,000 checks, as ``too_many_checks``. The last result of a check
    ends its series and makes room; should it come again, its results are counted from
    then on.

    Args:
        resource: what the metrics are about; by default the pipeline's.
        name: the stage's name.
    """

    mutates = False

    def __init__(
        self, *, resource: Resource | None = None, name: str | None = None
    ) -> None:
        self.name = name
        self._given = resource
        self._resource = resource or NO_RESOURCE
        self._since = 0
        self._counts: dict[str, tuple[int, Counter[HealthStatus]]] = {}

    async def open(self, context: StageContext) -> None:
        """Take the pipeline's resource, and the time from which results count."""
        self._resource = self._given or context.resource or NO_RESOURCE
        if not self._since:
            self._since = context.clock.time_ns()

    def process(self, events: list[HealthCheck]) -> list[MetricPoint]:
        """The points of each result."""
        return change_each(self._points_of, events, self.name)

    def _points_of(self, check: HealthCheck) -> list[MetricPoint]:
        if not isinstance(check, HealthCheck):
            kind = type(check).__name__
            raise PermanentError(
                f"expected a HealthCheck, got a {kind}", reason="not_a_health_check"
            )
        since, counts = self._counted(check.name)
        counts[HealthStatus(check.status)] += 1
        points = [*self._points(check, since, counts)]
        if check.is_last:
            del self._counts[check.name]
            self._since = max(self._since, check.time_unix_nano)
            for point in points:
                point.value = None  # which ends its series
        return points

    def _counted(self, name: str) -> tuple[int, Counter[HealthStatus]]:
        """Since when a check's results are counted, and how many there are."""
        if name not in self._counts:
            if len(self._counts) >= MOST:
                raise PermanentError(
                    f"there are more than {MOST} checks", reason="too_many_checks"
                )
            self._counts[name] = self._since, Counter()
        return self._counts[name]

    def _points(
        self, check: HealthCheck, since: int, counts: Counter[HealthStatus]
    ) -> Iterator[MetricPoint]:
        for status in HealthStatus:
            yield self._point(
                check,
                {STATE: status.value},
                name="health.check.status",
                description="1 for the status that the check has, 0 for the others.",
                unit="1",
                value=int(status is check.status),
                kind=MetricKind.SUM,
                start_time_unix_nano=since,
            )
        for status, count in counts.items():
            yield self._point(
                check,
                {STATE: status.value},
                name="health.check.results",
                description="Results of the check, by what they said.",
                unit="{result}",
                value=count,
                kind=MetricKind.SUM,
                is_monotonic=True,
                start_time_unix_nano=since,
            )
        yield self._point(
            check,
            {},
            name="health.check.duration",
            description="How long the latest run of the check took.",
            unit="s",
            value=check.duration,
            kind=MetricKind.GAUGE,
        )

    def _point(
        self, check: HealthCheck, attributes: dict[str, str], **settings: Any
    ) -> MetricPoint:
        return MetricPoint(
            attributes={NAME: check.name, **attributes},
            time_unix_nano=check.time_unix_nano,
            resource=self._resource,
            scope=SCOPE,
            **settings,
        )
