"""A processor for structlog: its events become log records of a pipeline.

Law: never raises into the application, never waits, and changes no event. structlog is
not imported; it calls us.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from logging import CRITICAL, DEBUG, ERROR, INFO, NOTSET, WARNING
from typing import TYPE_CHECKING, Any, Final

from ..events import LogRecord, Scope
from .log_handler import SCOPES, severity_of
from .log_records import (
    EVENT_NAME,
    LATEST,
    STACK,
    current_trace,
    is_left_out,
)
from .values import exception_attributes, plain_attributes, plain_value, text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry

EventDict = MutableMapping[str, Any]

TRACE: Final = 5
LEVELS: Final = {
    "trace": TRACE,
    "debug": DEBUG,
    "info": INFO,
    "warn": WARNING,
    "warning": WARNING,
    "error": ERROR,
    "exception": ERROR,
    "critical": CRITICAL,
    "fatal": CRITICAL,
}
ALIASES: Final = {"warn": "warning", "exception": "error"}  # structlog's own
CALL_SITE: Final = {
    "pathname": "code.file.path",
    "func_name": "code.function.name",
    "lineno": "code.line.number",
    "stack": STACK,
}
EPOCH: Final = datetime.fromtimestamp(0, UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class StructlogProcessor:
    """One of structlog's processors: takes each event in and passes it on, or ends it.

    ``event`` becomes the body, ``level`` the severity, ``timestamp`` (of a
    ``TimeStamper`` in ISO 8601 or seconds) the time, ``logger`` the scope; an exception
    in ``exc_info``, or one that was formatted into ``exception``, is told as
    OpenTelemetry does; everything else, context variables that were merged before it
    included, becomes attributes. Trace ids are those of the current span.

    It stands behind what adds to an event and before what renders it. With the
    standard logging behind structlog, use this or ``Telemetry.log_handler``: with both,
    an event becomes two records.

    Args:
        telemetry: whose resource and ``logs`` the records get.
        last: True ends the chain, so that structlog prints nothing; by default the
            event goes on to the next processor, unchanged.
    """

    def __init__(self, telemetry: Telemetry, *, last: bool = False) -> None:
        self._telemetry = telemetry
        self._last = last
        self._scope_of = lru_cache(SCOPES)(Scope)

    def __call__(
        self, logger: Any, method_name: str, event_dict: EventDict
    ) -> EventDict:
        """Take the event in; called by structlog.

        Raises:
            structlog.DropEvent: this is the last processor; structlog expects it.
        """
        name = logger_name(logger, event_dict)
        if not is_left_out(self._telemetry, name):
            record = self._record_of({**event_dict}, name, method_name)
            self._telemetry.logs.emit_nowait(record)
        if self._last:
            raise sys.modules["structlog"].DropEvent
        return event_dict

    def _record_of(self, told: dict[str, Any], name: str, method: str) -> LogRecord:
        """The record of an event; what is understood is taken out of ``told``."""
        now = self._telemetry.clock.time_ns()
        trace_id, span_id, flags = current_trace()
        level, severity = taken_level(told, method)
        when = taken_time(told)
        exception = taken_exception(told)
        body = taken_body(told)
        event_name = text_of(told.pop(EVENT_NAME, ""))
        for key in ("logger", "_record", "_from_structlog"):
            told.pop(key, None)
        named = {CALL_SITE.get(key, key): value for key, value in told.items()}
        attributes = {**exception, **plain_attributes(named)}
        return LogRecord(
            time_unix_nano=now if when is None else when,
            observed_time_unix_nano=now,
            severity_number=severity,
            severity_text=level,
            body=body,
            attributes=attributes,
            dropped_attributes_count=self._telemetry.log_limits.cut(attributes),
            trace_id=trace_id,
            span_id=span_id,
            flags=flags,
            event_name=event_name,
            resource=self._telemetry.resource,
            scope=self._scope_of(name),
        )

    def __repr__(self) -> str:
        return f"<StructlogProcessor of {self._telemetry!r}>"


def logger_name(logger: Any, told: Mapping[str, Any]) -> str:
    """The logger's name where one is known: in the event, or of a standard logger."""
    for name in (
        told.get("logger"),
        getattr(logger, "name", None),
        getattr(told.get("_record"), "name", None),  # of a ProcessorFormatter
    ):
        if isinstance(name, str):
            return name
    return ""


def taken_level(told: dict[str, Any], method: str) -> tuple[str, int]:
    """The level's name and severity number; a level that is no text is an attribute."""
    named = isinstance(told.get("level"), str)
    level = text_of(told.pop("level")) if named else ALIASES.get(method, method)
    number = LEVELS.get(level.lower(), NOTSET)
    if isinstance(told.get("level_number"), int):
        number = told.pop("level_number")
    return level, severity_of(number)


def taken_time(told: dict[str, Any]) -> int | None:
    """The event's own time in nanoseconds; one that is not understood stays there."""
    stamp = told.get("timestamp")
    try:
        if isinstance(stamp, str):
            moment = datetime.fromisoformat(stamp)
            # without a zone it is local time, as a TimeStamper(utc=False) has it
            when = (moment.astimezone(UTC) - EPOCH) // MICROSECOND * 1000
        elif isinstance(stamp, int | float) and not isinstance(stamp, bool):
            when = round(stamp * 1e6) * 1000
        else:
            return None
    except (OverflowError, ValueError):
        return None
    if not 0 <= when <= LATEST:
        return None
    del told["timestamp"]
    return when


def taken_body(told: dict[str, Any]) -> Any:
    """What happened; with the arguments that nobody has put in yet."""
    body = plain_value(told.pop("event", None))
    arguments = told.get("positional_args")
    if arguments and isinstance(body, str):
        try:
            body %= arguments
        except Exception:  # noqa: BLE001 - then they stay attributes
            return body
        del told["positional_args"]
    return body


def taken_exception(told: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an exception, raw or already formatted."""
    given = told.pop("exc_info", None)
    if given and not isinstance(given, tuple | BaseException):
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) and len(given) > 1 else given
    if isinstance(error, BaseException):
        return exception_attributes(error)
    formatted = told.get("exception")
    if isinstance(formatted, str):
        return {"exception.stacktrace": told.pop("exception")}
    if isinstance(formatted, list) and formatted and isinstance(formatted[0], dict):
        return {  # of a structured traceback, which stays an attribute
            "exception.type": text_of(formatted[0].get("exc_type", "")),
            "exception.message": text_of(formatted[0].get("exc_value", "")),
        }
    return {}
