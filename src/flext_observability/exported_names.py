"""Exported names: what Prometheus knows a metric by, and which are taken beforehand.

Law: of two metrics that have a name in common one would be lost, or both would be one.
Instrument names have no case (OpenTelemetry specification, ``metrics/api.md``), and so
none of these has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from sluiceway import MetricPoint
from sluiceway.events import MetricKind

from .models import COUNT, FlextMetric

DURATION: Final = "flext.function.duration"
ERRORS: Final = "flext.function.errors"
OF_THE_BACKEND: Final = (  # name, unit and kind of the metrics that it measures itself
    (DURATION, "s", "histogram"),
    (ERRORS, "{error}", "counter"),
    ("health.check.status", "1", "gauge"),
    ("health.check.results", "{result}", "counter"),
    ("health.check.duration", "s", "gauge"),
)
ABOUT: Final = "target_info"  # what the metrics are about, on every page
OWN_PREFIX: Final = "sluiceway."  # of what becomes of the telemetry itself
KINDS: Final = {
    "counter": MetricKind.SUM,
    "gauge": MetricKind.GAUGE,
    "histogram": MetricKind.HISTOGRAM,
}


def unit_of(metric: FlextMetric) -> str:
    """The unit as it is exported; that of a count is an annotation of UCUM's."""
    return "{count}" if metric.unit == COUNT else metric.unit


def exported_names(metric: FlextMetric) -> set[str]:
    """The names that samples of a metric may have."""
    return names_of(metric.name, unit_of(metric), metric.metric_type)


def names_of(name: str, unit: str, kind: str) -> set[str]:
    """The same for a metric of this name, unit and kind."""
    from sluiceway.sinks import PrometheusSink  # noqa: PLC0415 - it loads aiohttp

    point = MetricPoint(
        name=name,
        value=None,
        unit=unit,
        kind=KINDS[kind],
        is_monotonic=kind == "counter",
    )
    return {each.lower() for each in PrometheusSink.sample_names(point)}


class Labels:
    """The labels of one metric, each for one tag.

    Args:
        limit: how many are remembered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tags: set[str] = set()
        self._owners: dict[str, str] = {}  # tags by their labels

    def refusal(self, metric: FlextMetric) -> str:
        """Why two tags would be one label; ``""`` if none would."""
        if metric.tags.keys() <= self._tags:
            return ""
        owners: dict[str, str] = {}
        for tag in metric.tags:
            label = label_of(tag)
            owner = self._owners.get(label) or owners.setdefault(label, tag)
            if owner != tag:
                return (
                    f"the tag {tag!r} of the metric {metric.name!r} would be exported "
                    f"as the label {label!r}, which the tag {owner!r} is already"
                )
        return ""

    def take(self, tags: Iterable[str]) -> None:
        """Remember tags of which none was refused."""
        for tag in tags:
            if tag not in self._tags and len(self._tags) < self._limit:
                self._tags.add(tag)
                self._owners[label_of(tag)] = tag


def label_of(tag: str) -> str:
    """What a tag is called as a label."""
    from sluiceway.sinks import PrometheusSink  # noqa: PLC0415 - it loads aiohttp

    return PrometheusSink.label_name(tag)


def reserved(metric: FlextMetric, names: Iterable[str]) -> str:
    """Why a metric with these names would be in the backend's way; ``""`` if not."""
    own = metric.name.lower()
    owners = (taken().get(name) for name in (own, *names))
    owner = next(filter(None, owners), "")
    if own.startswith(OWN_PREFIX):
        owner = f"{OWN_PREFIX}*"
    if not owner:
        return ""
    return (
        f"the metric {metric.name!r} would be taken for {owner!r}, which the backend "
        "measures itself"
    )


@cache
def taken() -> Mapping[str, str]:
    """What the backend exports itself, by its names and those of the samples."""
    found = {
        name: owner
        for owner, unit, kind in OF_THE_BACKEND
        for name in {owner, *names_of(owner, unit, kind)}
    }
    return {**found, ABOUT: ABOUT, ABOUT.removesuffix("_info"): ABOUT}
