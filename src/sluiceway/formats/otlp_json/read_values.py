"""Numbers, identifiers, AnyValues and attributes from their JSON."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any, Final

from . import shapes

DEEPEST: Final = 64
URL_SAFE: Final = str.maketrans("-_", "+/")


class OutOfRangeError(ValueError):
    """A value that has a JSON form, but that no field of OTLP can hold."""


def uint64(number: int | str | None) -> int:
    """A uint64 or fixed64; 0 for none."""
    if number is None:
        return 0
    whole = int(number)
    if whole >= 2**64:
        raise OutOfRangeError(f"expected a uint64, not {whole}")
    return whole


def int64(number: int | str) -> int:
    """An int64 or sfixed64."""
    whole = int(number)
    if not -(2**63) <= whole < 2**63:
        raise OutOfRangeError(f"expected an int64, not {shown(whole)}")
    return whole


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
