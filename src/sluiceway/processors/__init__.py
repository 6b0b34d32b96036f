"""What changes events or leaves some out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .filter import Filter
    from .set_attributes import SetAttributes

__all__ = [
    "Filter",
    "SetAttributes",
]

MODULES: Final = {
    "Filter": ".filter",
    "SetAttributes": ".set_attributes",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
