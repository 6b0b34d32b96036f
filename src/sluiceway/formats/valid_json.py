"""JSON of what may hold texts that UTF-8 cannot say.

Law: pure; a lone surrogate becomes ``?`` and keeps nothing else from being written.
"""

from __future__ import annotations

from typing import Any

import msgspec


def encoded(value: Any) -> bytes:
    """A value as JSON; what UTF-8 cannot say becomes ``?``.

    Raises:
        TypeError: JSON has nothing for a value in it.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(sayable(msgspec.to_builtins(value)))


def sayable(value: Any) -> Any:
    """A value of builtin types whose texts UTF-8 can say."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {sayable(key): sayable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [*map(sayable, value)]
    return value
