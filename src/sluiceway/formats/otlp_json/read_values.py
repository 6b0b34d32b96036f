"""Numbers, identifiers, AnyValues and attributes from their JSON."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from decimal import Decimal
from typing import Any, Final

from . import shapes

DEEPEST: Final = 64
MOST_DIGITS: Final = 20
WHOLE: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?")
URL_SAFE: Final = str.maketrans("-_", "+/")


class OutOfRangeError(ValueError):
    """A value that has a JSON form, but that no field of OTLP can hold."""


def uint64(number: float | str | None) -> int:
    """A uint64 or fixed64; 0 for none."""
    if number is None:
        return 0
    whole = number if type(number) is int else exact(number)
    return whole if 0 <= whole < 2**64 else refuse("a uint64", whole)


def int64(number: float | str) -> int:
    """An int64 or sfixed64."""
    whole = number if type(number) is int else exact(number)
    return whole if -(2**63) <= whole < 2**63 else refuse("an int64", whole)


def uint32(number: float | str | None) -> int:
    """A uint32 or fixed32, whose range is known if it is an int; 0 for none."""
    if not number or type(number) is int:
        return number or 0  # type: ignore[return-value]
    whole = exact(number)
    return whole if 0 <= whole < 2**32 else refuse("a uint32", whole)


def int32(number: float | str | None) -> int:
    """An int32, a sint32 or an enum, likewise."""
    if not number or type(number) is int:
        return number or 0  # type: ignore[return-value]
    whole = exact(number)
    return whole if -(2**31) <= whole < 2**31 else refuse("an int32", whole)


def exact(number: float | str) -> int:
    """The integer that a float or a text stands for, such as 5 for ``"5.0"``."""
    if isinstance(number, str):
        if number.isdigit() and number.isascii() and len(number) <= MOST_DIGITS:
            return int(number)
        if not WHOLE.fullmatch(number):
            raise OutOfRangeError(f"expected a whole number, not {number[:40]!r}")
    value = Decimal(number)
    whole = int(value)
    if whole != value:
        raise OutOfRangeError(f"expected a whole number, not {number}")
    return whole


def refuse(expected: str, number: int) -> int:
    """Say that no field of that kind holds the number.

    Raises:
        OutOfRangeError: always.
    """
    raise OutOfRangeError(f"expected {expected}, not {shown(number)}")


def shown(number: int) -> str:
    """An integer in an error, as far as it is of interest."""
    return f"{number}" if number.bit_length() < 256 else "a longer integer"


def double(number: float | str | None) -> float | None:
    """A double, or None."""
    return None if number is None else float(number)


def plain_double(number: float | str | None) -> float:
    """A double; 0.0 for none, but a negative zero stays one."""
    return 0.0 if number is None else float(number)


def identifier(digits: str | None) -> bytes:
    """A trace or span id, or none."""
    return bytes.fromhex(digits) if digits else b""


def blob(text: str) -> bytes:
    """Bytes from base64, of either alphabet and with or without padding."""
    plain = text.translate(URL_SAFE).rstrip("=")
    try:
        return a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except (Base64Error, ValueError):
        raise OutOfRangeError("expected bytesValue in base64") from None


def any_value(shape: shapes.AnyValue | None, depth: int = 0) -> Any:
    """What an AnyValue holds; None if nothing known is set."""
    if shape is None or shape.string_value is not None:
        return shape and shape.string_value
    if shape.int_value is not None:
        return int64(shape.int_value)
    if shape.bool_value is not None:
        return shape.bool_value
    if shape.double_value is not None:
        return double(shape.double_value)
    if shape.bytes_value is not None:
        return blob(shape.bytes_value)
    return container(shape, depth + 1)


def container(shape: shapes.AnyValue, depth: int) -> Any:
    """An array or a key-value list, or None."""
    array, pairs = shape.array_value, shape.kvlist_value
    if array is None and pairs is None:
        return None
    if depth > DEEPEST:
        raise OutOfRangeError(f"expected values nested at most {DEEPEST} deep")
    if array is not None:
        return [any_value(value, depth) for value in array.values or ()]
    return attributes(pairs.values if pairs else None, depth)


def attributes(pairs: shapes.Attributes, depth: int = 0) -> dict[str, Any]:
    """Attributes; of those with one key the last counts."""
    if not pairs:
        return {}
    return {pair.key or "": any_value(pair.value, depth) for pair in pairs}
