"""How entities are made without raising: what a check refuses becomes a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import fields_dict

from sluiceway import ConfigurationError

from .exceptions import FlextValidationError, RefusedValueError
from .result import FlextResult, described

Made = TypeVar("Made")


def made(
    make: type[Made], *arguments: Any, options: Mapping[str, Any]
) -> FlextResult[Made]:
    """An entity, or a failure that tells what was refused.

    Args:
        make: the class.
        *arguments: its fields.
        options: further fields by their names.
    """
    return understood(lambda: make(*arguments, **known(make, options)))


def attempted(make: Callable[[], Made]) -> FlextResult[Made]:
    """What ``make`` returns, or a failure that tells what it refused."""
    try:
        return FlextResult.ok(make())
    except RefusedValueError as error:
        return refused(error)


def understood(read: Callable[[], Made]) -> FlextResult[Made]:
    """What somebody gave, or a failure, whatever a user's object does."""
    try:
        return attempted(read)
    except ConfigurationError as error:
        return FlextResult.fail(str(error), FlextValidationError.error_code)
    except Exception as error:  # noqa: BLE001 - a user's object may do anything
        told = f"what was given cannot be read: {described(error)}"
        return FlextResult.fail(told, FlextValidationError.error_code)


def refused(error: RefusedValueError) -> FlextResult[Any]:
    """The failure that a refused value is."""
    return FlextResult.fail(str(error), error.error_code, {"field": error.field})


def known(make: type[Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, if the class has them all.

    Raises:
        FlextValidationError: it has not; the nearest one is told.
    """
    names = fields_dict(make)
    for name in options:
        if name not in names:
            expected = f"a field of {make.__name__}"
            raise FlextValidationError("option", name, expected, names)
    return options
