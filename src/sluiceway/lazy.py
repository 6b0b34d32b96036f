"""Packages whose names load their modules when they are asked for.

Law: importing such a package loads none of its modules, and so none of the libraries
that only some of them need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from .errors import nearest


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package of lazy names.

    Args:
        package: its ``__name__``.
        modules: the module of each public name, such as ``".otlp"``.
    """

    def load(name: str) -> Any:
        if name not in modules:
            hint = nearest(name, modules)
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}")
        return getattr(import_module(modules[name], package), name)

    def names() -> list[str]:
        return sorted(modules)

    return load, names
