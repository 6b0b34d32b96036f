"""Where events come in; each module loads its library when its source is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..inlet import Inlet
    from .iterable import IterableSource
    from .json_lines import JsonLinesSource
    from .otlp import OtlpSource

__all__ = [
    "Inlet",
    "IterableSource",
    "JsonLinesSource",
    "OtlpSource",
]

MODULES: Final = {
    "Inlet": "..inlet",
    "IterableSource": ".iterable",
    "JsonLinesSource": ".json_lines",
    "OtlpSource": ".otlp",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
