"""Fields that check what they are given: the entities' and the configuration's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import Attribute, Converter

from .exceptions import FlextValidationError, RefusedValueError
from .result import described

Check = Callable[..., Any]
CHECK: Final = "check"
EACH: Final = "each"  # the class of what a field has several of


def by(check: Check, *rest: Any) -> Mapping[str, Any]:
    """Metadata of a field: ``check(name, value, *rest)`` makes of it what is kept."""

    def kept(value: Any, attribute: Attribute[Any]) -> Any:
        try:
            return check(attribute.name, value, *rest)
        except RefusedValueError:
            raise
        except Exception as error:  # a user's object may do anything
            expected = f"what can be read, without {described(error)}"
            raise FlextValidationError(attribute.name, value, expected) from error

    return {CHECK: kept}


def several(check: Check, each: type[Any]) -> Mapping[str, Any]:
    """The same for a field that holds several of a class."""
    return {**by(check), EACH: each}


def unless_empty(check: Check) -> Mapping[str, Any]:
    """The same, which lets ``""`` and None pass."""
    return by(lambda name, value: check(name, value) if value else value)


def with_checks(_: type, fields: list[Attribute[Any]]) -> list[Attribute[Any]]:
    """The ``field_transformer`` of classes whose fields say what checks them."""
    return [
        each.evolve(converter=Converter(each.metadata[CHECK], takes_field=True))
        if CHECK in each.metadata
        else each
        for each in fields
    ]
