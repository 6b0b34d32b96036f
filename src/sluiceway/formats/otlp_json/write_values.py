"""Numbers, AnyValues and attributes to their JSON."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any

Json = dict[str, Any]


def filled(**fields: Any) -> Json:
    """The fields that say something: a zero that counts is a float or a text."""
    return {
        name: value
        for name, value in fields.items()
        if value or isinstance(value, float)
    }


def whole(number: int) -> str:
    """A 64-bit integer; nothing for 0, which is the default."""
    return str(number) if number else ""


def real(number: float | None) -> float | str | None:
    """A double; JSON has no form of its own for those that are not finite."""
    if number is None or isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number == inf else "-Infinity"  # noqa: PLR0124 - a NaN


def any_value(value: Any) -> Json:
    """An AnyValue, of the types that a decoder gives."""
    return WRITERS[type(value)](value)


def attributes(values: dict[str, Any]) -> list[Json]:
    """Attributes, in their order."""
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


WRITERS: Mapping[type, Callable[[Any], Json]] = {
    str: lambda text: {"stringValue": text},
    int: lambda number: {"intValue": str(number)},
    bool: lambda yes: {"boolValue": yes},
    float: lambda number: {"doubleValue": real(number)},
    bytes: lambda data: {"bytesValue": b2a_base64(data, newline=False).decode()},
    list: lambda items: {"arrayValue": {"values": [*map(any_value, items)]}},
    dict: lambda pairs: {"kvlistValue": {"values": attributes(pairs)}},
    type(None): lambda _: {},
}
