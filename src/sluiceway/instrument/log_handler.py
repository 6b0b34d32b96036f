"""LogHandler: lines of the standard logging become log records of a pipeline.

Law: never raises into the application, never waits, takes no lock. Lines of sluiceway
itself and of the pipeline that delivers them are not taken in, so that a failing
exporter cannot feed itself; nor is what is logged ever deeper while a line is handled.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from logging import NOTSET, Handler
from logging import LogRecord as Line
from typing import TYPE_CHECKING, Any

from ..events import LogRecord, Scope
from .log_records import (
    EVENT_NAME,
    LAST_TAKEN,
    NO_TRACE,
    STACK,
    TraceIds,
    current_trace,
    is_left_out,
)
from .values import exception_attributes, name_of, plain_value, text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry

KEPT_WHOLE = (str, list, tuple, Mapping)  # messages that need no text made of them
SCOPES = 1024  # loggers whose Scope is remembered
INSIDE = 3  # lines that are logged inside each other, by a signal handler or __str__

# How OpenTelemetry's instrumentation of logging calls them.
TRACE_ID, SPAN_ID, SAMPLED = "otelTraceID", "otelSpanID", "otelTraceSampled"

# What every line has; the rest is what the application passed as ``extra``.
STANDARD = frozenset(Line("", 0, "", 0, "", None, None).__dict__) | {
    "asctime",
    "message",
    "taskName",
    TRACE_ID,
    SPAN_ID,
    SAMPLED,
    "otelServiceName",
}


class LogHandler(Handler):
    """A handler for the standard logging: ``getLogger().addHandler(t.log_handler)``.

    The level becomes the severity, the message the body (a dict or list stays one),
    ``extra``, an exception and a stack become attributes, of which ``otel.event.name``
    names an event; trace ids are those of the current span, and the logger is the
    scope. A formatter, if it is given one, makes the body. It needs no ``QueueHandler``
    in front; behind one, ``stamp_trace`` keeps the trace ids. Beside the handler of
    OpenTelemetry's instrumentation of logging each line is taken once, by whichever of
    them comes first on its thread.

    In ``dictConfig``: ``{"()": "sluiceway.instrument.LogHandler", "telemetry":
    "ext://my.module.telemetry", "level": "INFO"}``.

    Args:
        telemetry: whose resource and ``logs`` the records get.
        level: the lowest level that it takes; all by default.
    """

    def __init__(self, telemetry: Telemetry, level: int | str = NOTSET) -> None:
        super().__init__(level)
        self._telemetry = telemetry
        self._busy = threading.local()
        self._scope_of = lru_cache(SCOPES)(Scope)

    def handle(self, record: Line) -> bool:
        """Filter and emit, without the lock that other handlers need for their I/O."""
        passed = self.filter(record)
        if passed:
            self.emit(record if passed is True else passed)  # filters may replace it
        return bool(passed)

    def emit(self, record: Line) -> None:
        """Hand the line to ``Telemetry.logs``."""
        inside = getattr(self._busy, "lines", 0)
        if inside > INSIDE:
            return
        self._busy.lines = inside + 1
        telemetry = self._telemetry
        try:
            if not self._is_left_out(record):
                telemetry.logs.emit_nowait(self._event_of(record))
        except Exception:  # noqa: BLE001 - logging's way: it tells stderr, never raises
            self.handleError(record)
        finally:
            self._busy.lines = inside

    def _is_left_out(self, line: Line) -> bool:
        """Whether it is not to be taken in, or was by OpenTelemetry's own handler."""
        telemetry, name = self._telemetry, line.name or ""
        if is_left_out(telemetry, name):
            return True
        time = int(line.created * 1e9)  # as that handler counts it
        return LAST_TAKEN.is_second_by_handler(telemetry, name, time)

    def _event_of(self, line: Line) -> LogRecord:
        stamped = line.__dict__.get(TRACE_ID)
        trace_id, span_id, flags = stamped_trace(line) if stamped else current_trace()
        attributes = attributes_of(line)
        event_name = (
            text_of(attributes.pop(EVENT_NAME)) if EVENT_NAME in attributes else ""
        )
        return LogRecord(
            time_unix_nano=round(line.created * 1e6) * 1000,  # a float holds no more
            observed_time_unix_nano=self._telemetry.clock.time_ns(),
            severity_number=severity_of(line.levelno or NOTSET),
            severity_text=line.levelname or "",
            body=body_of(line) if self.formatter is None else self._formatted(line),
            attributes=attributes,
            dropped_attributes_count=self._telemetry.log_limits.cut(attributes),
            trace_id=trace_id,
            span_id=span_id,
            flags=flags,
            event_name=event_name,
            resource=self._telemetry.resource,
            scope=self._scope_of(line.name or ""),
        )

    def _formatted(self, line: Line) -> str:
        try:
            return self.format(line)
        except Exception:  # noqa: BLE001 - a wrong format must not lose the line
            return message_of(line)


def stamp_trace(line: Line) -> bool:
    """Note the current trace on a line: a filter for handlers and loggers.

    A ``QueueHandler`` with it keeps the ids for a ``LogHandler`` on the listener's
    thread, and formats can name ``%(otelTraceID)s``, ``%(otelSpanID)s`` and
    ``%(otelTraceSampled)s``: hexadecimal texts, or ``"0"`` outside a trace, and a bool,
    as OpenTelemetry's instrumentation of logging has them.
    """
    trace_id, span_id, flags = current_trace()
    setattr(line, TRACE_ID, trace_id.hex() or "0")
    setattr(line, SPAN_ID, span_id.hex() or "0")
    setattr(line, SAMPLED, bool(flags & 1))
    return True


def stamped_trace(line: Line) -> TraceIds:
    """The ids that were noted on a line where it was logged."""
    noted = line.__dict__
    try:
        trace_id = bytes.fromhex(noted[TRACE_ID])
        span_id = bytes.fromhex(noted[SPAN_ID])
    except (KeyError, TypeError, ValueError):  # "0" is no hexadecimal byte
        return NO_TRACE
    if (len(trace_id), len(span_id)) != (16, 8):
        return NO_TRACE
    return trace_id, span_id, int(bool(noted.get(SAMPLED)))


def body_of(line: Line) -> Any:
    """The message; a dict or list that was logged without arguments as it is."""
    message = line.msg
    if line.args or not isinstance(message, KEPT_WHOLE):
        return message_of(line)
    return message if type(message) is str else plain_value(message)


def message_of(line: Line) -> str:
    """The message; where its arguments do not fit, as much as can be told."""
    try:
        return line.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string must not lose the line
        return f"{text_of(line.msg)} {text_of(line.args)}"


def attributes_of(line: Line) -> dict[str, Any]:
    """Where the line stands in the code, its exception, its stack and its ``extra``."""
    attributes: dict[str, Any] = {
        "code.file.path": line.pathname,
        "code.function.name": line.funcName,
        "code.line.number": line.lineno,
    }
    if line.exc_info or line.exc_text:
        attributes.update(told_of_exception(line))
    if line.stack_info:
        attributes[STACK] = text_of(line.stack_info)
    for key, value in line.__dict__.items():
        if key not in STANDARD:
            attributes[name_of(key)] = plain_value(value)
    return attributes


def told_of_exception(line: Line) -> dict[str, Any]:
    """The exception's type, message and stack; only a text, if that is all there is."""
    given: Any = line.exc_info
    error = given[1] if isinstance(given, tuple) and len(given) > 1 else given
    if isinstance(error, BaseException):
        return exception_attributes(error)
    if line.exc_text:  # it came from another process or thread
        return {"exception.stacktrace": text_of(line.exc_text)}
    return {}


def severity_of(level: int) -> int:
    """OpenTelemetry's severity number: DEBUG 5, INFO 9, WARNING 13, ERROR 17, FATAL 21.

    Each level between two of logging's steps one up, at most three; below DEBUG it is
    TRACE (1 to 4), and NOTSET is none.
    """
    if level <= 0:
        return 0
    if level < 10:
        return max(1, min(4, level - 4))
    band = min(level // 10, 5)
    return 1 + 4 * band + min(level - 10 * band, 3)
