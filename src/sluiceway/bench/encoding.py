"""Made or recorded events as ``OtlpSource(decode=False)`` would send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from ..events import LogRecord, MetricPoint, Span
from ..formats import otlp_protobuf as otlp

SPLITTERS: Final[dict[type, Callable[[list[Any]], list[Any]]]] = {
    Span: lambda events: otlp.split_traces(otlp.encode_traces(events)),
    MetricPoint: lambda events: otlp.split_metrics(otlp.encode_metrics(events)),
    LogRecord: lambda events: otlp.split_logs(otlp.encode_logs(events)),
}
REQUEST: Final = 100  # events that are encoded together


def encoded_events(events: Sequence[Any]) -> list[Any]:
    """An item for each event, those of a kind that come together in one request.

    Those that are no telemetry stay as they are.
    """
    starts = range(0, len(events), REQUEST)
    return [item for at in starts for item in items_of(list(events[at : at + REQUEST]))]


def items_of(events: list[Any]) -> Iterator[Any]:
    """The items of a few events."""
    events.sort(key=lambda event: type(event).__name__)
    for kind, run in groupby(events, type):
        yield from SPLITTERS.get(kind, iter)(list(run))
