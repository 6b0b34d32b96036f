"""Which propagators a ``Telemetry`` has: from code, or by ``OTEL_PROPAGATORS``.

Law: code wins over the environment; what the environment names and nobody provides is
said and left out. Source: OpenTelemetry specification,
``configuration/sdk-environment-variables.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from logging import getLogger
from typing import Final

from opentelemetry.propagators.textmap import TextMapPropagator

from ..errors import ConfigurationError, nearest
from .environment import complain, text_of_variable
from .propagation import BaggagePropagator, Propagators, TraceContextPropagator

VARIABLE = "OTEL_PROPAGATORS"
GROUP = "opentelemetry_propagator"  # how packages offer theirs, such as "b3"
OWN: Final[dict[str, Callable[[], TextMapPropagator]]] = {
    "tracecontext": TraceContextPropagator,
    "baggage": BaggagePropagator,
}
NONE = "none"


def propagator_of(given: Iterable[str | TextMapPropagator] | None) -> Propagators:
    """The propagator of all that was given, or else of what the environment names.

    Raises:
        ConfigurationError: one that was given is neither known nor a propagator.
    """
    if given is None:
        return from_environment()
    if isinstance(given, str | TextMapPropagator) or not isinstance(given, Iterable):
        given = [given]
    return Propagators([checked(each) for each in given if each != NONE])


def checked(given: str | TextMapPropagator) -> TextMapPropagator:
    """The propagator that code asks for, itself or by its name.

    Raises:
        ConfigurationError: there is none.
    """
    if isinstance(given, TextMapPropagator):
        return given
    made = made_by_name(given) if isinstance(given, str) else None
    if made is None:
        raise ConfigurationError(
            f"Telemetry.propagators has {given!r}; expected a TextMapPropagator, or a "
            f"name out of {known_names()}{nearest(given, known_names())}"
        )
    return made


def from_environment() -> Propagators:
    """What ``OTEL_PROPAGATORS`` names, each once; ``tracecontext,baggage`` else."""
    parts = text_of_variable(VARIABLE).lower().split(",")
    names = dict.fromkeys(filter(None, map(str.strip, parts)))
    if NONE in names:
        return Propagators()
    found = [*filter(None, map(named, names))]
    return Propagators(found or [make() for make in OWN.values()])


def named(name: str) -> TextMapPropagator | None:
    """The propagator that the environment asks for; a warning where there is none."""
    made = made_by_name(name)
    if made is None:
        expected = f"names out of {known_names()}; install the package of another one"
        complain(VARIABLE, name, expected, "the others", known=known_names())
    return made


def made_by_name(name: str) -> TextMapPropagator | None:
    """The propagator of this name, our own or one that a package offers."""
    if name in OWN:
        return OWN[name]()
    for entry in entry_points(group=GROUP, name=name):
        try:
            made: TextMapPropagator = entry.load()()
        except Exception:
            getLogger(__name__).exception("the propagator %r does not load", name)
        else:
            return made
    return None


def known_names() -> list[str]:
    """The names that can be used here and now."""
    return sorted({*OWN, NONE, *entry_points(group=GROUP).names})
