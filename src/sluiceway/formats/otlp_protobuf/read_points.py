"""The data points of each kind of metric from bytes.

Law: a point that says NO_RECORDED_VALUE, or a number point without a number, has the
value None; whatever else it says is ignored, as the specification demands.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/metrics/v1/metrics.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    Summary,
)
from .messages import (
    Table,
    alone,
    extended,
    fields_of,
    merged,
    once,
    read_message,
    repeated,
)
from .read_values import attributes
from .reading import (
    Reader,
    double,
    fixed64,
    packed,
    packed_varints,
    sfixed64,
    sint32,
    span_id,
    trace_id,
    uint32,
)

NO_RECORDED_VALUE = 1

Values = dict[str, Any]


def fixed64s(reader: Reader, start: int, stop: int) -> list[int]:
    """A packed repeated fixed64."""
    return packed(reader, start, stop, "Q")


def doubles(reader: Reader, start: int, stop: int) -> list[float]:
    """A packed repeated double."""
    return packed(reader, start, stop, "d")


def number(reader: Reader, pos: int, stop: int) -> int:  # noqa: ARG001
    """An unsigned varint, as ``fields`` gave it."""
    return pos


EXEMPLAR: Table = {
    17: once("time_unix_nano", fixed64),
    25: once("value", double),
    34: once("span_id", span_id),
    42: once("trace_id", trace_id),
    49: once("value", sfixed64),
    58: attributes("filtered_attributes"),
}


def read_exemplar(reader: Reader, start: int, stop: int) -> Exemplar:
    """An Exemplar; one without a value counts as 0.0."""
    return Exemplar(**read_message(reader, start, stop, EXEMPLAR, {"value": 0.0}))


NUMBER_POINT: Table = {
    17: once("start_time_unix_nano", fixed64),
    25: once("time_unix_nano", fixed64),
    33: once("value", double),
    42: repeated("exemplars", read_exemplar),
    49: once("value", sfixed64),
    58: attributes(),
    64: once("flags", uint32),
}

HISTOGRAM_POINT: Table = {
    17: once("start_time_unix_nano", fixed64),
    25: once("time_unix_nano", fixed64),
    33: once("count", fixed64),
    41: once("sum", double),
    49: extended("bucket_counts", alone(fixed64)),
    50: extended("bucket_counts", fixed64s),
    57: extended("explicit_bounds", alone(double)),
    58: extended("explicit_bounds", doubles),
    66: repeated("exemplars", read_exemplar),
    74: attributes(),
    80: once("flags", uint32),
    89: once("min", double),
    97: once("max", double),
}

BUCKETS: Table = {
    8: once("offset", sint32),
    16: extended("bucket_counts", alone(number)),
    18: extended("bucket_counts", packed_varints),
}


def read_buckets(
    reader: Reader, before: ExponentialBuckets | None, start: int, stop: int
) -> ExponentialBuckets:
    """The buckets of one sign."""
    values = read_message(reader, start, stop, BUCKETS, fields_of(before))
    return ExponentialBuckets(**values)


EXPONENTIAL_POINT: Table = {
    10: attributes(),
    17: once("start_time_unix_nano", fixed64),
    25: once("time_unix_nano", fixed64),
    33: once("count", fixed64),
    41: once("sum", double),
    48: once("scale", sint32),
    57: once("zero_count", fixed64),
    66: merged("positive", read_buckets),
    74: merged("negative", read_buckets),
    80: once("flags", uint32),
    90: repeated("exemplars", read_exemplar),
    97: once("min", double),
    105: once("max", double),
    113: once("zero_threshold", double),
}

QUANTILE: Table = {9: once("quantile", double), 17: once("value", double)}


def read_quantile(reader: Reader, start: int, stop: int) -> tuple[float, float]:
    """A ValueAtQuantile."""
    values = read_message(reader, start, stop, QUANTILE, {})
    return values.get("quantile", 0.0), values.get("value", 0.0)


SUMMARY_POINT: Table = {
    17: once("start_time_unix_nano", fixed64),
    25: once("time_unix_nano", fixed64),
    33: once("count", fixed64),
    41: once("sum", double),
    50: repeated("quantiles", read_quantile),
    58: attributes(),
    64: once("flags", uint32),
}

Build = Callable[..., Any]


def structured(build: Build, *names: str) -> Callable[[Values], Any]:
    """Take the fields of that structure out of a point's values, and build it."""

    def value(values: Values) -> Any:
        return build(**{name: values.pop(name) for name in names if name in values})

    return value


def plain(values: Values) -> Any:
    """The number of a gauge's or a sum's point, or None."""
    return values.pop("value", None)


POINTS: Mapping[int, tuple[Table, Callable[[Values], Any]]] = {
    MetricKind.GAUGE: (NUMBER_POINT, plain),
    MetricKind.SUM: (NUMBER_POINT, plain),
    MetricKind.HISTOGRAM: (
        HISTOGRAM_POINT,
        structured(Histogram, *Histogram.__struct_fields__),
    ),
    MetricKind.EXPONENTIAL_HISTOGRAM: (
        EXPONENTIAL_POINT,
        structured(ExponentialHistogram, *ExponentialHistogram.__struct_fields__),
    ),
    MetricKind.SUMMARY: (
        SUMMARY_POINT,
        structured(Summary, *Summary.__struct_fields__),
    ),
}


def read_point(reader: Reader, start: int, stop: int, kind: MetricKind) -> Values:
    """What a data point says, by MetricPoint's names."""
    table, take_value = POINTS[kind]
    values = read_message(reader, start, stop, table, {})
    value = take_value(values)
    missing = values.get("flags", 0) & NO_RECORDED_VALUE
    values["value"] = None if missing else value
    return values
