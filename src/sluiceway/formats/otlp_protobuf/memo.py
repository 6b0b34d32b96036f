"""The bounded memo of encoded attributes: telemetry repeats itself.

Law: ``memo.attributes[type(value)][key][value]`` is the KeyValue's bytes once type and
key were met (``Memo.learn``). The type comes first because 1, 1.0 and True are one key
to a dict. Only short str, int and bool values are kept, ``Memo.LARGEST`` entries in all
at most; a full memo stays as it is for a while, so that values that never come again do
not drive out those that do, and then forgets everything and starts again.
"""

from __future__ import annotations

from typing import Any

from .tails import CHILD, ROOT, NamedTails
from .values import (
    any_value,
    bool_value,
    int_value,
    key_field,
    keyed,
)
from .writing import embedded, utf8

FULL_FOR = 8  # times as many misses as a full memo has entries
LONGEST = 96  # bytes of a key or of an encoded attribute that is worth keeping


class Memo:
    """What an encoder remembers between batches.

    It may be shared by threads: at worst two encode the same attribute.

    Attributes:
        attributes: KeyValues with their length, by type, key and value. Plain dicts
            but for the last: on CPython they are read faster than a subclass.
        texts: strings with their length, such as span names.
        root_tails: what finished spans without a parent have in common.
        child_tails: the same of those with one.
    """

    LARGEST = 4096

    def __init__(self) -> None:
        self.attributes: dict[type, dict[str, Values]] = {kind: {} for kind in TABLES}
        self.texts = Texts(self)
        self.root_tails = NamedTails(self, ROOT.size)
        self.child_tails = NamedTails(self, CHILD.size)
        self.count = 0

    def learn(self, attributes: dict[str, Any]) -> list[bytes]:
        """The KeyValues of attributes of which some type or key was not met before."""
        return [self.pair(key, value) for key, value in attributes.items()]

    def pair(self, key: str, value: Any) -> bytes:
        """One KeyValue; its key is remembered."""
        by_key = self.attributes.get(type(value))
        if by_key is None:
            return keyed(key_field(key), any_value(value))
        values = by_key.get(key)
        if values is None:
            values = TABLES[type(value)](self, key_field(key))
            if type(key) is str and len(key) <= LONGEST and self.take_room():
                by_key[key] = values
        return values[value]

    def take_room(self) -> bool:
        """Whether what was not met before may be kept, for which there is room then."""
        self.count += 1
        if self.count > self.LARGEST * FULL_FOR:
            self.count = 1
            self.texts.clear()
            self.root_tails.clear()
            self.child_tails.clear()
            for by_key in self.attributes.values():
                by_key.clear()
        return self.count <= self.LARGEST


class Texts(dict[str, bytes]):
    """Texts to their bytes with the length in front."""

    __slots__ = ("memo",)

    def __init__(self, memo: Memo) -> None:
        self.memo = memo

    def __missing__(self, text: str) -> bytes:
        encoded = embedded(b"", utf8(text))
        if len(encoded) <= LONGEST and type(text) is str and self.memo.take_room():
            self[text] = encoded
        return encoded


class KeptTexts(dict[str, bytes]):
    """The strings that one key has had."""

    __slots__ = ("key_part", "key_size", "memo")

    def __init__(self, memo: Memo, key_part: bytes) -> None:
        self.memo = memo
        self.key_part = key_part
        self.key_size = len(key_part)

    def __missing__(self, value: str) -> bytes:
        encoded = utf8(value)
        size = len(encoded)
        whole = self.key_size + size + 3
        if whole > LONGEST:
            return keyed(self.key_part, embedded(b"\n", encoded))
        # Below 128 each length is one byte.
        pair = b"%c%b%c\n%c%b" % (whole, self.key_part, size + 2, size, encoded)
        if self.memo.take_room():
            self[value] = pair
        return pair


class KeptInts(dict[int, bytes]):
    """The integers that one key has had."""

    __slots__ = ("key_part", "key_size", "memo")

    def __init__(self, memo: Memo, key_part: bytes) -> None:
        self.memo = memo
        self.key_part = key_part
        self.key_size = len(key_part)

    def __missing__(self, value: int) -> bytes:
        encoded = int_value(value)
        size = len(encoded)
        whole = self.key_size + size + 1
        if whole > LONGEST:
            return keyed(self.key_part, encoded)
        pair = b"%c%b%c%b" % (whole, self.key_part, size, encoded)
        if self.memo.take_room():
            self[value] = pair
        return pair


class KeptBools(dict[bool, bytes]):
    """The two bools that one key can have."""

    def __init__(self, memo: Memo, key_part: bytes) -> None:
        del memo  # two values a key need no bound
        for value in (False, True):
            self[value] = keyed(key_part, bool_value(value))


class Unkept:
    """Values of one key that are encoded anew each time."""

    __slots__ = ("key_part",)

    def __init__(self, memo: Memo, key_part: bytes) -> None:
        del memo
        self.key_part = key_part

    def __getitem__(self, value: object) -> bytes:
        return keyed(self.key_part, any_value(value))


Values = KeptTexts | KeptInts | KeptBools | Unkept

TABLES: dict[type, Any] = {
    str: KeptTexts,
    int: KeptInts,
    bool: KeptBools,
    float: Unkept,
    bytes: Unkept,
    list: Unkept,
    tuple: Unkept,
    dict: Unkept,
    type(None): Unkept,
}
