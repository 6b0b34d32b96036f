"""What keeps a part of the events by a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .probability import ProbabilitySampler
    from .rate_limit import RateLimitSampler

__all__ = [
    "ProbabilitySampler",
    "RateLimitSampler",
]

MODULES: Final = {
    "ProbabilitySampler": ".probability",
    "RateLimitSampler": ".rate_limit",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
