"""Tails: the name and the attributes behind a span's ids, for spans that repeat.

Law: they are encoded once for all spans that have the same. Attributes are looked up
packed as MessagePack, which a C library does in the time of one look into a dict, and
in which equal numbers of different types differ. A name whose attributes hardly come
again is left alone until its memo begins again.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from msgspec import msgpack

from .writing import SHORT, VARINTS, long_varint

if TYPE_CHECKING:
    from .memo import Memo

# Ids, kind, times and flags, each behind its tag: what stands before a tail.
ROOT = Struct("<H16sH8sBBBQBQHI")
CHILD = Struct("<H16sH8sH8sBBBQBQHI")
MOST = 256  # different attributes of one name; with more it is none that repeats
LONGEST = 512  # bytes of packed attributes that are worth keeping
HEADS = tuple(b"\x12" + size for size in VARINTS)

Tail = tuple[bytes, bytes]  # the head of the whole span; its name and attributes

pack = msgpack.Encoder().encode


class Tails(dict[bytes, Tail]):
    """The tails of one name, by the packed attributes."""

    __slots__ = ("_misses", "_name", "_named")

    def __init__(self, named: NamedTails, name: str) -> None:
        self._named = named
        self._name = name
        self._misses = 0

    def learn(self, packed: bytes, attributes: dict[str, Any]) -> Tail:
        """The tail of attributes that were not met before, or not kept."""
        named = self._named
        end = end_of(named.memo, self._name, attributes)
        tail = head_of(named.ids + len(end)), end
        self.miss()
        if self._misses <= MOST and len(packed) <= LONGEST and named.memo.take_room():
            self[packed] = tail
        return tail

    def miss(self) -> None:
        """Count attributes that were not there; the name is left alone after many."""
        self._misses += 1
        if self._misses > MOST:
            self._named[self._name] = None


class NamedTails(dict[str, Tails | None]):
    """The tails of each name; None for a name whose attributes do not repeat.

    Args:
        memo: has the room.
        ids: the bytes that stand between the head and the name.
    """

    __slots__ = ("ids", "memo")

    def __init__(self, memo: Memo, ids: int) -> None:
        self.memo = memo
        self.ids = ids

    def __missing__(self, name: str) -> Tails | None:
        if len(name) > LONGEST or not self.memo.take_room():
            return None
        tails = self[name] = Tails(self, name)
        return tails


def end_of(memo: Memo, name: str, attributes: dict[str, Any]) -> bytes:
    """The fields of a name and of attributes.

    Raises:
        UNENCODABLE: an attribute does not fit.
    """
    known = memo.attributes
    pairs = [b"*" + memo.texts[name]]
    try:
        for key, value in attributes.items():
            pairs.append(known[type(value)][key][value])
    except KeyError:
        pairs[1:] = memo.learn(attributes)
    return b"J".join(pairs)


def head_of(size: int) -> bytes:
    """What stands before a span of so many bytes."""
    return HEADS[size] if size < SHORT else b"\x12" + long_varint(size)
