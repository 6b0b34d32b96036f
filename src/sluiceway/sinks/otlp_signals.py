"""What signal an event is of, and how many events to encode at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Final

from ..errors import PermanentError
from ..events import LogRecord, MetricPoint, Span
from ..formats import otlp_json
from ..formats.otlp_protobuf import (
    ENCODED,
    Encoded,
    EncodedPoint,
    EncodedRecord,
    EncodedSpan,
    Encoder,
    MalformedError,
    decode_encoded,
    join_encoded,
)
from ..notes import are_notes, event_of, with_spans
from .otlp_settings import Signal

Telemetry = Span | MetricPoint | LogRecord
Groups = list[tuple[Signal | None, Sequence[int]]]

SLICE_BYTES: Final = 128 * 1024  # encoded at once: 3 ms, or 10 if all is new
SAMPLES: Final = 3  # events that are asked for their size
MOST_PARTS: Final = 2000  # of an event that is encoded on the loop: 3 ms
MALFORMED: Final = {"http_400", "grpc_invalid_argument"}
LONGEST_TEXT: Final = 1024 * 1024  # characters of a log record's body: 2 ms
attributes_of = attrgetter("attributes")
attributes_of_notes = itemgetter(6)
KINDS: Final[Mapping[type, Signal]] = {
    Span: Signal.TRACES,
    MetricPoint: Signal.METRICS,
    LogRecord: Signal.LOGS,
    EncodedSpan: Signal.TRACES,
    EncodedPoint: Signal.METRICS,
    EncodedRecord: Signal.LOGS,
}


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
        if are_encoded(events):
            return max(map(Encoded.size, events)) > LONGEST_TEXT
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


def sort_by_signal(events: list[Any]) -> tuple[list[Any], Groups]:
    """The events, and the indices of those of each signal; None for no telemetry.

    Where not all are notes of finished spans, spans stand in place of notes. What is
    encoded already makes groups of its own.
    """
    types = {*map(type, events)}
    if tuple in types:
        if are_notes(events):
            return events, [(Signal.TRACES, range(len(events)))]
        events = with_spans(events)
        types = {*map(type, events)}
    keys = {
        kind: (KINDS.get(kind) or signal_of(kind), kind in ENCODED) for kind in types
    }
    if len(keys) == 1:
        return events, [(signal, range(len(events))) for signal, _ in keys.values()]
    groups: dict[tuple[Signal | None, bool], list[int]] = {}
    for index, event in enumerate(events):
        groups.setdefault(keys[type(event)], []).append(index)
    return events, [(signal, indices) for (signal, _), indices in groups.items()]


def are_encoded(events: list[Any]) -> bool:
    """Whether the events of a group are encoded already."""
    return type(events[0]) in ENCODED


class Encoders:
    """What makes requests of events; the signals share what is remembered."""

    def __init__(self) -> None:
        self._protobuf = Encoder()
        self._json = otlp_json.Encoder()

    def of(
        self, signal: Signal, *, json: bool, encoded: bool
    ) -> Callable[[list[Any]], bytes]:
        """What makes a request of one signal's events, or of encoded ones."""
        if encoded:
            return self.recoded if json else join_encoded
        encoder = self._json if json else self._protobuf
        if signal is Signal.TRACES:
            return partial(encode_traces, encoder)
        return encoder.metrics if signal is Signal.METRICS else encoder.logs

    def recoded(self, items: list[Any]) -> bytes:
        """A request in JSON of one signal's encoded events.

        Raises:
            MalformedError: the bytes of one are malformed.
        """
        signal = KINDS[type(items[0])]
        return self.of(signal, json=True, encoded=False)(decode_encoded(items))


def malformed_among(items: list[Any]) -> dict[int, Exception]:
    """The errors of the encoded events that nobody can decode, by index."""
    found: dict[int, Exception] = {}
    for index, item in enumerate(items):
        try:
            decode_encoded([item])
        except MalformedError as error:
            found[index] = PermanentError(str(error), reason="malformed")
    return found


def may_be_malformed(error: Exception) -> bool:
    """Whether an error may be due to the bytes of an event that was encoded already."""
    reason = getattr(error, "reason", "")
    return isinstance(error, MalformedError) or reason in MALFORMED


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
