"""The events of a recorded file, again and again: JSON Lines, or OTLP requests.

Law: a file that holds no event is refused before anything runs; a line that is broken
costs itself. Each time round the events are copies, so that stages may change them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ..batch import copy_event
from ..errors import ConfigurationError, PermanentError, SluicewayError
from ..formats import otlp_json, otlp_protobuf
from ..formats.json_events import decode_event

Reader = Callable[[bytes], list[Any]]
JSON_READERS: Final[Sequence[Reader]] = (
    otlp_json.decode_traces,
    otlp_json.decode_metrics,
    otlp_json.decode_logs,
)
READERS: Final[Sequence[Reader]] = (
    *JSON_READERS,
    otlp_protobuf.decode_traces,
    otlp_protobuf.decode_metrics,
    otlp_protobuf.decode_logs,
)
GZIP: Final = b"\x1f\x8b"
EXPECTED = (
    "expected JSON Lines as JsonLinesSink writes them, the body of one OTLP request, "
    "or one in JSON on each line; compressed by gzip or not"
)


@frozen
class Recording:
    """What a file holds.

    Attributes:
        events: at least one.
        broken: lines that were left out, since they hold no event.
    """

    events: list[Any]
    broken: int = 0


def read_recording(path: str) -> Recording:
    """What a file holds, compressed by gzip or not.

    An OTLP request does not say in protobuf which signal it carries: the first
    reading that finds events is taken.

    Raises:
        ConfigurationError: it cannot be read, or holds no events.
    """
    try:
        body = Path(path).read_bytes()
        if body.startswith(GZIP):
            body = gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        told = f"{path}: cannot be read ({why}); {EXPECTED}"
        raise ConfigurationError(told) from error
    lines = [events_of(line) for line in body.splitlines() if line.strip()]
    events = [event for found in lines for event in found]
    if events:
        return Recording(events, lines.count([]))
    events = first_reading(body, READERS)
    if not events:
        raise ConfigurationError(f"{path}: holds no events; {EXPECTED}")
    return Recording(events)


def events_of(line: bytes) -> list[Any]:
    """The event of a line, or those of the OTLP request that it is; else empty."""
    try:
        return [decode_event(line)]
    except (PermanentError, UnicodeDecodeError):
        return first_reading(line, JSON_READERS)


def first_reading(body: bytes, readers: Sequence[Reader]) -> list[Any]:
    """The events of an OTLP request of whichever signal and form; empty if none is."""
    for read in readers:
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
