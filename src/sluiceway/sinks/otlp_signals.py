"""What signal an event is of, and how many events to encode at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Final

from ..errors import PermanentError
from ..events import LogRecord, MetricPoint, Span
from ..formats import otlp_json
from ..formats.otlp_protobuf import Encoder
from ..notes import are_notes, event_of, with_spans
from .otlp_settings import Signal

Telemetry = Span | MetricPoint | LogRecord

SLICE_BYTES: Final = 128 * 1024  # encoded at once: 3 ms, or 10 if all is new
SAMPLES: Final = 3  # events that are asked for their size
MOST_PARTS: Final = 2000  # of an event that is encoded on the loop: 3 ms
LONGEST_TEXT: Final = 1024 * 1024  # characters of a log record's body: 2 ms
attributes_of = attrgetter("attributes")
attributes_of_notes = itemgetter(6)
KINDS: Final[Mapping[type, Signal]] = {
    Span: Signal.TRACES,
    MetricPoint: Signal.METRICS,
    LogRecord: Signal.LOGS,
}


def in_one_form(events: list[Any]) -> list[Any]:
    """Notes of finished spans if all events are such, else spans in place of them."""
    if are_notes(events) or tuple not in {*map(type, events)}:
        return events
    return with_spans(events)


def first_slice(events: list[Any]) -> int:
    """How many events to encode at once, by the sizes of a few of them."""
    sample = events[:: len(events) // SAMPLES + 1]
    if has_giant(sample):  # to measure it would take long too
        return 1
    return next_slice(len(sample), sum(map(size_of, sample)))


def size_of(event: Any) -> int:
    """The bytes that an event says it takes; so many that it is encoded alone if none.

    The encoder takes events with fields of wrong types, whose size nobody can tell.
    """
    try:
        return int(event_of(event).size())
    except Exception:  # noqa: BLE001 - whatever a user's object does
        return SAMPLES * SLICE_BYTES


def has_giant(events: list[Any]) -> bool:
    """Whether one of the events may keep the loop: a long body, many attributes.

    Only lengths that are there already are looked at, so that asking costs a twentieth
    of encoding at most: a long value among few attributes is not seen. An event of
    wrong types counts as a giant.
    """
    try:
        if type(events[0]) is tuple:
            return max(map(len, map(attributes_of_notes, events))) > MOST_PARTS
        if max(map(len, map(attributes_of, events))) > MOST_PARTS:
            return True
        return any(is_long(e.body) for e in events if isinstance(e, LogRecord))
    except Exception:  # noqa: BLE001 - whatever a user's object does
        return True


def is_long(body: Any) -> bool:
    """Whether a log record's body takes long to encode."""
    if isinstance(body, str | bytes):
        return len(body) > LONGEST_TEXT
    return isinstance(body, dict | list | tuple) and len(body) > MOST_PARTS


def next_slice(step: int, size: int) -> int:
    """How many events to encode at once, when ``step`` of them took ``size`` bytes."""
    return max(1, step * SLICE_BYTES // max(1, size))


def sort_by_signal(
    events: list[Telemetry],
) -> Mapping[Signal | None, Sequence[int]]:
    """The indices of the events of each signal; None for what is no telemetry.

    Args:
        events: ``in_one_form``.
    """
    if are_notes(events[:1]):
        return {Signal.TRACES: range(len(events))}
    kinds = {kind: KINDS.get(kind) or signal_of(kind) for kind in {*map(type, events)}}
    if len(kinds) == 1:
        return dict.fromkeys(kinds.values(), range(len(events)))
    groups: dict[Signal | None, list[int]] = {}
    for index, event in enumerate(events):
        groups.setdefault(kinds[type(event)], []).append(index)
    return groups


class Encoders:
    """What makes requests of events; the signals share what is remembered."""

    def __init__(self) -> None:
        self._protobuf = Encoder()
        self._json = otlp_json.Encoder()

    def of(self, signal: Signal, *, json: bool) -> Callable[[list[Any]], bytes]:
        """What makes a request of one signal's events."""
        encoder = self._json if json else self._protobuf
        if signal is Signal.TRACES:
            return partial(encode_traces, encoder)
        return encoder.metrics if signal is Signal.METRICS else encoder.logs


def encode_traces(encoder: Encoder | otlp_json.Encoder, spans: list[Any]) -> bytes:
    """A request of spans, or of the notes of such."""
    if type(spans[0]) is tuple:
        return encoder.notes(spans)
    return encoder.traces(spans)


def join(requests: list[bytes], *, json: bool) -> bytes:
    """Requests of one signal as one."""
    return otlp_json.join_requests(requests) if json else b"".join(requests)


def pick(events: list[Telemetry], indices: Sequence[int]) -> list[Telemetry]:
    """The events at the indices, mostly all of them."""
    if len(indices) == len(events):
        return events
    return [events[index] for index in indices]


def signal_of(derived: type) -> Signal | None:
    """The signal of the events of a derived type."""
    return next((KINDS[kind] for kind in KINDS if issubclass(derived, kind)), None)


def not_telemetry(event: object) -> PermanentError:
    """The error for an event of a wrong type."""
    return PermanentError(
        f"{type(event).__name__} is no Span, MetricPoint or LogRecord",
        reason="not_telemetry",
    )
