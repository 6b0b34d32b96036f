"""Protobuf's wire format, the reading half.

Law: whatever the bytes, reading ends with a result or a ``MalformedError``, in time
linear in the body's length. Positions are absolute, so that errors can name them; a
field may be read past the end of its message, but no message is then accepted.
Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

from ...errors import SluicewayError

Result = TypeVar("Result")

LARGEST_NUMBER_OF_PARTS = 1_000_000
DEEPEST_GROUP = 64

unpack_fixed64 = struct.Struct("<Q").unpack_from
unpack_fixed32 = struct.Struct("<I").unpack_from
unpack_double = struct.Struct("<d").unpack_from


class MalformedError(SluicewayError, ValueError):
    """Bytes that are no OTLP message: cut off, corrupted, or hostile.

    Args:
        offset: where in the body, in bytes, it was noticed.
        expected: what should have stood there.

    Attributes:
        offset: the same.
        expected: the same.
        reason: the ledger's word for it.
    """

    reason: ClassVar[str] = "malformed"

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(f"malformed OTLP body at byte {offset}: expected {expected}")
        self.offset = offset
        self.expected = expected


class Reader:
    """A body that is being read, and what is counted and remembered meanwhile.

    Attributes:
        data: the whole body.
        keys: the keys of attributes by their bytes, bounded.
        pairs: whole attributes by their bytes, bounded: telemetry repeats itself.
        seen: about how many attributes were looked up in ``pairs``.
        various: that so few were found there that it is no longer asked.
        room: how many more events and parts of events may be made, so that two bytes
            that become an object of hundreds cannot exhaust the memory.
    """

    __slots__ = ("data", "keys", "pairs", "room", "seen", "various")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.keys: dict[bytes, str] = {}
        self.pairs: dict[bytes, tuple[str, Any]] = {}
        self.seen = 0
        self.various = False
        self.room = LARGEST_NUMBER_OF_PARTS

    def count(self, offset: int) -> None:
        """Count one more part."""
        self.room -= 1
        if self.room < 0:
            raise too_many(offset)


def too_many(offset: int) -> MalformedError:
    """The error for a body of too many parts."""
    return MalformedError(offset, f"at most {LARGEST_NUMBER_OF_PARTS} parts")


def decode(body: bytes, read: Callable[[Reader, int, int], Result]) -> Result:
    """What ``read`` makes of the body.

    Raises:
        MalformedError: in the place of whatever reading such bytes runs into.
    """
    data = bytes(body)
    try:
        return read(Reader(data), 0, len(data))
    except (IndexError, struct.error):
        raise MalformedError(len(data), "the rest of a field") from None
    except UnicodeDecodeError as error:
        offset = data.find(error.object) + error.start
        raise MalformedError(offset, "UTF-8") from None


def varint(data: bytes, pos: int) -> tuple[int, int]:
    """An unsigned varint of 64 bits, and where it ends."""
    first = data[pos]
    if first < 128:
        return first, pos + 1
    second = data[pos + 1]
    if second < 128:  # nearly all lengths that take more than a byte
        return first & 127 | second << 7, pos + 2
    number = first & 127 | (second & 127) << 7
    shift, last = 14, pos + 9
    pos += 2
    while pos <= last:
        group = data[pos]
        pos += 1
        number |= (group & 127) << shift
        if group < 128:
            return number & 0xFFFF_FFFF_FFFF_FFFF, pos
        shift += 7
    raise MalformedError(last, "a varint of at most 10 bytes")


def fields(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message: the tag (number and wire type) and what it holds.

    For length-delimited fields that is start and stop; for varints the number; for
    fixed ones the start; the unused one is the end. Groups are skipped.
    """
    while pos < end:
        tag = data[pos]
        if tag < 128:
            pos += 1
        else:
            tag, pos = varint(data, pos)
        wire_type = tag & 7
        if wire_type == 2:
            size, start = data[pos], pos + 1
            if size > 127:
                size, start = varint(data, pos)
            pos = start + size
            if pos > end:
                raise MalformedError(start, f"{size} bytes, there are {end - start}")
            yield tag, start, pos
        elif wire_type == 0:
            number, pos = varint(data, pos)
            yield tag, number, pos
        else:
            start = pos
            pos = after_other(data, pos, end, tag)
            yield tag, start, pos
        if tag < 8 or tag > 0xFFFF_FFFF:
            raise MalformedError(pos, "a field number from 1 to 536870911")
    if pos != end:
        raise MalformedError(end, "the end of a message")


def after_other(data: bytes, pos: int, end: int, tag: int) -> int:
    """Where a fixed field or a group ends."""
    wire_type = tag & 7
    if wire_type == 1:
        stop = pos + 8
    elif wire_type == 5:
        stop = pos + 4
    elif wire_type == 3:
        stop = after_group(data, pos, end, tag)
    else:
        raise MalformedError(pos, f"a wire type from 0 to 3 or 5, not {wire_type}")
    if stop > end:
        raise MalformedError(pos, "the rest of a field")
    return stop


def after_group(data: bytes, pos: int, end: int, tag: int) -> int:
    """Where a group ends: a form of before proto3, always unknown to us."""
    open_groups = [tag]
    while open_groups:
        if pos >= end or len(open_groups) > DEEPEST_GROUP:
            raise MalformedError(min(pos, end), f"the end of group {tag >> 3}")
        inner, pos = varint(data, pos)
        wire_type = inner & 7
        if wire_type == 3:
            open_groups.append(inner)
        elif wire_type == 4:
            if inner >> 3 != open_groups.pop() >> 3:
                raise MalformedError(pos, "the end of the innermost group")
        elif wire_type == 2:
            size, pos = varint(data, pos)
            pos += size
        elif wire_type == 0:
            _, pos = varint(data, pos)
        else:
            pos = after_other(data, pos, end, inner)
    return pos


# What a field holds, by its kind; each takes the reader and what ``fields`` gave.


def text(reader: Reader, start: int, stop: int) -> str:
    """A string."""
    return reader.data[start:stop].decode()


def blob(reader: Reader, start: int, stop: int) -> bytes:
    """Bytes."""
    return reader.data[start:stop]


def identifier(reader: Reader, start: int, stop: int, length: int) -> bytes:
    """A trace or span id, or none."""
    if stop - start not in {0, length}:
        raise MalformedError(start, f"an id of {length} bytes, not {stop - start}")
    return reader.data[start:stop]


def trace_id(reader: Reader, start: int, stop: int) -> bytes:
    """A trace id: 16 bytes or none."""
    return identifier(reader, start, stop, 16)


def span_id(reader: Reader, start: int, stop: int) -> bytes:
    """A span id: 8 bytes or none."""
    return identifier(reader, start, stop, 8)


def uint32(reader: Reader, number: int, stop: int) -> int:  # noqa: ARG001
    """A uint32; the higher bits of a longer varint are ignored, as protobuf says."""
    return number & 0xFFFF_FFFF


def int32(reader: Reader, number: int, stop: int) -> int:  # noqa: ARG001
    """An int32 or an enum."""
    return ((number & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


def int64(number: int) -> int:
    """An int64 from its unsigned varint."""
    return number - 2**64 if number >= 2**63 else number


def sint32(reader: Reader, number: int, stop: int) -> int:  # noqa: ARG001
    """A zigzag sint32."""
    number &= 0xFFFF_FFFF
    return (number >> 1) ^ -(number & 1)


def boolean(reader: Reader, number: int, stop: int) -> bool:  # noqa: ARG001
    """A bool."""
    return number != 0


def fixed64(reader: Reader, start: int, stop: int) -> int:  # noqa: ARG001
    """A fixed64."""
    number: int = unpack_fixed64(reader.data, start)[0]
    return number


def sfixed64(reader: Reader, start: int, stop: int) -> int:
    """An sfixed64."""
    return int64(fixed64(reader, start, stop))


def fixed32(reader: Reader, start: int, stop: int) -> int:  # noqa: ARG001
    """A fixed32."""
    number: int = unpack_fixed32(reader.data, start)[0]
    return number


def double(reader: Reader, start: int, stop: int) -> float:  # noqa: ARG001
    """A double."""
    number: float = unpack_double(reader.data, start)[0]
    return number


def packed(reader: Reader, start: int, stop: int, code: str) -> list[Any]:
    """A packed repeated field of 8-byte numbers: ``"Q"`` fixed64, ``"d"`` double."""
    count, odd = divmod(stop - start, 8)
    if odd:
        raise MalformedError(start, "a multiple of 8 bytes")
    return list(struct.unpack_from(f"<{count}{code}", reader.data, start))


def packed_varints(reader: Reader, start: int, stop: int) -> list[int]:
    """A packed repeated uint64 field."""
    numbers = []
    data, pos = reader.data, start
    while pos < stop:
        number, pos = varint(data, pos)
        numbers.append(number)
    if pos != stop:
        raise MalformedError(stop, "the end of a packed field")
    return numbers
