"""Install: the instrumentations of a process feed one ``Telemetry``.

Law: OpenTelemetry's globals can be set once; who was first stays, is named in a
warning, and nothing is raised. Source: OpenTelemetry specification, ``trace/api.md``,
``metrics/api.md``, ``logs/api.md`` and ``context/api-propagators.md``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from logging import getLogger
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.metrics import get_meter_provider, set_meter_provider
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import get_tracer_provider, set_tracer_provider

from .propagators import VARIABLE

if TYPE_CHECKING:
    from .telemetry import Telemetry

Setting = tuple[Any, Callable[[Any], None], Callable[[], Any]]


def install(telemetry: Telemetry) -> bool:
    """Set OpenTelemetry's globals; see ``Telemetry.install``.

    Returns:
        Whether everything of ``telemetry`` is installed now.
    """
    if not install_providers(telemetry):
        return False
    set_propagator(telemetry.propagator)
    return True


def install_providers(telemetry: Telemetry) -> bool:
    """Set each provider that can still be set, and name those that are others'."""
    settings: list[Setting] = [
        (telemetry.tracer_provider, set_tracer_provider, get_tracer_provider)
    ]
    if not telemetry.disabled:  # else the API's stand-ins do: they pass nothing on
        settings += [
            (telemetry.meter_provider, set_meter_provider, get_meter_provider),
            (telemetry.logger_provider, set_logger_provider, get_logger_provider),
        ]
    for provider, put, _ in settings:
        put(provider)
    # asked before one is set, the API would load what the environment names
    current = [(provider, get()) for provider, _, get in settings]
    others = [other for provider, other in current if other is not provider]
    if others:
        getLogger(__name__).warning(
            "%r is not installed in full, and its propagator not at all: this process "
            "has %s already, and OpenTelemetry lets nobody replace them",
            telemetry,
            " and ".join(told(other) for other in others),
        )
    return not others


def told(provider: object) -> str:
    """A provider of ours by its service, another one by its class."""
    if type(provider).__module__.startswith(f"{__package__}."):
        return repr(provider)
    return f"{type(provider).__module__}.{type(provider).__qualname__}"


def set_propagator(propagator: TextMapPropagator) -> None:
    """Make it the global one, even where the environment names one that is unknown."""
    try:
        set_global(propagator)
    except Exception:  # noqa: BLE001 - the API's module refuses to load then
        named = os.environ.pop(VARIABLE, "")
        try:
            set_global(propagator)
        finally:
            os.environ[VARIABLE] = named


def set_global(propagator: TextMapPropagator) -> None:
    """Load the API's module, which reads the environment, and set the propagator."""
    from opentelemetry.propagate import set_global_textmap  # noqa: PLC0415

    set_global_textmap(propagator)
