"""AnyValue and KeyValue to bytes, without a memo: any value, however odd.

Law: nothing here raises for what a user put into an attribute. An integer beyond int64
and a value of an unknown type are encoded as their text, bytearrays and memoryviews as
bytes, tuples as arrays; containers nested deeper than ``DEEPEST`` as ``TOO_DEEP``, so
that a list that holds itself ends.
"""

from __future__ import annotations

from typing import Any

from .writing import embedded, long_varint, pack_tagged_double, utf8, varint

# Receivers of Google's protobuf stop at 100 nested messages; a dict in a dict takes 3.
DEEPEST = 28
TOO_DEEP = "(nested too deep)"

INT64 = range(-(2**63), 2**63)


def text_of(value: Any) -> str:
    """The plain text of an object that has no form of its own on the wire."""
    if issubclass(type(value), str):
        return str.__str__(value)  # str() asks a user's class, such as an enum
    try:
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"(unprintable {type(value).__name__})"


def key_field(key: object) -> bytes:
    """The ``key`` of a KeyValue and the tag of its value."""
    plain = key if isinstance(key, str) else text_of(key)
    return embedded(b"\n", utf8(plain)) + b"\x12"


def keyed(key_part: bytes, any_value: bytes) -> bytes:
    """A KeyValue with its length in front; its tag depends on where it stands."""
    size = varint(len(any_value))
    whole = varint(len(key_part) + len(size) + len(any_value))
    return b"%b%b%b%b" % (whole, key_part, size, any_value)


def text_value(value: str) -> bytes:
    """An AnyValue of a string."""
    return embedded(b"\n", utf8(value))


def bool_value(value: object) -> bytes:
    """An AnyValue of a bool."""
    return b"\x10\x01" if value else b"\x10\x00"


def int_value(value: int) -> bytes:
    """An AnyValue of an int64; of a string for an integer that is larger."""
    if -(2**63) <= value < 2**63:
        return b"\x18" + long_varint(value)
    return text_value(decimal(value))


def decimal(value: int) -> str:
    """The digits of an integer; in base 16 where CPython refuses base 10."""
    try:
        return str(int(value))
    except ValueError:
        return hex(value)


def float_value(value: float) -> bytes:
    """An AnyValue of a double."""
    return pack_tagged_double(0x21, value)


def bytes_value(value: bytes) -> bytes:
    """An AnyValue of bytes."""
    return embedded(b":", bytes(value))


def none_value(value: object) -> bytes:  # noqa: ARG001 - one of a table of writers
    """An AnyValue in which nothing is set: null."""
    return b""


def list_value(values: Any, depth: int = 0) -> bytes:
    """An AnyValue of an array."""
    if depth >= DEEPEST:
        return text_value(TOO_DEEP)
    items = [embedded(b"\n", any_value(item, depth + 1)) for item in tuple(values)]
    return embedded(b"*", b"".join(items))


def dict_value(values: Any, depth: int = 0) -> bytes:
    """An AnyValue of a key-value list."""
    if depth >= DEEPEST:
        return text_value(TOO_DEEP)
    pairs = [
        b"\n" + keyed(key_field(key), any_value(value, depth + 1))
        for key, value in tuple(values.items())
    ]
    return embedded(b"2", b"".join(pairs))


def any_value(value: Any, depth: int = 0) -> bytes:
    """The AnyValue of any object, as this module's law says."""
    try:
        return value_by_type(value, depth)
    except Exception:  # noqa: BLE001 - a class derived from ours may raise anything
        return text_value(text_of(value))


def value_by_type(value: Any, depth: int) -> bytes:
    """The AnyValue in the form of the first type that ``value`` is of."""
    if isinstance(value, list | tuple):
        return list_value(value, depth)
    if isinstance(value, dict):
        return dict_value(value, depth)
    for kind, write in WRITERS:
        if isinstance(value, kind):
            written: bytes = write(value)
            return written
    return text_value(text_of(value))


# In this order: a bool is an int to isinstance.
WRITERS: tuple[tuple[Any, Any], ...] = (
    (str, text_value),
    (bool, bool_value),
    (int, int_value),
    (float, float_value),
    (type(None), none_value),
    (bytes | bytearray | memoryview, bytes_value),
)
