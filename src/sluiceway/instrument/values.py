"""Attribute values: whatever an application passes becomes OpenTelemetry's AnyValue.

Law: never raises and never keeps a user's object: what is no plain value becomes its
text, so that an event can travel to another thread and holds nothing alive.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from types import NoneType
from typing import Any

PLAIN = frozenset({str, bool, int, float, bytes, NoneType})
LISTS = (Sequence, AbstractSet)
DEEPEST = 16  # levels of lists in lists that are kept as such
MOST_NESTED = 10_000  # lists, dicts and others in one attribute or body


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """A copy of the attributes, keys texts and values plain; of no mapping, none."""
    if not isinstance(attributes, Mapping):
        return {}
    try:
        return {name_of(key): plain_value(value) for key, value in attributes.items()}
    except Exception:  # noqa: BLE001 - it changed meanwhile, or is a user's own
        return {"attributes": text_of(attributes)}


def named_attributes(attributes: Any) -> dict[str, Any]:
    """The same without one whose name is empty, which no attribute may have."""
    plain = plain_attributes(attributes)
    plain.pop("", None)
    return plain


def own_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """As ``plain_attributes``, faster for a dict of plain values and for none."""
    if attributes is None:
        return {}
    if type(attributes) is not dict:
        return plain_attributes(attributes)
    own = {**attributes}
    for key, value in own.items():
        if type(value) not in PLAIN or type(key) is not str:
            return plain_attributes(own)
    return own


def name_of(key: Any) -> str:
    """An attribute's name as text."""
    return key if type(key) is str else text_of(key)


def plain_value(value: Any) -> Any:
    """``value`` itself if it is plain, else the nearest AnyValue.

    Its text where it breaks while it is read, as a dict does that another thread
    changes meanwhile.
    """
    if type(value) in PLAIN:
        return value
    try:
        return bounded_value(value)
    except Exception:  # noqa: BLE001 - a user's object may do anything
        return text_of(value)


def bounded_value(value: Any) -> Any:
    """``value`` as an AnyValue, unless copying it would take for ever.

    Dicts that refer to each other, such as the nodes of a tree to their parent, hold
    more at each level than at the one above.
    """
    if is_bounded(value):
        return any_value(value)
    return f"<{type(value).__name__} of more than {MOST_NESTED:,} nested values>"


def is_bounded(value: Any) -> bool:
    """Whether so many levels of it as are kept nest no more than ``MOST_NESTED``."""
    level, count = [value], 0
    for _ in range(DEEPEST):
        inside = chain.from_iterable(map(values_in, level))
        nested = (item for item in inside if type(item) not in PLAIN)
        level = list(islice(nested, MOST_NESTED - count + 1))
        count += len(level)
        if not level or count > MOST_NESTED:
            break
    return count <= MOST_NESTED


def values_in(value: Any) -> Iterable[Any]:
    """What a mapping or list holds; nothing, of anything else."""
    if isinstance(value, str | bytes | memoryview):
        return ()
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, LISTS) else ()


def any_value(value: Any, depth: int = 0) -> Any:
    """The nearest AnyValue of a value that is bounded."""
    if type(value) in PLAIN:
        return value
    for kind in (str, int, float, bytes):
        if isinstance(value, kind):  # a subclass, such as a member of an IntEnum
            return exactly(kind, value)
    if depth >= DEEPEST:
        return text_of(value)
    if isinstance(value, Mapping):
        return {text_of(k): any_value(v, depth + 1) for k, v in value.items()}
    if isinstance(value, LISTS) and not isinstance(value, memoryview):
        return [any_value(item, depth + 1) for item in value]
    return text_of(value)


def exactly(kind: type, value: Any) -> Any:
    """The value of a subclass's instance, without what the subclass added."""
    if kind is str:
        return str.__str__(value)
    if kind is int:
        return int.__int__(value)
    return float.__float__(value) if kind is float else bytes(value)


def text_of(value: Any) -> str:
    """``str(value)``, even where that raises; of a text, what it holds.

    A member of a ``str`` enum says its own name to ``str``.
    """
    if issubclass(type(value), str):
        return str.__str__(value)
    try:
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything
        return f"<unprintable {type(value).__name__}>"


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
