"""One metric point becomes the samples of a Prometheus family.

Law: pure; a point that Prometheus could not take raises ``ValueError`` and says why.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate, pairwise
from typing import Any

from attrs import frozen
from prometheus_client.samples import Exemplar as PrometheusExemplar
from prometheus_client.utils import floatToGoString

from ..events import (
    Exemplar,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Summary,
)
from .histograms import explicit
from .prometheus_names import labels_of, metric_name

LONGEST_EXEMPLAR = 128  # characters of all label names and values, by OpenMetrics

# A plain tuple, because the garbage collector lets plain tuples of plain values alone,
# and a page may have a hundred thousand of them.
Sample = tuple[str, float, tuple[str, str] | None, PrometheusExemplar | None]

SUFFIXES = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_count", "_sum", "_created"),
    "summary": ("", "_count", "_sum", "_created"),
    "info": ("", "_info"),
}


@frozen
class Family:
    """What a point's family is called and what type it has."""

    name: str
    unit: str
    type: str

    def sample_names(self) -> list[str]:
        """Every name that a sample of the family could have."""
        return [self.name + suffix for suffix in SUFFIXES[self.type]]


def sample(
    suffix: str,
    value: float,
    label: tuple[str, str] | None = None,
    exemplar: PrometheusExemplar | None = None,
) -> Sample:
    """One line: a suffix to the family's name, a value, a label of its own."""
    return suffix, float(value), label, exemplar


def family_of(point: MetricPoint) -> Family:
    """The family of a point, by its name, unit and kind."""
    counter = point.kind == MetricKind.SUM and point.is_monotonic
    name, unit = metric_name(point.name, point.unit, counter=counter)
    if not name:
        raise ValueError("no character of its name can stand in Prometheus")
    if point.kind in (MetricKind.HISTOGRAM, MetricKind.EXPONENTIAL_HISTOGRAM):
        return Family(name, unit, "histogram")
    if point.kind == MetricKind.SUMMARY:
        return Family(name, unit, "summary")
    return Family(name, unit, "counter" if counter else "gauge")


def samples_of(point: MetricPoint, family: Family, *, strict: bool) -> list[Sample]:
    """The samples of a point that has a value.

    Args:
        point: the point.
        family: the point's family.
        strict: keep OpenMetrics' rules too: exemplars, and no sum that could shrink.
    """
    value = checked_value(point, family)
    if isinstance(value, Histogram):
        return histogram_samples(value, point.exemplars, strict=strict)
    if isinstance(value, Summary):
        return summary_samples(value, strict=strict)
    if family.type == "counter":
        return [counter_sample(value, point.exemplars, strict=strict)]
    return [sample("", value)]


def checked_value(point: MetricPoint, family: Family) -> Any:
    """The value as the samples are made of it, if the family can show it.

    Raises:
        ValueError: it cannot.
    """
    value = point.value
    if isinstance(value, ExponentialHistogram):
        value = explicit_value(value)
    shown = SHOWN[family.type]
    if not isinstance(value, shown):
        kind = type(value).__name__
        raise ValueError(f"its value is a {kind}, it is a {family.type}")  # noqa: TRY004
    CHECKS[family.type](value)
    return value


def explicit_value(value: ExponentialHistogram) -> Histogram:
    """The same measurements in explicit buckets.

    Raises:
        ValueError: no number is fine enough for its scale.
    """
    try:
        return explicit(value)
    except ArithmeticError:
        raise ValueError(f"it has the scale {value.scale}") from None


def check_number(value: float) -> None:
    """Refuse a number that is no float."""
    try:
        float(value)
    except OverflowError:
        raise ValueError("its value is too large for a float") from None


def check_counter(value: float) -> None:
    """Refuse the total of a counter that is negative or no number."""
    if not value >= 0:
        raise ValueError(f"it is a counter and its value is {value!r}")
    check_number(value)


def check_histogram(value: Histogram) -> None:
    """Refuse buckets that do not fit their bounds."""
    bucket_counts(value)
    check_rising([bound for bound in value.explicit_bounds if bound != math.inf])


def check_summary(value: Summary) -> None:
    """Refuse quantiles that are none, and a negative count."""
    check_rising([quantile for quantile, _ in value.quantiles])
    for quantile, _ in value.quantiles:
        if not 0 <= quantile <= 1:
            raise ValueError(f"it has the quantile {quantile!r}")
    if value.count < 0:
        raise ValueError(f"it counts {value.count}")


SHOWN: Mapping[str, Any] = {
    "counter": int | float,
    "gauge": int | float,
    "histogram": Histogram,
    "summary": Summary,
}
CHECKS: Mapping[str, Callable[[Any], None]] = {
    "counter": check_counter,
    "gauge": check_number,
    "histogram": check_histogram,
    "summary": check_summary,
}


def counter_sample(value: float, exemplars: list[Exemplar], *, strict: bool) -> Sample:
    """The total of a counter."""
    shown = readable(exemplars) if strict else []
    return sample("_total", value, exemplar=exemplar_of(shown[-1]) if shown else None)


def histogram_samples(
    value: Histogram, exemplars: list[Exemplar], *, strict: bool
) -> list[Sample]:
    """Cumulative buckets, and count and sum as far as the format allows them."""
    bounds = [bound for bound in value.explicit_bounds if bound != math.inf]
    counts = bucket_counts(value)
    totals = list(accumulate([*counts[: len(bounds)], sum(counts[len(bounds) :])]))
    marks = exemplars_by_bucket(exemplars, bounds) if strict else {}
    samples = [
        sample("_bucket", total, ("le", canonical(bound)), marks.get(index))
        for index, (bound, total) in enumerate(
            zip([*bounds, math.inf], totals, strict=True)
        )
    ]
    falling = bool(bounds) and bounds[0] < 0
    return samples + ends(totals[-1], value.sum, strict=strict, falling=falling)


def bucket_counts(value: Histogram) -> list[int]:
    """The counts, checked; a histogram without buckets has one for everything."""
    counts = value.bucket_counts
    if not counts and not value.explicit_bounds:
        counts = [value.count]
    if len(counts) != len(value.explicit_bounds) + 1:
        raise ValueError(
            f"it has {len(counts)} buckets for {len(value.explicit_bounds)} bounds"
        )
    if min(counts) < 0:
        raise ValueError(f"a bucket of it counts {min(counts)}")
    return counts


def summary_samples(value: Summary, *, strict: bool) -> list[Sample]:
    """Quantiles, and count and sum as far as the format allows them."""
    samples = [
        sample("", result, ("quantile", canonical(quantile)))
        for quantile, result in value.quantiles
        if not (strict and result < 0)
    ]
    return samples + ends(value.count, value.sum, strict=strict, falling=False)


def ends(
    count: int, total: float | None, *, strict: bool, falling: bool
) -> list[Sample]:
    """Count and sum; strictly both or none, and none where the sum may fall."""
    if strict and (falling or total is None or not total >= 0):
        return []
    samples = [sample("_count", count)]
    if total is not None:
        samples.append(sample("_sum", total))
    return samples


def canonical(number: float) -> str:
    """A bound or quantile as both formats write it, such as ``0.5`` or ``+Inf``."""
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]


def check_rising(numbers: list[float]) -> None:
    """Refuse bounds or quantiles that are out of order."""
    for low, high in pairwise(numbers):
        if not low < high:
            raise ValueError(f"{low!r} stands before {high!r} in it")
    if any(math.isnan(number) for number in numbers):
        raise ValueError("a bound of it is NaN")


def exemplars_by_bucket(
    exemplars: Iterable[Exemplar], bounds: list[float]
) -> dict[int, PrometheusExemplar]:
    """The last exemplar of each bucket."""
    return {
        bisect_left(bounds, exemplar.value): exemplar_of(exemplar)
        for exemplar in readable(exemplars)
        if not math.isnan(exemplar.value)
    }


def readable(exemplars: Iterable[Exemplar]) -> list[Exemplar]:
    """The exemplars whose value is a number that a float can be.

    An exemplar is not worth its series.
    """
    return [one for one in exemplars if is_float(one.value)]


def is_float(value: Any) -> bool:
    """Whether a value is a number that a float can be."""
    try:
        return isinstance(value, int | float) and float(value) is not None
    except OverflowError:
        return False


def exemplar_of(exemplar: Exemplar) -> PrometheusExemplar:
    """The exemplar with as many attributes as OpenMetrics has room for, ids first."""
    labels: dict[str, str] = {}
    room = LONGEST_EXEMPLAR
    for name, text in exemplar_labels(exemplar).items():
        room -= len(name) + len(text)
        if room < 0:
            break
        labels[name] = text
    seconds = exemplar.time_unix_nano / 1e9 if exemplar.time_unix_nano > 0 else None
    return PrometheusExemplar(labels, float(exemplar.value), seconds)


def exemplar_labels(exemplar: Exemplar) -> dict[str, str]:
    """The trace's ids and then the attributes; the ids win."""
    ids: dict[str, Any] = {
        "trace_id": exemplar.trace_id.hex(),
        "span_id": exemplar.span_id.hex(),
    }
    labels = {name: text for name, text in ids.items() if text}
    return labels | {
        name: text
        for name, text in labels_of(exemplar.filtered_attributes).items()
        if name not in labels
    }
