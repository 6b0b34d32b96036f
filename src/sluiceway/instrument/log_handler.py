"""LogHandler: lines of the standard logging become log records of a pipeline.

Law: never raises into the application, never waits, takes no lock; lines of sluiceway
itself, and lines that are logged while a line is handled, are not taken in, so that a
failing exporter cannot feed itself.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from logging import Handler
from logging import LogRecord as Line
from typing import TYPE_CHECKING, Any

from ..events import LogRecord, Scope
from .context import current_span
from .identity import W3C_FLAGS, identity_of
from .span import LiveSpan
from .values import PLAIN, exception_attributes, plain_value, text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry

OWN_LOGGER = "sluiceway"
SCOPES = 1024  # loggers whose Scope is remembered

# What every line has; the rest is what the application passed as ``extra``.
STANDARD = frozenset(Line("", 0, "", 0, "", None, None).__dict__) | {
    "asctime",
    "message",
    "taskName",
}


class LogHandler(Handler):
    """A handler for the standard logging: ``getLogger().addHandler(t.log_handler)``.

    The level becomes the severity, the message the body, ``extra`` and a traceback
    attributes; trace ids are those of the current span, and the logger is the scope.

    Args:
        telemetry: whose resource and ``logs`` the records get.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
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
        if record.name.partition(".")[0] == OWN_LOGGER:
            return
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            self._telemetry.logs.emit_nowait(self._event_of(record))
        except Exception:  # noqa: BLE001 - logging's way: it tells stderr, never raises
            self.handleError(record)
        finally:
            self._busy.now = False

    def _event_of(self, line: Line) -> LogRecord:
        trace_id, span_id, flags = current_identity()
        return LogRecord(
            time_unix_nano=int(line.created * 1e9),
            observed_time_unix_nano=self._telemetry.clock.time_ns(),
            severity_number=severity_of(line.levelno),
            severity_text=line.levelname,
            body=message_of(line),
            attributes=attributes_of(line),
            trace_id=trace_id,
            span_id=span_id,
            flags=flags,
            resource=self._telemetry.resource,
            scope=self._scope_of(line.name),
        )


def message_of(line: Line) -> str:
    """The message; where its arguments do not fit, as much as can be told."""
    try:
        return line.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string must not lose the line
        return f"{text_of(line.msg)} {text_of(line.args)}"


def attributes_of(line: Line) -> dict[str, Any]:
    """Where the line stands in the code, its ``extra`` and its exception."""
    attributes: dict[str, Any] = {
        "code.file.path": line.pathname,
        "code.function.name": line.funcName,
        "code.line.number": line.lineno,
    }
    for key, value in line.__dict__.items():
        if key not in STANDARD:
            attributes[key] = value if type(value) in PLAIN else plain_value(value)
    if line.exc_info and line.exc_info[1] is not None:
        attributes.update(exception_attributes(line.exc_info[1]))
    return attributes


def current_identity() -> tuple[bytes, bytes, int]:
    """Trace id, span id and flags of the current span; empty outside a trace."""
    span = current_span()
    if isinstance(span, LiveSpan):
        trace_id, span_id, flags, _ = span.identity
        return trace_id, span_id, flags & W3C_FLAGS
    context = span.get_span_context() if span is not None else None
    if context is None or not context.is_valid:
        return b"", b"", 0
    trace_id, span_id, flags, _ = identity_of(context)
    return trace_id, span_id, flags & W3C_FLAGS


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
