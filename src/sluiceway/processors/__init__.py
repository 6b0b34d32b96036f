"""What changes events or leaves some out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .decode import Decode
    from .filter import Filter
    from .set_attributes import SetAttributes

__all__ = [
    "Decode",
    "Filter",
    "SetAttributes",
]

MODULES: Final = {
    "Decode": ".decode",
    "Filter": ".filter",
    "SetAttributes": ".set_attributes",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
