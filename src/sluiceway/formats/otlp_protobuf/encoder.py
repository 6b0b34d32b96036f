"""Events to the bodies of OTLP requests."""

from __future__ import annotations

from collections.abc import Iterable

from ...events import LogRecord, MetricPoint, Span
from ...notes import Notes
from .envelope import enclose, group
from .memo import Memo
from .write_logs import encode_records
from .write_metrics import encode_points
from .write_notes import encode_notes, group_notes
from .write_traces import encode_spans


class Encoder:
    """Writes Export*ServiceRequests and remembers the attributes that repeat.

    A sink keeps one for its life; what it remembers is bounded to 4,096 short entries.
    No event can make it raise: an attribute of an unknown type and an integer beyond
    int64 are encoded as their text, a field of a wrong type or range as the nearest
    that fits (``clean`` has the rules). Source: OpenTelemetry protocol 1.11.
    """

    def __init__(self) -> None:
        self._memo = Memo()

    def traces(self, spans: Iterable[Span]) -> bytes:
        """An ExportTraceServiceRequest; no bytes for no spans."""
        return enclose(self._memo, group(spans), encode_spans)

    def notes(self, notes: Iterable[Notes]) -> bytes:
        """An ExportTraceServiceRequest of finished spans that are no events yet."""
        return enclose(self._memo, group_notes(notes), encode_notes)

    def metrics(self, points: Iterable[MetricPoint]) -> bytes:
        """An ExportMetricsServiceRequest; no bytes for no points."""
        return enclose(self._memo, group(points), encode_points)

    def logs(self, records: Iterable[LogRecord]) -> bytes:
        """An ExportLogsServiceRequest; no bytes for no records."""
        return enclose(self._memo, group(records), encode_records)


def encode_traces(spans: Iterable[Span]) -> bytes:
    """An ExportTraceServiceRequest, by an ``Encoder`` of its own."""
    return Encoder().traces(spans)


def encode_metrics(points: Iterable[MetricPoint]) -> bytes:
    """An ExportMetricsServiceRequest, by an ``Encoder`` of its own."""
    return Encoder().metrics(points)


def encode_logs(records: Iterable[LogRecord]) -> bytes:
    """An ExportLogsServiceRequest, by an ``Encoder`` of its own."""
    return Encoder().logs(records)
