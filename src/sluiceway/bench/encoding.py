"""Made or recorded events as ``OtlpSource(decode=False)`` would send them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

from attrs import frozen

from ..events import LogRecord, MetricPoint, Span
from ..formats import otlp_protobuf as otlp
from .generator import Make

SPLITTERS: Final[dict[type, Callable[[list[Any]], list[Any]]]] = {
    Span: lambda events: otlp.split_traces(otlp.encode_traces(events)),
    MetricPoint: lambda events: otlp.split_metrics(otlp.encode_metrics(events)),
    LogRecord: lambda events: otlp.split_logs(otlp.encode_logs(events)),
}


@frozen
class EncodedEvents:
    """Makes events and encodes them, those of a kind as one request: an item for each.

    Attributes:
        make: makes the events; those that are no telemetry stay as they are.
    """

    make: Make

    def __call__(self, count: int) -> list[Any]:
        """So many items more."""
        made: list[Any] = []
        order = sorted(self.make(count), key=lambda event: type(event).__name__)
        for kind, run in groupby(order, type):
            events = list(run)
            made += SPLITTERS[kind](events) if kind in SPLITTERS else events
        return made
