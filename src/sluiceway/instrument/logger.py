"""OpenTelemetry's logs API: a LoggerProvider and its Loggers, for bridges of others.

Law: never raises, whatever it is given, and never waits. A log library's handler that
speaks this API feeds a pipeline without the SDK. Source: OpenTelemetry specification,
``logs/api.md``; the API's own package differs from version to version.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import Logger as ApiLogger
from opentelemetry._logs import LoggerProvider as ApiLoggerProvider
from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from ..events import LogRecord, Scope
from .identity import W3C_FLAGS
from .log_records import (
    LAST_TAKEN,
    LATEST,
    NO_TRACE,
    TraceIds,
    current_trace,
    is_left_out,
    severity_number,
    trace_of,
)
from .values import exception_attributes, plain_attributes, plain_value, text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry

LOGGERS = 1024  # that a provider remembers


class LoggerProvider(ApiLoggerProvider):
    """Gives out loggers: ``set_logger_provider(telemetry.logger_provider)``.

    Args:
        telemetry: whose resource and ``logs`` the records get.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._logger_of = lru_cache(LOGGERS)(self._make)

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Logger:
        """A logger for a library or module; the same one for the same names.

        Args:
            name: the scope, such as the name of the log library's logger.
            version: of the library.
            schema_url: of the conventions that its records follow.
            attributes: of the scope.
        """
        texts = (text_of(name or ""), text_of(version or ""), text_of(schema_url or ""))
        if attributes:
            return self._make(*texts, plain_attributes(attributes))
        return self._logger_of(*texts)

    def _make(
        self,
        name: str,
        version: str,
        schema_url: str,
        attributes: dict[str, Any] | None = None,
    ) -> Logger:
        return Logger(
            self._telemetry, Scope(name, version, attributes or {}, schema_url)
        )

    def __repr__(self) -> str:
        return f"<LoggerProvider of {self._telemetry!r}>"


class Logger(ApiLogger):
    """Emits the log records and events of one library or module.

    Args:
        telemetry: whose resource and ``logs`` the records get.
        scope: the library or module.
    """

    def __init__(self, telemetry: Telemetry, scope: Scope) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url, scope.attributes)
        self._telemetry = telemetry
        self._scope = scope

    def enabled(
        self,
        *,
        context: Context | None = None,  # noqa: ARG002 - the API's
        severity_number: SeverityNumber | None = None,  # noqa: ARG002 - the API's
        event_name: str | None = None,  # noqa: ARG002 - the API's
    ) -> bool:
        """Whether what is emitted here is taken in.

        It is not with ``OTEL_SDK_DISABLED``, nor where it would feed itself: in
        sluiceway's own code, and in a stage that delivers these very records.
        """
        return not is_left_out(self._telemetry, self._scope.name)

    def emit(
        self,
        record: ApiLogRecord | None = None,
        *,
        timestamp: int | None = None,
        observed_timestamp: int | None = None,
        context: Context | None = None,
        severity_number: SeverityNumber | None = None,
        severity_text: str | None = None,
        body: Any = None,
        attributes: Mapping[str, Any] | None = None,
        event_name: str | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """Hand a record to ``Telemetry.logs``: a ready one, or one made of the fields.

        A line of the standard logging that a ``LogHandler`` has taken just before, on
        this thread, is not taken twice.

        Args:
            record: the API's or the SDK's; then nothing else counts.
            timestamp: when it happened, in nanoseconds; unknown by default.
            observed_timestamp: when it was noticed; now by default.
            context: whose span it belongs to; by default the current one's.
            severity_number: 1 to 24.
            severity_text: the source's own word for it.
            body: any AnyValue.
            attributes: told of this record; they win over those of the exception.
            event_name: makes it an event.
            exception: told as its type, message and stack trace.
        """
        if not self.enabled():
            return
        if record is not None:
            self._take(ids_of_record(record), **fields_of(record))
            return
        self._take(
            trace_in(context),
            timestamp=timestamp,
            observed_timestamp=observed_timestamp,
            severity=severity_number,
            severity_text=severity_text,
            body=body,
            attributes=attributes,
            event_name=event_name,
            exception=exception,
        )

    def _take(
        self,
        trace: TraceIds,
        *,
        timestamp: Any,
        observed_timestamp: Any,
        severity: Any,
        severity_text: Any,
        body: Any,
        attributes: Any,
        event_name: Any,
        exception: Any,
    ) -> None:
        time, telemetry = nanoseconds(timestamp), self._telemetry
        if time and LAST_TAKEN.is_second_by_api(telemetry, self._scope.name, time):
            return
        told = plain_attributes(attributes)
        if isinstance(exception, BaseException):
            told = {**exception_attributes(exception), **told}
        trace_id, span_id, flags = trace
        event = LogRecord(
            time_unix_nano=time,
            observed_time_unix_nano=nanoseconds(observed_timestamp)
            or telemetry.clock.time_ns(),
            severity_number=severity_number(severity),
            severity_text=text_of(severity_text or ""),
            body=plain_value(body),
            attributes=told,
            dropped_attributes_count=telemetry.log_limits.cut(told),
            trace_id=trace_id,
            span_id=span_id,
            flags=flags,
            event_name=text_of(event_name or ""),
            resource=telemetry.resource,
            scope=self._scope,
        )
        telemetry.logs.emit_nowait(event)

    def __repr__(self) -> str:
        return f"<Logger {self._scope.name} {self._scope.version}>"


def trace_in(context: Context | None) -> TraceIds:
    """The ids of the span in ``context``, or of the current one."""
    return current_trace() if context is None else trace_of(get_current_span(context))


def fields_of(record: Any) -> dict[str, Any]:
    """What the record tells; the SDK's wraps one, older ones have fewer fields."""
    record = getattr(record, "log_record", record)
    return {
        "timestamp": getattr(record, "timestamp", None),
        "observed_timestamp": getattr(record, "observed_timestamp", None),
        "severity": getattr(record, "severity_number", None),
        "severity_text": getattr(record, "severity_text", None),
        "body": getattr(record, "body", None),
        "attributes": getattr(record, "attributes", None),
        "event_name": getattr(record, "event_name", None),
        "exception": getattr(record, "exception", None),
    }


def ids_of_record(record: Any) -> TraceIds:
    """The ids that the record carries; none if they are no ids."""
    record = getattr(record, "log_record", record)
    flags = getattr(record, "trace_flags", 0)
    try:
        trace_id = identifier(getattr(record, "trace_id", 0), 16)
        span_id = identifier(getattr(record, "span_id", 0), 8)
        return (trace_id, span_id, int(flags or 0) & W3C_FLAGS)
    except (AttributeError, OverflowError, TypeError, ValueError):
        return NO_TRACE


def identifier(number: int | None, size: int) -> bytes:
    """An id as bytes; none for 0 or None.

    Raises:
        AttributeError, OverflowError, TypeError: it is no number of that size.
    """
    return number.to_bytes(size, "big") if number else b""


def nanoseconds(value: Any) -> int:
    """A time that the protocol can carry; 0, which is unknown, for anything else."""
    number = isinstance(value, int | float) and 0 <= value <= LATEST
    return int(value) if number else 0
