"""FlextMetricsService: measurements, questions about them, and their export.

Law: an operation returns a ``FlextResult`` and raises nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from logging import getLogger
from typing import Any, Final, Unpack, cast, overload

from attrs import evolve, frozen

from sluiceway import Ledger, PartialError

from . import validation
from .aggregates import AGGREGATIONS, Aggregate
from .api import MetricOptions, flext_create_metric
from .backend import NAME, PAGE
from .creating import refused, understood
from .exceptions import FlextValidationError, shown
from .models import COUNT, FlextMetric
from .process import OfBackend
from .result import FlextFailure, FlextResult

SERVICE: Final = "service"  # the tag of what is collected
LOST: Final = "lost"
NO_SERIES: Final = "no_series"
CONFIGURED: Final = {"value": 0.0, "unit": COUNT, "tags": None, "metric_type": None}


class RecordOptions(MetricOptions, total=False):
    """What a measurement may be told besides."""

    tags: Mapping[str, str]
    timestamp: datetime


class NamedOptions(RecordOptions, total=False):
    """The same, where the name of the metric is told by its name, too."""

    name: str


class FlextMetricsService(OfBackend):
    """Records metrics and answers questions about them.

    Services are cheap: all that are made without a backend share that of the process.

    Args:
        backend: what to record into; by default the one of the process.
    """

    @overload
    async def record_metric(self, metric: FlextMetric) -> FlextResult[FlextMetric]: ...

    @overload
    async def record_metric(
        self,
        name: str,
        value: float | Decimal,
        unit: str = "count",
        **options: Unpack[RecordOptions],
    ) -> FlextResult[FlextMetric]: ...

    async def record_metric(self, *told: Any, **named: Any) -> FlextResult[FlextMetric]:
        """Record a measurement: a ``FlextMetric``, or its name, value and unit.

        Args:
            *told: ``metric``: the measurement. Or ``name`` of the metric, ``value``: a
                finite number, of a counter from 0, and ``unit``: ``"count"`` (default)
                makes a counter, any other a gauge.
            **named: the same by their names; ``tags``, ``timestamp`` (now by default),
                ``metric_type``.

        Returns:
            What was recorded; a failure if it cannot be meant, contradicts what the
            metric was before, or nothing can be recorded now. Beside a ``FlextMetric``
            nothing else may be told.
        """
        return self.record(*told, **named)

    def record(
        self,
        metric: Any = None,
        value: Any = None,
        unit: str = "count",
        **options: Unpack[NamedOptions],
    ) -> FlextResult[FlextMetric]:
        """As ``record_metric``, for programs without an event loop."""
        told = understood(lambda: meant(metric, value, unit, options))
        return told.flat_map(lambda made: made).flat_map(self._record)

    def _record(self, metric: FlextMetric) -> FlextResult[FlextMetric]:
        return self._recorded([metric]).map(lambda _: metric)

    def _recorded(self, metrics: Sequence[FlextMetric]) -> FlextResult[None]:
        backend = self.backend
        if not backend.ready():
            return backend.refusal()
        return backend.instruments.record(metrics)

    async def collect_metrics(
        self, service_name: str, metrics_config: Mapping[str, Mapping[str, Any]]
    ) -> FlextResult[list[FlextMetric]]:
        """Record several measurements of a service: all of them, or none.

        Args:
            service_name: becomes the tag ``service`` of each.
            metrics_config: by name: ``value`` (default 0.0), ``unit`` (``"count"``),
                ``tags`` and ``metric_type``.
        """
        return self.collect(service_name, metrics_config)

    def collect(
        self, service_name: str, metrics_config: Mapping[str, Mapping[str, Any]]
    ) -> FlextResult[list[FlextMetric]]:
        """As ``collect_metrics``, for programs without an event loop."""
        named = understood(lambda: validation.text("service_name", service_name))
        found = named.flat_map(lambda name: measurements(name, metrics_config))
        return found.flat_map(lambda all_: self._recorded(all_).map(lambda _: all_))

    async def aggregate(
        self,
        name: str,
        aggregation: str = "sum",
        tags: Mapping[str, str] | None = None,
    ) -> FlextResult[float]:
        """What a metric measured since the beginning, over all of its series.

        Args:
            name: of the metric.
            aggregation: sum (default), count, avg, min, max or last.
            tags: only series that have these; ``""`` for those without the tag.
        """
        found = await self.aggregate_by(name, (), aggregation, tags)
        return found.flat_map(lambda groups: only(groups, name, tags))

    async def aggregate_by(
        self,
        name: str,
        group_by: Sequence[str],
        aggregation: str = "sum",
        tags: Mapping[str, str] | None = None,
    ) -> FlextResult[dict[tuple[str, ...], float]]:
        """The same by tags: for each combination of their values that there is.

        Args:
            name: of the metric.
            group_by: names of tags; one that a series does not have has the value "".
            aggregation: sum (default), count, avg, min, max or last.
            tags: only series that have these.
        """
        asked = understood(lambda: question(name, group_by, aggregation, tags))
        instruments = self.backend.instruments
        return asked.flat_map(
            lambda all_: instruments.grouped(all_.name, all_.tags, all_.group_by).map(
                lambda groups: {key: all_.answer(groups[key]) for key in groups}
            )
        )

    async def exposition(self) -> FlextResult[str]:
        """All metrics as of now, in Prometheus's text format 0.0.4.

        One whose unit makes its name that of another is left out, and logged.
        """
        from sluiceway.sinks import PrometheusSink  # noqa: PLC0415 - it loads aiohttp

        page = PrometheusSink(port=None)
        try:
            await page.write(self.backend.telemetry.collect())
        except PartialError as error:
            for why in error.failed.values():
                getLogger(NAME).warning("%s", why)
        scrape = await page.scrape(None, None)
        return FlextResult.ok(scrape.body.decode())

    async def push(self, timeout: float | None = None) -> FlextResult[None]:
        """Send all metrics to the endpoints now, and wait until they have them.

        Args:
            timeout: seconds; the configuration's ``drain_timeout`` by default.

        Returns:
            A failure if that took longer, or if an endpoint refused something
            meanwhile, of whatever kind; it is named, with the reason.
        """
        backend = self.backend
        if not backend.ready():
            return backend.refusal()
        before = losses_of(backend.ledger())
        flushed = await asyncio.to_thread(backend.flush, timeout)
        return flushed.flat_map(lambda _: arrived(losses_of(backend.ledger()) - before))


def losses_of(ledger: Ledger | None) -> Counter[str]:
    """How many events did not arrive, by endpoint and reason."""
    losses = {} if ledger is None else ledger.losses
    return Counter(
        {
            f"{stage} {reason}": count
            for stage, reasons in losses.items()
            for reason, count in reasons.items()
            if stage != PAGE
        }
    )


def arrived(lost: Counter[str]) -> FlextResult[None]:
    """A success if nothing was lost."""
    if not lost:
        return FlextResult.ok(None)
    told = ", ".join(f"{count} by {where}" for where, count in lost.items())
    return FlextResult.fail(f"not all has arrived: events lost: {told}", LOST)


def meant(
    metric: Any, value: Any, unit: Any, options: NamedOptions
) -> FlextResult[FlextMetric]:
    """The measurement that somebody tells, as one or by its name.

    Raises:
        FlextValidationError: more is told than can be followed.
    """
    if isinstance(metric, FlextMetric):
        besides = {"value": value, "unit": None if unit == COUNT else unit, **options}
        for field, more in besides.items():
            if more is not None:
                expected = "it left out, as the FlextMetric tells it all"
                raise FlextValidationError(field, more, expected)
        return FlextResult.ok(metric if is_as_made(metric.tags) else evolve(metric))
    name, tags = options.pop("name", metric), options.pop("tags", None)
    if metric is not None and name is not metric:
        known = shown("metric", metric)
        expected = f"it left out, as the metric is told to be {known}"
        raise FlextValidationError("name", name, expected)
    rest = cast("MetricOptions", options)
    return flext_create_metric(name, value, unit, tags, **rest)


def is_as_made(tags: Mapping[Any, Any]) -> bool:
    """Whether the tags of a metric, which is a dict, are texts as when it was made."""
    return all(type(key) is str and type(tags[key]) is str for key in tags)


@frozen
class Question:
    """What is asked of a metric.

    Attributes:
        name: of the metric.
        group_by: names of tags.
        answer: what makes a number of what was measured.
        tags: only of series that have these.
    """

    name: str
    group_by: Sequence[str]
    answer: Callable[[Aggregate], float]
    tags: Mapping[str, str]


def question(
    name: object, group_by: object, aggregation: object, tags: object
) -> Question:
    """What somebody asks.

    Raises:
        FlextValidationError: that cannot be meant.
    """
    names = [group_by] if isinstance(group_by, str) else group_by
    if not isinstance(names, list | tuple | set | frozenset):
        raise FlextValidationError("group_by", group_by, "names of tags")
    return Question(
        validation.text("name", name),
        [validation.tag_name("group_by", each) for each in names],
        AGGREGATIONS[validation.one_of("aggregation", aggregation, AGGREGATIONS)],
        validation.tags("tags", tags),
    )


def measurements(
    service: str, configured: Mapping[str, Mapping[str, Any]]
) -> FlextResult[list[FlextMetric]]:
    """The measurements that a configuration tells, or the first failure among them."""
    if not isinstance(configured, Mapping) or not configured:
        error = FlextValidationError(
            "metrics_config", configured, "a mapping of names to values, not empty"
        )
        return refused(error)
    found: list[FlextMetric] = []
    for name, told in configured.items():
        created = understood(partial(settings_of, name, told)).flat_map(
            lambda settings: measurement(service, settings)
        )
        if isinstance(created, FlextFailure):
            return created
        found.append(created.value)
    return FlextResult.ok(found)


def settings_of(name: object, told: object) -> dict[str, Any]:
    """What a configuration tells of one metric."""
    field = f"metrics_config[{shown('name', name)}]"
    if not isinstance(told, Mapping):
        raise FlextValidationError(field, told, "a mapping with a value")
    for key in told:
        if key not in CONFIGURED:
            expected = f"one of {', '.join(CONFIGURED)}"
            raise FlextValidationError(
                f"a setting of {field}", key, expected, CONFIGURED
            )
    return {"name": name, **CONFIGURED, **told}


def measurement(service: str, settings: dict[str, Any]) -> FlextResult[FlextMetric]:
    """A measurement with the tag of its service."""
    kind = settings.pop("metric_type")
    options = {"metric_type": kind} if kind else {}
    place = shown("name", settings["name"])
    return (
        flext_create_metric(**settings, **options)
        .flat_map(lambda metric: understood(lambda: of_service(metric, service)))
        .map_error(lambda text: f"metrics_config[{place}]: {text}")
    )


def of_service(metric: FlextMetric, service: str) -> FlextMetric:
    """The measurement with the tag of its service.

    Raises:
        FlextValidationError: it has that of another one.
    """
    told = metric.tags.get(SERVICE, service)
    if told != service:
        expected = f"{service!r}, or it left out"
        raise FlextValidationError(f"tags[{SERVICE!r}]", told, expected)
    return evolve(metric, tags={**metric.tags, SERVICE: service})


def only(
    groups: Mapping[tuple[str, ...], float], name: str, tags: object
) -> FlextResult[float]:
    """The one group that there is, if there is any."""
    if groups:
        return FlextResult.ok(groups[()])
    return FlextResult.fail(f"no series of {name!r} has the tags {tags!r}", NO_SERIES)
