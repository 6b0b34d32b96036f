"""What changes events or leaves some out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, MODULES)
