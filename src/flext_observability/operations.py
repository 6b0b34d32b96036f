"""Operations: what starts and ends, and becomes a span where it ends.

Law: an operation that was started ends once, and is then handed over; nobody's silence
loses it: one that is not ended is handed over as unfinished, with what ended it in the
attribute ``flext.unfinished`` and an unset status.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from attrs import evolve

from sluiceway import Clock, Scope, Span
from sluiceway.events import StatusCode
from sluiceway.fork import follow_forks
from sluiceway.instrument import Telemetry

from . import validation
from .creating import attempted
from .models import CLOCK, FlextTrace, moment_of
from .open_traces import Key, OpenTraces, Operation
from .result import FlextResult

SCOPE: Final = Scope(name="flext_observability")
OPERATION: Final = "flext.operation"
UNFINISHED: Final = "flext.unfinished"
STARTED: Final = "already_started"
NOT_OPEN: Final = "not_open"
STOPPED: Final = "not_running"
UNKNOWN: Final = "is not known: it was never started, or ended long ago"
CLOSED: Final = "the backend is stopped; start() runs it again"
QUEUE_FULL: Final = "queue_full"
STATUS: Final = {
    "running": StatusCode.UNSET,
    "completed": StatusCode.OK,
    "error": StatusCode.ERROR,
}


class Operations:
    """The operations of one backend.

    Args:
        telemetry: whose spans they become.
        emit: takes a span, or answers False.
        open_traces: those that run.
        clock: tells the time.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        emit: Callable[[Span], bool],
        open_traces: OpenTraces,
        clock: Clock = CLOCK,
    ) -> None:
        self._telemetry = telemetry
        self._emit = emit
        self._traces = open_traces
        self._clock = clock
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """In a forked child: what runs is the parent's to end."""
        self._lock = threading.RLock()
        self._closed = False
        self._traces.forget()

    def __len__(self) -> int:
        return len(self._traces)

    def start(
        self, trace: FlextTrace, *, by_name: bool = False
    ) -> FlextResult[FlextTrace]:
        """Let an operation begin now.

        Args:
            trace: the operation; one that was started before is refused.
            by_name: as of ``Operation``.

        Returns:
            The operation with the time when it started.
        """
        return attempted(lambda: self._begun(trace, by_name=by_name)).flat_map(
            self._added
        )

    def _begun(self, trace: FlextTrace, *, by_name: bool) -> Operation:
        time_ns = self._clock.time_ns()
        own = evolve(trace, started_at=moment_of(time_ns))
        # first, as what comes last is dropped where there is too much
        attributes: dict[str, Any] = {OPERATION: ""}
        attributes |= validation.details("context", own.context)
        attributes[OPERATION] = own.operation
        dropped = self._telemetry.limits.cut(attributes)
        began = self._clock.now()
        return Operation(own, attributes, time_ns, began, by_name, dropped)

    def _added(self, operation: Operation) -> FlextResult[FlextTrace]:
        with self._lock:
            if self._closed:
                return FlextResult.fail(CLOSED, STOPPED)
            story = self._traces.story(operation.key)
            if story:
                return refusal(operation.key, story, STARTED)
            pushed_out = self._traces.add(operation)
        for span in self._spans(pushed_out, "there were too many"):
            self._emit(span)
        return FlextResult.ok(operation.trace)

    def end(
        self, name: str | Key, status: str, error: str = ""
    ) -> FlextResult[FlextTrace]:
        """Let an operation end now.

        Args:
            name: as of ``OpenTraces.named``.
            status: completed or error.
            error: what went wrong.

        Returns:
            The operation as it ended; a failure if it does not run, or if nothing can
            be handed over now.
        """
        now = self._clock.now()
        with self._lock:
            key = self._traces.named(name)
            if key is None:
                return refusal(name, self._traces.story(name) or UNKNOWN, NOT_OPEN)
            how = "completed" if status == "completed" else "ended with an error"
            operation = self._traces.end(key, how)
        ended = operation.started + int((now - operation.began) * 1e9)
        return self._handed_over(operation, ended, status, error)

    def _handed_over(
        self, operation: Operation, ended: int, status: str, error: str
    ) -> FlextResult[FlextTrace]:
        trace = operation.trace
        taken = not self._is_wanted(trace) or self._emit(
            self._span(operation, ended, status, error)
        )
        if not taken:
            why = CLOSED if self._closed else "the queue is full"
            text = f"{why}; the trace {trace.trace_id} ended and is lost"
            return FlextResult.fail(text, STOPPED if self._closed else QUEUE_FULL)
        at = moment_of(ended)
        return attempted(lambda: evolve(trace, status=status, error=error, ended_at=at))

    # What nobody ended.

    def expired(self) -> list[Span]:
        """End what has run for too long."""
        with self._lock:
            due = self._traces.expired(self._clock.now())
        return self._spans(due, "it took too long")

    def next_look(self) -> float:
        """When to ask for what has expired."""
        with self._lock:
            return self._traces.next_look(self._clock.now())

    def reopen(self) -> None:
        """Take in operations, again if ``close`` was called."""
        self._closed = False

    def close(self) -> list[Span]:
        """Take in none from now on, and end all that run."""
        with self._lock:
            self._closed = True
            left = self._traces.end_all()
        return self._spans(left, "the backend was stopped")

    def _spans(self, operations: list[Operation], why: str) -> list[Span]:
        now = self._clock.now()
        found = []
        for each in operations:
            if self._is_wanted(each.trace):
                ended = each.started + int((now - each.began) * 1e9)
                span = self._span(each, ended, "running")
                span.attributes[UNFINISHED] = why
                found.append(span)
        return found

    def _is_wanted(self, trace: FlextTrace) -> bool:
        return trace.is_sampled and not self._telemetry.disabled

    def _span(
        self, operation: Operation, ended: int, status: str, error: str = ""
    ) -> Span:
        """The span; what the operation was given is the span's from now on."""
        trace = operation.trace
        return Span(
            name=trace.name,
            trace_id=bytes.fromhex(trace.trace_id),
            span_id=bytes.fromhex(trace.span_id),
            parent_span_id=bytes.fromhex(trace.parent_span_id),
            start_time_unix_nano=operation.started,
            end_time_unix_nano=ended,
            attributes=operation.attributes,
            dropped_attributes_count=operation.dropped,
            status_code=STATUS[status],
            status_message=error,
            trace_state=trace.trace_state,
            flags=trace.trace_flags,
            resource=self._telemetry.resource,
            scope=SCOPE,
        )


def refusal(name: str | Key, story: str, code: str) -> FlextResult[Any]:
    """Why an operation of this name cannot be started, or ended."""
    trace_id, *span_id = [name] if isinstance(name, str) else name
    told = f"{trace_id}, span {span_id[0]}," if span_id else trace_id
    return FlextResult.fail(f"the trace {told} {story}", code)
