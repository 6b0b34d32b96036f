"""Watching: what the calls of a decorated function are measured with.

Law: instruments are made once for a backend, and a call only looks whether another
backend is that of the process now. What cannot be watched runs unwatched.
"""

from __future__ import annotations

from functools import partial
from logging import getLogger
from typing import Any, Final, Protocol

from sluiceway import SluicewayError
from sluiceway.events import StatusCode

from .backend import FlextBackend
from .exceptions import FlextObservabilityError
from .exported_names import DURATION, ERRORS
from .models import CLOCK
from .process import PROCESS
from .result import FlextFailure, FlextResult, described

SCOPE: Final = "flext_observability.functions"
SUCCESS: Final = "success"
ERROR: Final = "error"
CANCELLED: Final = "cancelled"
FAILURE: Final = "FlextResult"  # the type of a failure that has no code

now = CLOCK.now


class HasBackend(Protocol):
    """Something that says where to record."""

    @property
    def backend(self) -> FlextBackend:
        """Where to record."""
        ...


class Watch:
    """The instruments of one function, in one backend.

    Args:
        function: whose calls are measured.
        name: what it is called in spans and metrics.
        backend: what they record into.

    Attributes:
        span: makes a span that ends with its block.
        make: makes one that may be entered again and is to be ended, and first to be
            prepared with ``tracer`` and ``name``: half of what a method would cost.
        traced: the function with a span for each call, for generators.
        succeeded: takes the seconds of a call that went well.
    """

    __slots__ = (
        "_durations",
        "_errors",
        "backend",
        "make",
        "name",
        "span",
        "succeeded",
        "traced",
        "tracer",
    )

    def __init__(self, function: Any, name: str, backend: FlextBackend) -> None:
        self.name = name
        self.backend = backend
        tracer = backend.telemetry.tracer(SCOPE)
        meter = backend.telemetry.meter(SCOPE)
        durations = meter.histogram(DURATION, "s", "How long calls of a function took.")
        self._durations = {
            outcome: durations.bind({"function": name, "outcome": outcome}).record
            for outcome in (SUCCESS, ERROR, CANCELLED)
        }
        self._errors = meter.counter(
            ERRORS, "{error}", "Calls of a function that failed."
        )
        self.succeeded = self._durations[SUCCESS]
        self.traced = tracer.span(name)(function)
        self.span = partial(tracer.span, name)
        self.make = tracer.open
        self.tracer = tracer

    def raised(self, begun: float, error: BaseException) -> None:
        """Take in a call that ended with an exception; cancellation is no error."""
        is_error = isinstance(error, Exception)
        self._durations[ERROR if is_error else CANCELLED](now() - begun)
        if is_error:
            self._count(type(error).__name__)

    def failed(self, begun: float, span: Any, failure: FlextFailure) -> None:
        """Take in a call that returned a failure; its span has not ended yet."""
        span.set_status(StatusCode.ERROR, failure.error)
        self._durations[ERROR](now() - begun)
        self._count(failure.error_code or FAILURE)

    def ended(self, begun: float, error: BaseException | None) -> None:
        """Take in a generator that ended; one that is closed early is no error."""
        if error is None or isinstance(error, GeneratorExit):
            self.succeeded(now() - begun)
        else:
            self.raised(begun, error)

    def _count(self, kind: str) -> None:
        self._errors.add(1, {"function": self.name, "error.type": kind})


class Binding:
    """Finds the watch of a function, and makes one where the backend is another.

    Args:
        function: which.
        name: what it is called in spans and metrics.
        monitor: says where to record; None for the backend of the process.
    """

    __slots__ = ("_complained", "_function", "_monitor", "_name", "_watch")

    def __init__(self, function: Any, name: str, monitor: HasBackend | None) -> None:
        self._function = function
        self._name = name
        self._monitor = monitor
        self._complained = False
        self._watch: Watch | None = None

    def bound(self) -> Watch | None:
        """The watch for now; None if there can be none, which is said once."""
        watch = self._watch
        if watch is not None and watch.backend is (
            PROCESS.current if self._monitor is None else self._known()
        ):
            return watch
        found = self._backend()
        if isinstance(found, FlextFailure):
            self._complain(found.error)
            return None
        if watch is None or watch.backend is not found.value:
            self._watch = watch = Watch(self._function, self._name, found.value)
        return watch

    def _known(self) -> FlextBackend | None:
        """The monitor's backend while it runs; None where more must be asked."""
        try:
            backend = self._monitor.backend if self._monitor else None
            return backend if backend and backend.is_running else None
        except Exception:  # noqa: BLE001 - a monitor may be anything
            return None

    def _backend(self) -> FlextResult[FlextBackend]:
        """The backend, if it takes what is recorded; the first call starts it."""
        try:
            monitor = self._monitor
            backend = PROCESS.get() if monitor is None else monitor.backend
            return FlextResult.ok(backend) if backend.ready() else backend.refusal()
        except (FlextObservabilityError, SluicewayError) as error:
            return FlextResult.fail(str(error))
        except Exception as error:  # noqa: BLE001 - a monitor may be anything
            return FlextResult.fail(described(error))

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            getLogger(__name__).warning("%s runs unwatched: %s", self._name, why)
