"""What keeps a part of the events by a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .always import AlwaysOffSampler, AlwaysOnSampler
    from .parent_based import ParentBasedSampler
    from .probability import ProbabilitySampler
    from .rate_limit import RateLimitSampler
    from .rules import Rule, RuleSampler
    from .start import SpanStart

__all__ = [
    "AlwaysOffSampler",
    "AlwaysOnSampler",
    "ParentBasedSampler",
    "ProbabilitySampler",
    "RateLimitSampler",
    "Rule",
    "RuleSampler",
    "SpanStart",
]

MODULES: Final = {
    "AlwaysOffSampler": ".always",
    "AlwaysOnSampler": ".always",
    "ParentBasedSampler": ".parent_based",
    "ProbabilitySampler": ".probability",
    "RateLimitSampler": ".rate_limit",
    "Rule": ".rules",
    "RuleSampler": ".rules",
    "SpanStart": ".start",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
