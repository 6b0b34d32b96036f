"""LogBridge: the SDK's log records feed a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from logging import LogRecord as Line

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from ..events import LogRecord
from ..instrument.log_records import is_own, severity_number
from ..instrument.logger import ids_of_record, nanoseconds
from ..instrument.values import plain_attributes, plain_value
from ..upstream import works_for
from .bridge import CAPACITY, Bridge


class LogBridge(Bridge[LogRecord], LogRecordExporter):
    """An SDK ``LogRecordExporter``, for its ``BatchLogRecordProcessor``.

    ``provider.add_log_record_processor(BatchLogRecordProcessor(bridge))`` and
    ``Pipeline(bridge.source >> ...)``. As a filter, ``handler.addFilter(bridge)``, it
    keeps from the SDK's handler what is logged while these records are delivered.

    Args:
        name: of its source in the graph; default ``"sdk_logs"``.
        capacity: records that wait for a pipeline; default 100,000.

    Raises:
        ConfigurationError: ``capacity`` is not a positive whole number.
    """

    def __init__(self, name: str = "sdk_logs", *, capacity: int = CAPACITY) -> None:
        super().__init__(name, capacity)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Hand the records over; FAILURE if some were refused, which is counted.

        Those of sluiceway's own loggers are left out, so that a failing sink is not
        fed by what it says.
        """
        others = [record for record in batch if not is_own(scope_name(record))]
        taken = self._offer(others, self._event_of)
        return LogRecordExportResult.SUCCESS if taken else LogRecordExportResult.FAILURE

    def filter(self, line: Line) -> bool:
        """Whether the application has logged a line, and not the pipeline behind this.

        ``export`` can tell sluiceway's own loggers, but not where a line of another
        one, such as that of a sink's HTTP client, came from.
        """
        return not (is_own(line.name) or works_for(self.source))

    def _event_of(self, readable: ReadableLogRecord) -> LogRecord:
        record = readable.log_record
        trace_id, span_id, flags = ids_of_record(record)
        return LogRecord(
            time_unix_nano=nanoseconds(record.timestamp),
            observed_time_unix_nano=nanoseconds(record.observed_timestamp),
            severity_number=severity_number(record.severity_number),
            severity_text=record.severity_text or "",
            body=plain_value(record.body),
            attributes=plain_attributes(record.attributes),
            trace_id=trace_id,
            span_id=span_id,
            flags=flags,
            event_name=record.event_name or "",
            dropped_attributes_count=readable.dropped_attributes,
            resource=self._resource_of(readable.resource),
            scope=self._scope_of(readable.instrumentation_scope),
        )


def scope_name(readable: ReadableLogRecord) -> str:
    """The name of the record's scope: with the standard logging, of its logger."""
    scope = readable.instrumentation_scope
    return "" if scope is None else scope.name or ""
