"""Monitoring: functions whose calls are watched, and what watches a whole program.

Law: what is watched works as it did before, with no set-up at all and whatever happens
to the telemetry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from .exceptions import FlextValidationError
from .monitor import FlextMonitorReport, FlextObservabilityMonitor
from .monitored import monitored
from .watching import Binding, HasBackend

__all__ = [
    "FlextMonitorReport",
    "FlextObservabilityMonitor",
    "flext_monitor_function",
]

EXPECTED: Final = {
    "name": "text, or a function to decorate",
    "function": "a function; of a class its methods, of a property what it calls",
}
Function = TypeVar(
    "Function",
    bound="Callable[..., Any] | classmethod[Any, Any, Any] | staticmethod[Any, Any]",
)


@overload
def flext_monitor_function(
    name: Function, *, monitor: HasBackend | None = None
) -> Function: ...


@overload
def flext_monitor_function(
    name: str | None = None, *, monitor: HasBackend | None = None
) -> Callable[[Function], Function]: ...


def flext_monitor_function(
    name: Any = None, *, monitor: HasBackend | None = None
) -> Any:
    """Watch the calls of a function: ``@flext_monitor_function("checkout")``.

    Each call becomes a span, a measurement of the histogram ``flext.function.duration``
    (seconds) by ``function`` and ``outcome`` (success, error or cancelled), and if it
    fails, one of the counter ``flext.function.errors`` by ``error.type``. A failed
    ``FlextResult`` that is returned counts as an error; cancellation does not.

    It takes ``def``, ``async def``, generators, async generators and methods, and may
    stand on either side of ``@classmethod`` and ``@staticmethod``.

    Args:
        name: of the span; the function's qualified name by default.
        monitor: a monitor, factory or service that says where to record; the backend of
            the process by default.

    Raises:
        FlextValidationError: the name is no text, or what is decorated is no function,
            such as a class or a property.
    """
    if isinstance(name, str) or name is None:
        return lambda told: decorated(function_of("function", told), name, monitor)
    return decorated(function_of("name", name), None, monitor)


def decorated(function: Any, name: str | None, monitor: HasBackend | None) -> Any:
    """The function with its calls watched."""
    inner = getattr(function, "__func__", function)
    own: str = name or getattr(inner, "__qualname__", "") or type(inner).__name__
    return monitored(function, Binding(inner, own, monitor))


def function_of(field: str, told: Any) -> Any:
    """What can be watched: a function; a class would be none any more.

    Raises:
        FlextValidationError: it is none.
    """
    is_one = callable(told) or isinstance(told, classmethod | staticmethod)
    if not is_one or isinstance(told, type):
        raise FlextValidationError(field, told, EXPECTED[field])
    return told
