"""Metric points from bytes.

Law: each data point becomes one MetricPoint; a metric without data points leaves
nothing. Gauges and summaries have no temporality: theirs is MetricPoint's default.
Source: OpenTelemetry protocol 1.11, ``opentelemetry/proto/metrics/v1/metrics.proto``.
"""

from __future__ import annotations

from typing import Any

from ...events import MetricKind, MetricPoint, Resource, Scope, Temporality
from .messages import Table, once, read_message, repeated
from .read_envelope import Position, decode_request, position
from .read_points import read_point
from .read_values import attributes
from .reading import Reader, boolean, fields, int32, text

METRIC: Table = {
    10: once("name", text),
    18: once("description", text),
    26: once("unit", text),
    98: attributes("metadata"),
}

DATA_TAGS = {kind << 3 | 2: kind for kind in MetricKind}

WITH_TEMPORALITY = frozenset(
    {MetricKind.SUM, MetricKind.HISTOGRAM, MetricKind.EXPONENTIAL_HISTOGRAM}
)


def temporality(reader: Reader, number: int, stop: int) -> Temporality:
    """A temporality; an unknown one is unspecified."""
    known = int32(reader, number, stop)
    return Temporality(known if known in {0, 1, 2} else 0)


DATA: Table = {
    10: repeated("points", position),
    16: once("temporality", temporality),
    24: once("is_monotonic", boolean),
}


def read_metric(
    reader: Reader, at: Position, resource: Resource, scope: Scope, points: list[Any]
) -> None:
    """Add the points of a Metric; of several kinds of data the last counts.

    Data of one kind in several parts are merged: their points would be lost.
    """
    shared = read_message(reader, *at, METRIC, {"name": ""})
    shared["resource"] = resource
    shared["scope"] = scope
    kind: MetricKind | None = None
    data: dict[str, Any] = {}
    for tag, start, stop in fields(reader.data, *at):
        if tag in DATA_TAGS:
            before, kind = kind, DATA_TAGS[tag]
            data = read_message(
                reader, start, stop, DATA, data if kind is before else {}
            )
    if kind is None:
        return
    shared["kind"] = kind
    if kind in WITH_TEMPORALITY:
        shared["temporality"] = data.get("temporality", Temporality.UNSPECIFIED)
    if kind is MetricKind.SUM:
        shared["is_monotonic"] = data.get("is_monotonic", False)
    for start, stop in data.get("points", ()):
        point = read_point(reader, start, stop, kind)
        points.append(MetricPoint(**shared, **point))


def decode_metrics(body: bytes) -> list[MetricPoint]:
    """The data points of an ExportMetricsServiceRequest.

    Raises:
        MalformedError: the bytes are no such request, an exemplar's id has a wrong
            length, or there are more than a million points and exemplars.
    """
    return decode_request(body, read_metric)
