"""Protobuf's wire format, the writing half.

Law: every function here takes plain values and gives bytes; what does not fit raises
``UNENCODABLE``, and the caller encodes a cleaned copy instead (clean.py).
Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct

# What a field of a wrong type or range raises; a user's own object may raise anything.
UNENCODABLE = Exception

UINT64 = 2**64 - 1

pack_tagged_double = struct.Struct("<Bd").pack
pack_tagged_fixed64 = struct.Struct("<BQ").pack
pack_tagged_sfixed64 = struct.Struct("<Bq").pack

ZERO = bytes(8)


# Nearly every length and count of telemetry is below this; a tuple never changes.
SHORT = 1024
VARINTS = (
    *(bytes((number,)) for number in range(128)),
    *(bytes((number & 127 | 128, number >> 7)) for number in range(128, SHORT)),
)
CONTINUED = tuple(bytes((group | 128,)) for group in range(128))  # more groups follow


def long_varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number in two's complement."""
    number &= UINT64
    groups = b""
    while number >= SHORT:
        groups += CONTINUED[number & 127]
        number >>= 7
    return groups + VARINTS[number]


def varint(number: int) -> bytes:
    """The number as a varint; a negative one in two's complement of 64 bits."""
    return VARINTS[number] if 0 <= number < SHORT else long_varint(number)


def zigzag(number: int) -> bytes:
    """A sint32 as a varint: 0, -1, 1, -2 become 0, 1, 2, 3."""
    if not -(2**31) <= number < 2**31:
        raise ValueError(f"{number} is no sint32")
    return varint(number << 1 ^ number >> 31)


def embedded(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field, present even if ``body`` is empty."""
    return b"%b%b%b" % (tag, varint(len(body)), body)


def utf8(text: str) -> bytes:
    """The text's bytes; lone surrogates, which UTF-8 has no form for, become ``?``."""
    try:
        return str.encode(text)  # not a method of a user's class derived from str
    except UnicodeEncodeError:
        return str.encode(text, "utf-8", "replace")


def text(tag: bytes, value: str) -> bytes:
    """A string field; nothing for the empty string, which is the default."""
    return embedded(tag, utf8(value)) if value else b""


def identifier(tag: bytes, value: bytes, length: int) -> bytes:
    """A trace or span id of just that many bytes; nothing for none."""
    if not value:
        return b""
    if len(value) != length:
        raise ValueError(f"an id has {len(value)} bytes; expected {length}")
    return embedded(tag, value)


def uint32(tag: bytes, number: int) -> bytes:
    """A uint32 field; nothing for 0, which is the default."""
    if not 0 <= number < 2**32:
        raise ValueError(f"{number} is no uint32")
    return tag + varint(number) if number else b""


def enum(tag: bytes, number: int) -> bytes:
    """An enum field (an int32, open: unknown numbers pass); nothing for 0."""
    if not -(2**31) <= number < 2**31:
        raise ValueError(f"{number} is no int32")
    return tag + varint(number) if number else b""


def fixed32(tag: bytes, number: int) -> bytes:
    """A fixed32 field; nothing for 0, which is the default."""
    return tag + number.to_bytes(4, "little") if number else b""


def double(tag: int, value: float) -> bytes:
    """A double field; nothing for +0.0, which is the default (-0.0 is not)."""
    packed = pack_tagged_double(tag, value)
    return b"" if packed[1:] == ZERO else packed


def optional_double(tag: int, value: float | None) -> bytes:
    """A double field with presence: nothing for None only."""
    return b"" if value is None else pack_tagged_double(tag, value)


def fixed64(tag: int, number: int) -> bytes:
    """A fixed64 field; nothing for 0, which is the default."""
    return pack_tagged_fixed64(tag, number) if number else b""
