"""Stand-ins for ``flext_core`` and ``flext_cli`` where those packages are missing.

Law: what is real is never overwritten. A package that can be imported gets only the
names that it lacks; one that cannot is a module of its own in ``sys.modules``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.machinery import ModuleSpec
from logging import getLogger
from threading import Lock
from types import MappingProxyType, ModuleType
from typing import Any, Final, NoReturn

from .domain import (
    CLICommand,
    FlextCliApi,
    FlextContainer,
    FlextDomainService,
    FlextUtilities,
)
from .exceptions import suggestion
from .loggers import FlextLogger, get_logger
from .result import FlextResult, described

PACKAGES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "flext_core": MappingProxyType(
            {
                "FlextContainer": FlextContainer,
                "FlextDomainService": FlextDomainService,
                "FlextLogger": FlextLogger,
                "FlextResult": FlextResult,
                "FlextUtilities": FlextUtilities,
                "get_logger": get_logger,
            }
        ),
        "flext_cli": MappingProxyType(
            {"CLICommand": CLICommand, "FlextCliApi": FlextCliApi}
        ),
    }
)
CHANGES: Final = Lock()  # never held over an import, which has locks of its own


class StandIn(ModuleType):
    """A module that has the names of a package that is not there.

    Args:
        name: of the package.
        names: what it offers.
    """

    def __init__(self, name: str, names: Mapping[str, object]) -> None:
        super().__init__(name, f"A stand-in for {name}, by flext_observability.")
        self.__spec__ = ModuleSpec(name, None, origin="flext_observability")
        self.__all__ = sorted(names)
        vars(self).update(names)

    def __getattr__(self, name: str) -> NoReturn:
        known = self.__all__
        raise AttributeError(
            f"{self.__name__} is a stand-in by flext_observability and has no {name!r}"
            f"; it has {', '.join(known)}{suggestion(name, known)}",
            name=name,
            obj=self,
        )


def install() -> FlextResult[list[str]]:
    """Let ``flext_core`` and ``flext_cli`` be imported, installed or not.

    It may be called often, and by several threads.

    Returns:
        The names that this call added, such as ``"flext_core.FlextResult"``; none
        where all were there. A package that is installed and cannot be imported is
        stood in for, and a warning says why it could not.
    """
    found = {name: real(name) for name in PACKAGES}
    with CHANGES:
        added = [
            f"{package}.{name}"
            for package, module in found.items()
            for name in added_to(package, module)
        ]
    return FlextResult[list[str]].ok(added)


def uninstall() -> FlextResult[list[str]]:
    """Take back what ``install`` added; who has imported a name keeps it.

    Returns:
        The names that are gone; none where nothing was installed.
    """
    with CHANGES:
        gone = [
            f"{package}.{name}"
            for package, names in PACKAGES.items()
            for name in taken_from(package, names)
        ]
    return FlextResult[list[str]].ok(gone)


def real(package: str) -> ModuleType | None:
    """The module of that name; None where there is none, or where it is broken."""
    try:
        return import_module(package)
    except Exception as error:  # noqa: BLE001 - a package's import may raise anything
        if not isinstance(error, ModuleNotFoundError) or error.name != package:
            getLogger(__name__).warning(
                "%s is installed and cannot be imported (%s); standing in for it",
                package,
                described(error),
            )
        return None


def added_to(package: str, module: ModuleType | None) -> list[str]:
    """Add what a package lacks; the names that were added."""
    names = PACKAGES[package]
    if module is None:
        module = sys.modules.get(package)  # another thread may have been here
    if module is None:
        sys.modules[package] = StandIn(package, names)
        return list(names)
    lacking = [name for name in names if not has(module, name)]
    for name in lacking:
        setattr(module, name, names[name])
    return lacking


def has(module: ModuleType, name: str) -> bool:
    """Whether the module has the name, or would make it when it is asked."""
    missed = object()
    found: Any = missed
    try:
        found = getattr(module, name, missed)
    except Exception as error:  # noqa: BLE001 - a lazy name may raise anything
        getLogger(__name__).warning(
            "%s.%s cannot be had (%s); it is left as it is",
            module.__name__,
            name,
            described(error),
        )
        return True
    return found is not missed


def taken_from(package: str, names: Mapping[str, object]) -> list[str]:
    """Remove a stand-in, or what was added to a real module; the names removed."""
    module = sys.modules.get(package)
    if isinstance(module, StandIn):
        del sys.modules[package]
        return list(names)
    held = {} if module is None else vars(module)
    ours = [name for name in names if name in held and held[name] is names[name]]
    for name in ours:
        delattr(module, name)
    return ours
