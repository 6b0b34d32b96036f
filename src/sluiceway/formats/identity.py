"""What makes two sets of attributes the same one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


def identity_of(attributes: Mapping[str, Any]) -> bytes:
    """A key that is equal for equal attributes only; ``1``, ``1.0`` and True differ.

    The order of the attributes means nothing. Objects that are no AnyValue count by
    their text.
    """
    if not attributes:
        return b""
    try:
        return msgspec.msgpack.encode(attributes, order="sorted", enc_hook=repr)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Integers beyond 64 bits, lone surrogates, keys that are no text.
        pairs = sorted((repr(key), repr(value)) for key, value in attributes.items())
        return repr(pairs).encode("utf-8", "backslashreplace")
