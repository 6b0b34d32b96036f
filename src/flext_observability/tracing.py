"""FlextTracingService: operations that start, end and fail, and become spans.

Law: an operation returns a ``FlextResult`` and raises nothing. What runs is known by
its ids: no service and no object needs to be kept.
"""

from __future__ import annotations

from typing import Final, cast, overload

from . import validation
from .api import flext_create_trace
from .creating import refused, understood
from .exceptions import FlextValidationError, is_a
from .models import FlextTrace
from .open_traces import Key
from .process import OfBackend
from .result import UNTOLD, FlextResult, described

NAMES: Final = (
    "a FlextTrace, the 32 hexadecimal digits of a trace id or the 16 of a span id"
)


class FlextTracingService(OfBackend):
    """Starts and ends operations of traces.

    Services are cheap: all that are made without a backend share that of the process.
    An operation that is not ended is handed over as unfinished: after the
    configuration's ``trace_timeout``, when more than ``open_traces`` run, or when the
    backend stops.

    Args:
        backend: what to record into; by default the one of the process.
    """

    @overload
    async def start_trace(self, trace: FlextTrace) -> FlextResult[FlextTrace]: ...

    @overload
    async def start_trace(self, trace: str) -> FlextResult[str]: ...

    async def start_trace(
        self, trace: FlextTrace | str
    ) -> FlextResult[FlextTrace] | FlextResult[str]:
        """Let an operation begin: a ``FlextTrace``, or a new one of this name.

        Returns:
            The operation with the time when it started, or for a name the id of the
            trace; a failure if it was started before, or nothing can be recorded now.
        """
        return self.start(trace)

    @overload
    def start(self, trace: FlextTrace) -> FlextResult[FlextTrace]: ...

    @overload
    def start(self, trace: str) -> FlextResult[str]: ...

    def start(
        self, trace: FlextTrace | str
    ) -> FlextResult[FlextTrace] | FlextResult[str]:
        """As ``start_trace``, for programs without an event loop."""
        if is_a(trace, FlextTrace):
            return self._started(trace, by_name=False)
        name = cast("str", trace)
        return (
            flext_create_trace(name, name)
            .flat_map(lambda made: self._started(made, by_name=True))
            .map(lambda started: started.trace_id)
        )

    def _started(self, trace: FlextTrace, *, by_name: bool) -> FlextResult[FlextTrace]:
        if trace.status != "running":
            return refused(
                FlextValidationError("status", trace.status, "'running' at the start")
            )
        backend = self.backend
        if not backend.ready():
            return backend.refusal()
        return backend.operations.start(trace, by_name=by_name)

    async def complete_trace(self, trace: FlextTrace | str) -> FlextResult[FlextTrace]:
        """Let an operation end well.

        Args:
            trace: the operation, of which only the ids are looked at; or its span id;
                or a trace id, which names the oldest open operation that was started
                by a name alone, or else the oldest open one.

        Returns:
            The operation as it ended; a failure if it does not run, or with the code
            ``"queue_full"`` if it ended and could not be handed over.
        """
        return self.complete(trace)

    def complete(self, trace: FlextTrace | str) -> FlextResult[FlextTrace]:
        """As ``complete_trace``, for programs without an event loop."""
        return self._ended(trace, "completed", "")

    async def error_trace(
        self, trace: FlextTrace | str, error: str | BaseException
    ) -> FlextResult[FlextTrace]:
        """Let an operation end with an error.

        Args:
            trace: as of ``complete_trace``.
            error: what went wrong, as text or as the exception.
        """
        return self.error(trace, error)

    def error(
        self, trace: FlextTrace | str, error: str | BaseException
    ) -> FlextResult[FlextTrace]:
        """As ``error_trace``, for programs without an event loop."""
        return understood(lambda: told_of(error)).flat_map(
            lambda text: self._ended(trace, "error", text)
        )

    def _ended(
        self, trace: FlextTrace | str, status: str, error: str
    ) -> FlextResult[FlextTrace]:
        named = understood(lambda: name_of(trace))
        return named.flat_map(
            lambda name: self.backend.operations.end(name, status, error)
        )


def told_of(error: object) -> str:
    """What somebody says went wrong, as the operation keeps it.

    Raises:
        FlextValidationError: it is neither text nor an exception.
    """
    if not isinstance(error, str | BaseException):
        raise FlextValidationError("error", error, "text or an exception")
    text = str.__str__(error) if isinstance(error, str) else described(error)
    return text[: validation.LONGEST] or UNTOLD


def name_of(trace: object) -> str | Key:
    """What names an operation."""
    if isinstance(trace, FlextTrace):
        return trace.trace_id, trace.span_id
    digits = len(trace) if isinstance(trace, str) else 0
    if digits not in {16, 32}:
        raise FlextValidationError("trace", trace, NAMES)
    return validation.identifier("trace", trace, digits)
