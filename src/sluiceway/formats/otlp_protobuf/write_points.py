"""The data points of each kind of metric to bytes.

Law: a point without a value carries the flag NO_RECORDED_VALUE; a value that is not of
the kind's type is ``UNENCODABLE``.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/metrics/v1/metrics.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from ...events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Summary,
)
from .envelope import attributes
from .memo import Memo
from .writing import (
    double,
    embedded,
    fixed64,
    identifier,
    optional_double,
    pack_tagged_double,
    pack_tagged_sfixed64,
    uint32,
    varint,
    zigzag,
)

NO_RECORDED_VALUE = 1


def times(point: MetricPoint) -> bytes:
    """The start and the time, fields 2 and 3 of every data point."""
    start = fixed64(0x11, point.start_time_unix_nano)
    return start + fixed64(0x19, point.time_unix_nano)


def flags(tag: bytes, point: MetricPoint) -> bytes:
    """The flags; they say so if nothing was recorded."""
    missing = NO_RECORDED_VALUE if point.value is None else 0
    return uint32(tag, point.flags | missing)


def exemplars(memo: Memo, tag: bytes, values: Sequence[Exemplar]) -> bytes:
    """The repeated Exemplar field with that tag."""
    if not values:
        return b""
    return b"".join([embedded(tag, exemplar(memo, value)) for value in values])


def exemplar(memo: Memo, value: Exemplar) -> bytes:
    """An Exemplar."""
    return b"%b%b%b%b%b" % (
        fixed64(0x11, value.time_unix_nano),
        number(0x19, 0x31, value.value),
        identifier(b'"', value.span_id, 8),
        identifier(b"*", value.trace_id, 16),
        attributes(memo, b":", value.filtered_attributes),
    )


def number(double_tag: int, int_tag: int, value: object) -> bytes:
    """One of ``as_double`` and ``as_int``, present even if it is zero."""
    if isinstance(value, int):
        return pack_tagged_sfixed64(int_tag, value)
    if isinstance(value, float):
        return pack_tagged_double(double_tag, value)
    raise TypeError(f"a {type(value).__name__} is no number")


def doubles(tag: bytes, values: Sequence[float]) -> bytes:
    """A packed repeated double field."""
    if not values:
        return b""
    return embedded(tag, struct.pack(f"<{len(values)}d", *values))


def fixed64s(tag: bytes, values: Sequence[int]) -> bytes:
    """A packed repeated fixed64 field."""
    if not values:
        return b""
    return embedded(tag, struct.pack(f"<{len(values)}Q", *values))


def uint64s(tag: bytes, values: Sequence[int]) -> bytes:
    """A packed repeated uint64 field."""
    if not values:
        return b""
    if min(values) < 0 or max(values) >= 2**64:
        raise ValueError("a bucket count is no uint64")
    return embedded(tag, b"".join(map(varint, values)))


def number_point(memo: Memo, point: MetricPoint) -> bytes:
    """A NumberDataPoint, of a gauge or a sum."""
    value = point.value
    return b"%b%b%b%b%b" % (
        times(point),
        b"" if value is None else number(0x21, 0x31, value),
        exemplars(memo, b"*", point.exemplars),
        attributes(memo, b":", point.attributes),
        flags(b"@", point),
    )


def histogram_point(memo: Memo, point: MetricPoint) -> bytes:
    """A HistogramDataPoint."""
    value = Histogram() if point.value is None else point.value
    if not isinstance(value, Histogram):
        raise TypeError("the value is no Histogram")
    return b"".join(
        (
            times(point),
            fixed64(0x21, value.count),
            optional_double(0x29, value.sum),
            fixed64s(b"2", value.bucket_counts),
            doubles(b":", value.explicit_bounds),
            exemplars(memo, b"B", point.exemplars),
            attributes(memo, b"J", point.attributes),
            flags(b"P", point),
            optional_double(0x59, value.min),
            optional_double(0x61, value.max),
        )
    )


def exponential_point(memo: Memo, point: MetricPoint) -> bytes:
    """An ExponentialHistogramDataPoint."""
    value = ExponentialHistogram() if point.value is None else point.value
    if not isinstance(value, ExponentialHistogram):
        raise TypeError("the value is no ExponentialHistogram")
    return b"".join(
        (
            attributes(memo, b"\n", point.attributes),
            times(point),
            fixed64(0x21, value.count),
            optional_double(0x29, value.sum),
            b"0" + zigzag(value.scale) if value.scale else b"",
            fixed64(0x39, value.zero_count),
            buckets(b"B", value.positive),
            buckets(b"J", value.negative),
            flags(b"P", point),
            exemplars(memo, b"Z", point.exemplars),
            optional_double(0x61, value.min),
            optional_double(0x69, value.max),
            double(0x71, value.zero_threshold),
        )
    )


def buckets(tag: bytes, value: ExponentialBuckets) -> bytes:
    """The buckets of one sign; nothing for empty ones."""
    offset = b"\x08" + zigzag(value.offset) if value.offset else b""
    body = offset + uint64s(b"\x12", value.bucket_counts)
    return embedded(tag, body) if body else b""


def summary_point(memo: Memo, point: MetricPoint) -> bytes:
    """A SummaryDataPoint."""
    value = Summary() if point.value is None else point.value
    if not isinstance(value, Summary):
        raise TypeError("the value is no Summary")
    quantiles = [
        embedded(b"2", double(0x09, quantile) + double(0x11, at))
        for quantile, at in value.quantiles
    ]
    return b"".join(
        (
            times(point),
            fixed64(0x21, value.count),
            double(0x29, value.sum),
            *quantiles,
            attributes(memo, b":", point.attributes),
            flags(b"@", point),
        )
    )


ENCODERS: Mapping[int, Callable[[Memo, MetricPoint], bytes]] = {
    MetricKind.GAUGE: number_point,
    MetricKind.SUM: number_point,
    MetricKind.HISTOGRAM: histogram_point,
    MetricKind.EXPONENTIAL_HISTOGRAM: exponential_point,
    MetricKind.SUMMARY: summary_point,
}
