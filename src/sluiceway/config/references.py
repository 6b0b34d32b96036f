"""``module:name``: a Python object, named in a file or on the command line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import ConfigurationError, nearest


def load_object(reference: str) -> Any:
    """The object that ``"module:name"`` names; the name may have dots.

    Raises:
        ConfigurationError: no such module or name, or the module cannot be imported.
    """
    module, _, name = reference.partition(":")
    if not module or not name:
        raise ConfigurationError(f"{reference!r} names no object; expected module:name")
    found: Any = imported(module)
    where = f"module {module}"
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            hint = nearest(part, (word for word in dir(found) if word[0] != "_"))
            raise ConfigurationError(f"{where} has no {part!r}{hint}") from error
        where = f"{where}:{part}"
    return found


def imported(module: str) -> Any:
    """A module, or a sentence about why it cannot be had."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise ConfigurationError(f"there is no module {error.name!r}") from error
        raise ConfigurationError(broken(module, error)) from error
    except (Exception, SystemExit) as error:  # whatever the user's code does there
        raise ConfigurationError(broken(module, error)) from error


def broken(module: str, error: BaseException) -> str:
    """Why a module cannot be imported."""
    return f"module {module} cannot be imported ({type(error).__name__}: {error})"
