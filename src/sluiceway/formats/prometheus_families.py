"""Prometheus metric families become metric points.

Law: pure; what cannot be understood is left out, alone. Buckets are counted each for
itself, not with those below. Source: OpenTelemetry specification, page
``compatibility/prometheus_and_openmetrics``, "Prometheus Metric points to OTLP".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from attrs import define, field, frozen

from ..events import (
    NO_RESOURCE,
    NO_SCOPE,
    Exemplar,
    Histogram,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Summary,
)
from .prometheus_names import UNITS

UCUM = {word: unit for unit, word in UNITS.items() if word and unit != "KBy"}
OF_BUCKETS = {"histogram": "le", "summary": "quantile"}
ID_LABELS = ("trace_id", "span_id")
LATEST = 2**63  # nanoseconds; OTLP's numbers end there
ID_SIZES = {"trace_id": 16, "span_id": 8}


class PrometheusFamily(Protocol):
    """One family, as prometheus_client has it."""

    name: str
    documentation: str
    type: str
    unit: str
    samples: Iterable[Any]


@frozen
class Origin:
    """What the points of one look at a registry share."""

    time_unix_nano: int
    resource: Resource = NO_RESOURCE
    scope: Scope = NO_SCOPE


@define
class Series:
    """The samples of one series, by what comes after the family's name."""

    attributes: dict[str, str]
    values: dict[str, float] = field(factory=dict)
    parts: dict[float, float] = field(factory=dict)  # by bound or quantile
    exemplars: list[Exemplar] = field(factory=list)
    time: int = 0


def points_of(family: PrometheusFamily, origin: Origin) -> Iterator[MetricPoint]:
    """The points of a family, one for each series.

    A counter is a monotonic sum, a gauge or unknown metric a gauge, an info or stateset
    a sum that may fall; ``_created`` is when a series began.
    """
    shape = SHAPES.get(family.type)
    if shape is None:
        return
    kind, name_of, value_of = shape
    for series in series_of(family):
        try:
            value = value_of(series)
            created = series.values.get("_created", 0)
            start = nanoseconds(created) if created > 0 else 0
        except (ValueError, OverflowError):  # a count that is no number
            continue
        if value is None:
            continue
        yield MetricPoint(
            name=name_of(family.name),
            value=value,
            kind=kind,
            unit=UCUM.get(family.unit, family.unit),
            description=family.documentation,
            attributes={**series.attributes},
            time_unix_nano=series.time or origin.time_unix_nano,
            start_time_unix_nano=start,
            is_monotonic=family.type == "counter",
            exemplars=series.exemplars,
            metadata={"prometheus.type": family.type},
            resource=origin.resource,
            scope=origin.scope,
        )


def series_of(family: PrometheusFamily) -> list[Series]:
    """The samples of a family, sorted by their labels."""
    apart = OF_BUCKETS.get(family.type)
    found: dict[tuple[tuple[str, str], ...], Series] = {}
    for sample in family.samples:
        with suppress(ValueError, OverflowError):  # a bound, a time that is no number
            enter(found, sample, family.name, apart)
    return list(found.values())


def enter(
    found: dict[tuple[tuple[str, str], ...], Series],
    sample: Any,
    name: str,
    apart: str | None,
) -> None:
    """Put a sample to the others of its series.

    Raises:
        ValueError: its bound or quantile, or its time, means nothing.
        OverflowError: likewise.
    """
    told = sample.labels or {}  # a native histogram without labels has None
    labels = {key: text for key, text in told.items() if text}
    part = labels.pop(apart, None) if apart else None
    bound = None if part is None else float(part)
    time = None if sample.timestamp is None else nanoseconds(sample.timestamp)
    key = tuple(sorted(labels.items()))
    series = found.setdefault(key, Series(labels))
    if time is not None:
        series.time = time
    if sample.exemplar is not None:
        series.exemplars.append(exemplar_of(sample.exemplar))
    if bound is None:
        series.values[sample.name.removeprefix(name)] = sample.value
    else:
        series.parts[bound] = sample.value


def plain(suffix: str) -> Callable[[Series], float | None]:
    """The value of the sample with that suffix."""
    return lambda series: series.values.get(suffix)


def histogram_of(series: Series) -> Histogram | None:
    """The buckets, each counted for itself; what races made fall is levelled."""
    if not series.parts:
        return None
    total = int(series.values.get("_count", 0))
    rising = sorted(
        {**series.parts, math.inf: series.parts.get(math.inf, total)}.items()
    )
    counts: list[int] = []
    below = 0
    for _, upto in rising:
        counts.append(max(int(upto) - below, 0))
        below = max(int(upto), below)
    return Histogram(
        count=below,
        sum=series.values.get("_sum"),
        bucket_counts=counts,
        explicit_bounds=[bound for bound, _ in rising[:-1]],
    )


def summary_of(series: Series) -> Summary | None:
    """The quantiles, the count and the sum."""
    if "_count" not in series.values and not series.parts:
        return None
    return Summary(
        count=int(series.values.get("_count", 0)),
        sum=series.values.get("_sum", 0.0),
        quantiles=sorted(series.parts.items()),
    )


def exemplar_of(exemplar: Any) -> Exemplar:
    """An exemplar; labels that are a trace's ids become such."""
    labels = dict(exemplar.labels)
    ids = {name: identifier(labels, name) for name in ID_LABELS}
    time = exemplar.timestamp
    return Exemplar(
        value=exemplar.value,
        time_unix_nano=0 if time is None else nanoseconds(time),
        filtered_attributes=labels,
        **ids,
    )


def identifier(labels: dict[str, str], name: str) -> bytes:
    """The id that is taken out of the labels; empty if they have none."""
    try:
        found = bytes.fromhex(labels.get(name, ""))
    except ValueError:
        return b""
    if len(found) != ID_SIZES[name]:
        return b""
    del labels[name]
    return found


def nanoseconds(seconds: Any) -> int:
    """Nanoseconds out of a float, or of prometheus_client's own time stamp.

    Raises:
        ValueError: no time of this age.
        OverflowError: likewise.
    """
    whole = getattr(seconds, "sec", None)
    if whole is None:
        time = round(float(seconds) * 1e9)
    else:
        time = int(whole) * 1_000_000_000 + int(seconds.nsec)
    if not 0 <= time < LATEST:
        raise ValueError(f"{seconds!r} is no time")
    return time


def same(name: str) -> str:
    """The family's own name."""
    return name


def info_name(name: str) -> str:
    """The name of an info metric's samples."""
    return f"{name}_info"


# By type: what it becomes, under which name, and its value.
SHAPES: Mapping[
    str, tuple[MetricKind, Callable[[str], str], Callable[[Series], Any]]
] = {
    "counter": (MetricKind.SUM, same, plain("_total")),
    "gauge": (MetricKind.GAUGE, same, plain("")),
    "unknown": (MetricKind.GAUGE, same, plain("")),
    "info": (MetricKind.SUM, info_name, plain("_info")),
    "stateset": (MetricKind.SUM, same, plain("")),
    "histogram": (MetricKind.HISTOGRAM, same, histogram_of),
    "summary": (MetricKind.SUMMARY, same, summary_of),
}
