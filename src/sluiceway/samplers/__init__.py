"""What keeps a part of the events by a rule."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

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


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
