"""The events of a recorded file, again and again: JSON Lines, or one OTLP request.

Law: a file that holds no event is refused before anything runs. Each time round the
events are copies, so that stages may change them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ..batch import copy_event
from ..errors import ConfigurationError, PermanentError, SluicewayError
from ..formats import otlp_json, otlp_protobuf
from ..formats.json_events import decode_event

READERS: Final[Sequence[Callable[[bytes], list[Any]]]] = (
    otlp_json.decode_traces,
    otlp_json.decode_metrics,
    otlp_json.decode_logs,
    otlp_protobuf.decode_traces,
    otlp_protobuf.decode_metrics,
    otlp_protobuf.decode_logs,
)
EXPECTED = "expected JSON Lines as JsonLinesSink writes them, or one OTLP request"


def read_recording(path: str) -> list[Any]:
    """The events of a file.

    An OTLP request does not say in protobuf which signal it carries: the first
    reading that finds events is taken.

    Raises:
        ConfigurationError: it cannot be read, or holds no events.
    """
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        told = f"{path}: cannot be read ({error.strerror}); {EXPECTED}"
        raise ConfigurationError(told) from error
    lines = [line for line in body.splitlines() if line.strip()]
    try:
        events = [decode_event(line) for line in lines]
    except (PermanentError, UnicodeDecodeError):
        events = first_reading(body)
    if not events:
        raise ConfigurationError(f"{path}: holds no events; {EXPECTED}")
    return events


def first_reading(body: bytes) -> list[Any]:
    """The events of an OTLP request of whichever signal and form; empty if none is."""
    for read in READERS:
        try:
            events = read(body)
        except (SluicewayError, ValueError):
            continue
        if events and looks_right(events):
            return events
    return []


def looks_right(events: list[Any]) -> bool:
    """Whether these are events, and not another signal's bytes read as such.

    Messages of the signals share field numbers; what is read wrongly has no times.
    """
    fields = ("end_time_unix_nano", "time_unix_nano", "observed_time_unix_nano")
    return any(getattr(event, name, 0) for event in events for name in fields)


class RecordedEvents:
    """Gives a recording's events in order, from the beginning when they end.

    Args:
        events: at least one.
    """

    def __init__(self, events: Sequence[Any]) -> None:
        self._events = events
        self._next = 0

    def __call__(self, count: int) -> list[Any]:
        """So many events more."""
        events, start = self._events, self._next
        length = len(events)
        self._next = (start + count) % length
        return [copy_event(events[n % length]) for n in range(start, start + count)]
