"""ConsoleSink: one readable line per event."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, TextIO

from ..beside import beside
from ..calls import call_each
from ..errors import ConfigurationError, PartialError, PermanentError, nearest
from ..events import (
    Alert,
    HealthCheck,
    LogRecord,
    MetricPoint,
    Span,
    SpanKind,
    StatusCode,
)
from ..formats.json_events import encode_event, to_object
from ..stages import Sink

Format = Literal["line", "json"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ConsoleSink(Sink[Any]):
    """Prints events, for people; off the event loop, since a terminal may stall.

    Args:
        stream: where to; default ``sys.stdout`` as it is at each write.
        format: ``"line"`` (default) for people, ``"json"`` for machines, as
            ``JsonLinesSink`` writes it. Either way one line per event, with control
            characters escaped.
        name: its name in the graph.

    Raises:
        ConfigurationError: an unknown format.
        PermanentError: ``closed_stream``: the stream takes no more.
        PartialError: some events cannot be JSON (``unencodable``).
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        format: Format = "line",  # noqa: A002 - the word of the trade
        name: str | None = None,
    ) -> None:
        if not isinstance(format, str) or format not in FORMATS:
            raise ConfigurationError(
                f"ConsoleSink.format is {format!r}; expected 'line' or 'json'"
                f"{nearest(format, FORMATS)}"
            )
        self.name = name
        self._stream = stream
        self._format = FORMATS[format]

    async def write(self, events: list[Any]) -> None:
        """Print the events, and flush."""
        lines, failed = call_each(self._format, events)
        if lines:
            text = "\n".join((*lines, ""))
            await beside(
                partial(put, self._stream or sys.stdout, text), "sluiceway-console"
            )
        if failed:
            raise PartialError(failed)


def put(stream: TextIO, text: str) -> None:
    """Write and flush; what the stream's encoding lacks is escaped.

    Raises:
        PermanentError: the stream is closed, at this end or the other.
    """
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError) as error:
        raise PermanentError(
            f"writing to the console: {error}", reason="closed_stream"
        ) from error


def json_line(event: Any) -> str:
    """The event as JSON; a person's terminal is safe from it."""
    return escape(encode_event(event).decode())


def escape(text: str) -> str:
    """The text with what a terminal would obey escaped, as JSON does it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def readable_line(event: Any) -> str:
    """The event as a line for people."""
    describe = DESCRIBERS.get(type(event), describe_other)
    return " ".join(part for part in describe(event) if part)


def describe_span(span: Span) -> list[str]:
    """Time, kind, name, duration, status, trace and attributes."""
    taken = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    return [
        when(span.start_time_unix_nano),
        "span",
        shown(span.name),
        f"{taken:.3f}ms" if span.end_time_unix_nano else "",
        word(SpanKind, span.kind) if span.kind != SpanKind.INTERNAL else "",
        word(StatusCode, span.status_code) if span.status_code else "",
        shown(span.status_message) if span.status_message else "",
        f"trace={span.trace_id.hex()}",
        f"span={span.span_id.hex()}",
        pairs(span.attributes),
    ]


def describe_record(record: LogRecord) -> list[str]:
    """Time, level, body, trace and attributes."""
    level = record.severity_text or f"severity={record.severity_number}"
    return [
        when(record.time_unix_nano or record.observed_time_unix_nano),
        "log",
        level if level.isprintable() else shown(level),
        shown(record.event_name) if record.event_name else "",
        shown(record.body),
        f"trace={record.trace_id.hex()}" if record.trace_id else "",
        pairs(record.attributes),
    ]


def describe_point(point: MetricPoint) -> list[str]:
    """Time, name, value, unit and attributes."""
    return [
        when(point.time_unix_nano),
        "metric",
        shown(point.name),
        shown(to_object(point).get("value")),
        shown(point.unit) if point.unit else "",
        pairs(point.attributes),
    ]


def describe_alert(alert: Alert) -> list[str]:
    """Time, state, severity, name, message and labels."""
    return [
        when(alert.ends_at_unix_nano or alert.starts_at_unix_nano),
        "alert",
        alert.status.value.upper(),
        shown(alert.severity),
        shown(alert.name),
        shown(alert.message) if alert.message else "",
        pairs(alert.labels),
    ]


def describe_check(check: HealthCheck) -> list[str]:
    """Time, status, name, message, duration and details."""
    return [
        when(check.time_unix_nano),
        "health",
        check.status.value.upper(),
        shown(check.name),
        shown(check.message) if check.message else "",
        f"{check.duration * 1e3:.3f}ms" if check.duration else "",
        pairs(check.details),
    ]


def describe_other(event: Any) -> list[str]:
    """Whatever the object says of itself."""
    return [escape(event if isinstance(event, str) else repr(event))]


DESCRIBERS: Final[dict[type, Callable[[Any], list[str]]]] = {
    Span: describe_span,
    LogRecord: describe_record,
    MetricPoint: describe_point,
    Alert: describe_alert,
    HealthCheck: describe_check,
}
FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "line": readable_line,
    "json": json_line,
}


def when(time_unix_nano: int) -> str:
    """UTC to the millisecond, or nothing for no time."""
    if not time_unix_nano:
        return ""
    moment = EPOCH + timedelta(microseconds=time_unix_nano // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def word(kind: type[SpanKind | StatusCode], number: int) -> str:
    """The name of an enum's member, or the number that we do not know."""
    return next((each.name for each in kind if each == number), str(number))


def pairs(attributes: Mapping[str, Any]) -> str:
    """``key=value`` for each attribute."""
    return " ".join(f"{shown(key)}={shown(attributes[key])}" for key in attributes)


def shown(value: Any) -> str:
    """A value as one word, quoted where it would not be one."""
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str):
        return escape(str(value))
    if value and value.isprintable() and not set(value) & set(' "='):
        return value
    return escape(json.dumps(value, ensure_ascii=False))
