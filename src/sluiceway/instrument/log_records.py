"""What all ways of logging share: whose line it is, in which trace, plain values.

Law: nothing here raises or takes for ever, whatever an application has passed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span as ApiSpan

from ..upstream import works_for
from .context import current_span
from .identity import W3C_FLAGS, identity_of
from .span import LiveSpan

if TYPE_CHECKING:
    from .telemetry import Telemetry

OWN_LOGGER = "sluiceway"
EVENT_NAME = "otel.event.name"  # the conventions' attribute for what has no such field
STACK = "code.stacktrace"
LARGEST_SEVERITY = 24
LATEST = 2**64 - 1  # nanoseconds that the protocol can carry

TraceIds = tuple[bytes, bytes, int]  # trace id, span id, flags
NO_TRACE: TraceIds = (b"", b"", 0)
NOBODY = bytes(16)  # the trace id of a span that is switched off, outside a trace


class LastTaken(threading.local):
    """The line or record that a thread has handed over last, and by which way.

    A line that OpenTelemetry's instrumentation of logging brings through the logs API
    is one that a ``LogHandler`` has, too, if both are there: they come one after the
    other on the same thread, by the same name and with the same time.
    """

    by_handler: tuple[object, str, int] | None = None
    by_api: tuple[object, str, int] | None = None

    def is_second_by_handler(self, telemetry: object, name: str, time: int) -> bool:
        """Whether the logs API was given this line already; if not, it is noted."""
        taken = (telemetry, name, time)
        second, self.by_api = self.by_api == taken, None
        self.by_handler = None if second else taken
        return second

    def is_second_by_api(self, telemetry: object, name: str, time: int) -> bool:
        """Whether a handler was given this line already; if not, it is noted."""
        taken = (telemetry, name, time)
        second, self.by_handler = self.by_handler == taken, None
        self.by_api = None if second else taken
        return second


LAST_TAKEN = LastTaken()


def is_left_out(telemetry: Telemetry, logger: str) -> bool:
    """Whether a line is not taken in: all of them, with ``OTEL_SDK_DISABLED``.

    Otherwise those whose delivery would make another one: the lines of sluiceway
    itself, and of code that works for the pipeline which delivers them: a sink, what it
    calls, and the stages before it.
    """
    return telemetry.disabled or is_own(logger) or works_for(telemetry.logs)


def is_own(logger: str) -> bool:
    """Whether a logger is one of sluiceway's."""
    return logger.startswith(OWN_LOGGER) and logger.partition(".")[0] == OWN_LOGGER


def current_trace() -> TraceIds:
    """The ids of the current span; none outside a trace."""
    span = current_span()
    return NO_TRACE if span is None else trace_of(span)


def trace_of(span: ApiSpan) -> TraceIds:
    """The ids that a record gets of a span of ours or of somebody else's."""
    if isinstance(span, LiveSpan):
        trace_id, span_id, flags, _ = span.identity
        if trace_id == NOBODY:
            return NO_TRACE
        return trace_id, span_id, flags & W3C_FLAGS
    try:
        context = span.get_span_context()
        if not context.is_valid:
            return NO_TRACE
        trace_id, span_id, flags, _ = identity_of(context)
    except Exception:  # noqa: BLE001 - another library's span may do anything
        return NO_TRACE
    return trace_id, span_id, flags & W3C_FLAGS


def severity_number(value: Any) -> int:
    """1 to 24 of a number or of the API's enum; 0 for anything else."""
    number = getattr(value, "value", value)
    if isinstance(number, int) and 0 <= number <= LARGEST_SEVERITY:
        return int(number)
    return 0
