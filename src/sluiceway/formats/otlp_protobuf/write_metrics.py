"""Metric points to bytes.

Law: points that agree in all that a Metric says (name, unit, description, kind,
temporality, monotonicity, metadata) become data points of one Metric.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/metrics/v1/metrics.proto``.
"""

from __future__ import annotations

from typing import Final

from ...events import MetricKind, MetricPoint, Temporality
from .clean import clean_point
from .envelope import attributes
from .memo import Memo
from .write_points import ENCODERS
from .writing import UNENCODABLE, embedded, enum, text

PLAIN: Final = frozenset({str, int, bool, bytes, MetricKind, Temporality})
Key = tuple[str, str, str, int, int, bool, bytes]
Metrics = dict[Key, tuple[bytes, list[bytes], bytes]]


def encode_points(memo: Memo, points: list[MetricPoint]) -> bytes:
    """The repeated ``metrics`` field of a ScopeMetrics."""
    metrics: Metrics = {}
    for point in points:
        try:
            add_point(memo, point, metrics)
        except UNENCODABLE:
            add_point(memo, clean_point(point), metrics)
    return b"".join([encode_metric(key, *parts) for key, parts in metrics.items()])


def add_point(memo: Memo, point: MetricPoint, metrics: Metrics) -> None:
    """Add the data point to its Metric, or nothing if it raises."""
    key = (
        point.name,
        point.unit,
        point.description,
        point.kind,
        point.temporality,
        point.is_monotonic,
        attributes(memo, b"b", point.metadata) if point.metadata else b"",
    )
    body = embedded(b"\n", ENCODERS[point.kind](memo, point))
    found = metrics.get(key)
    if found is None:
        if not PLAIN.issuperset(map(type, key)):
            raise TypeError("a user's type may compare as it likes")
        metrics[key] = encode_head(point), [body], encode_end(point)
    else:
        found[1].append(body)


def encode_head(point: MetricPoint) -> bytes:
    """What stands before the data in a Metric: its texts."""
    name, description = text(b"\n", point.name), text(b"\x12", point.description)
    return b"%b%b%b" % (name, description, text(b"\x1a", point.unit))


def encode_end(point: MetricPoint) -> bytes:
    """What the data says of all its points."""
    end = b""
    if point.kind not in {MetricKind.GAUGE, MetricKind.SUMMARY}:
        end = enum(b"\x10", point.temporality)
    if point.kind == MetricKind.SUM and point.is_monotonic:
        end += b"\x18\x01"
    return end


def encode_metric(key: Key, head: bytes, bodies: list[bytes], end: bytes) -> bytes:
    """A Metric with its data points."""
    kind, metadata = key[3], key[6]
    data = embedded(bytes((kind << 3 | 2,)), b"".join(bodies) + end)
    return embedded(b"\x12", head + data + metadata)
