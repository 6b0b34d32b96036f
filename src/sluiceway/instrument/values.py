"""Attribute values: whatever an application passes becomes OpenTelemetry's AnyValue.

Law: never raises and never keeps a user's object: what is no plain value becomes its
text, so that an event can travel to another thread and holds nothing alive.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Any

PLAIN = frozenset({str, bool, int, float, bytes, NoneType})
LISTS = (Sequence, AbstractSet)
DEEPEST = 16  # levels of lists in lists that are kept as such


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """A copy of ``attributes`` whose keys are texts and whose values are plain."""
    if not isinstance(attributes, Mapping):
        return {}
    return {
        key if type(key) is str else text_of(key): plain_value(value)
        for key, value in attributes.items()
    }


def plain_value(value: Any, depth: int = 0) -> Any:
    """``value`` itself if it is plain, else the nearest AnyValue."""
    if type(value) in PLAIN:
        return value
    for kind in (str, int, float, bytes):
        if isinstance(value, kind):  # a subclass, such as a member of an IntEnum
            return exactly(kind, value)
    if depth >= DEEPEST:
        return text_of(value)
    if isinstance(value, Mapping):
        return {text_of(k): plain_value(v, depth + 1) for k, v in value.items()}
    if isinstance(value, LISTS) and not isinstance(value, memoryview):
        return [plain_value(item, depth + 1) for item in value]
    return text_of(value)


def exactly(kind: type, value: Any) -> Any:
    """The value of a subclass's instance, without what the subclass added."""
    if kind is str:
        return str.__str__(value)
    if kind is int:
        return int.__int__(value)
    return float.__float__(value) if kind is float else bytes(value)


def text_of(value: object) -> str:
    """``str(value)``, even where that raises."""
    try:
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything
        return f"<unprintable {type(value).__name__}>"


def own_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the attributes, made plain where they are not."""
    for value in attributes.values():
        if type(value) not in PLAIN:
            return plain_attributes(attributes)
    return {**attributes}


def exception_attributes(error: BaseException) -> dict[str, Any]:
    """What OpenTelemetry's conventions tell of an exception, as text."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in {"builtins", "__main__"}:
        name = f"{kind.__module__}.{name}"
    return {
        "exception.type": name,
        "exception.message": text_of(error),
        "exception.stacktrace": stacktrace_of(error),
    }


def stacktrace_of(error: BaseException) -> str:
    """The formatted stack trace, or nothing where the exception refuses."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - it would hide the application's own exception
        return ""
