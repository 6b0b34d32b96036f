"""The sampler that ``OTEL_TRACES_SAMPLER`` names.

Law: a word that is none, or that needs something that is not here, is named in a
warning and counts as unset. Source: OpenTelemetry specification,
``configuration/sdk-environment-variables.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..errors import ConfigurationError
from ..samplers.always import AlwaysOffSampler, AlwaysOnSampler
from ..samplers.parent_based import ParentBasedSampler
from ..samplers.probability import SMALLEST, ProbabilitySampler
from .environment import complain, text_of_variable

VARIABLE = "OTEL_TRACES_SAMPLER"
ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
DEFAULT = "parentbased_always_on"


def by_probability() -> ProbabilitySampler[Any]:
    """The sampler with the probability that the argument tells; 1 by default."""
    text = text_of_variable(ARGUMENT)
    expected = "0 or a number from 2**-56 to 1"
    try:
        probability = float(text or 1)
        if 0 < probability < SMALLEST:  # one that is meant to keep next to nothing
            complain(ARGUMENT, text, expected, "2**-56")
            probability = SMALLEST
        return ProbabilitySampler(probability)
    except (ValueError, ConfigurationError):
        complain(ARGUMENT, text, expected, "1")
        return ProbabilitySampler(1)


SAMPLERS: Final[dict[str, Callable[[], Any]]] = {
    "always_on": lambda: ParentBasedSampler.for_all(AlwaysOnSampler()),
    "always_off": lambda: ParentBasedSampler.for_all(AlwaysOffSampler()),
    "traceidratio": lambda: ParentBasedSampler.for_all(by_probability()),
    DEFAULT: ParentBasedSampler,
    "parentbased_always_off": lambda: ParentBasedSampler(AlwaysOffSampler()),
    "parentbased_traceidratio": lambda: ParentBasedSampler(by_probability()),
}
ELSEWHERE = ("jaeger_remote", "parentbased_jaeger_remote", "xray")


def sampler_from_environment() -> Any:
    """The sampler that the environment names, or None where every trace is recorded."""
    text = text_of_variable(VARIABLE)
    word = text.lower()
    if word in {"", DEFAULT}:
        return None
    if word in SAMPLERS:
        return SAMPLERS[word]()
    expected = "one of " + ", ".join(SAMPLERS)
    if word in ELSEWHERE:
        expected += f" ({word} needs a sampler that asks a server)"
    complain(VARIABLE, text, expected, DEFAULT, known=SAMPLERS)
    return None
