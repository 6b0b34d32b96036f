"""Which events a rule looks at: what they must be, by path.

Law: pure. A wanted value may be a plain one, a list of several, or a text that begins
with a sign: ``= != > >= < <= =~ !~``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from ..errors import ConfigurationError
from .reading import Read, number_of, reader, text_of

Match = Callable[[Any], bool]

SIGN: Final = re.compile(r"(!=|>=|<=|=~|!~|=|>|<)\s*(.*)", re.DOTALL)
COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


def matcher(setting: str, where: Any) -> Match | None:
    """The test that events must pass; None if all do.

    Args:
        setting: whose it is, for an error, such as ``"RatioRule.where"``.
        where: what must stand at each path (``{"kind": "server",
            "attributes.http.response.status_code": ">= 500"}``), or a function of one
            event.

    Raises:
        ConfigurationError: it can match nothing.
    """
    if callable(where):
        return whether(where)
    if not isinstance(where, Mapping):
        raise ConfigurationError(
            f"{setting} is {where!r}; expected a table of paths, or a function of one "
            "event"
        )
    tests = [
        (reader(setting, path), test_of(f"{setting}[{path!r}]", wanted))
        for path, wanted in where.items()
    ]
    return all_of(tests) if tests else None


def whether(function: Callable[[Any], Any]) -> Match:
    """The function's verdict; False where it fails."""

    def match(event: Any) -> bool:
        try:
            return bool(function(event))
        except Exception:  # noqa: BLE001 - whatever a function of the user's does
            return False

    return match


def all_of(tests: list[tuple[Read, Match]]) -> Match:
    """Whether every one passes."""
    if len(tests) == 1:
        ((only_read, only_test),) = tests
        return lambda event: only_test(only_read(event))

    def match(event: Any) -> bool:
        for read, test in tests:  # noqa: SIM110 - a generator costs as much again
            if not test(read(event)):
                return False
        return True

    return match


def test_of(setting: str, wanted: Any) -> Match:
    """What a value must be."""
    if isinstance(wanted, list | tuple | set | frozenset):
        tests = [test_of(setting, each) for each in wanted]
        return lambda value: any(test(value) for test in tests)
    if isinstance(wanted, str):
        sign = SIGN.fullmatch(wanted)
        return equals(wanted) if sign is None else signed(setting, sign[1], sign[2])
    if isinstance(wanted, bool):
        return lambda value: value is wanted
    if isinstance(wanted, int | float):
        return lambda value: number_of(value) == wanted
    return equals(text_of(wanted))


def equals(wanted: str) -> Match:
    """Whether a value's text is this one; of enums in any case, and remembered."""
    known: dict[Enum, bool] = {}

    def match(value: Any) -> bool:
        if isinstance(value, str):
            return value == wanted
        if isinstance(value, Enum):
            found = known.get(value)
            if found is None:
                found = known[value] = text_of(value) == wanted.lower()
            return found
        return value is not None and text_of(value) == wanted

    return match


def signed(setting: str, sign: str, operand: str) -> Match:
    """The test of a sign and what stands behind it."""
    if sign == "=":
        return equals(operand)
    if sign == "!=":
        equal = equals(operand)
        return lambda value: not equal("" if value is None else value)
    if sign in COMPARE:
        return compares(setting, COMPARE[sign], operand)
    try:
        pattern = re.compile(operand)
    except re.error as error:
        raise ConfigurationError(
            f"{setting} is {sign + operand!r}; expected a regular expression ({error})"
        ) from None
    wants = sign == "=~"
    return lambda value: (pattern.fullmatch(text_of(value)) is not None) is wants


def compares(
    setting: str, compare: Callable[[float, float], bool], operand: str
) -> Match:
    """The test of a number against a limit; what is no number does not pass."""
    try:
        limit = float(operand)
    except ValueError:
        raise ConfigurationError(
            f"{setting} compares with {operand!r}; expected a number"
        ) from None

    def match(value: Any) -> bool:
        number = number_of(value)
        return number is not None and compare(number, limit)

    return match
