"""Which of the kinds of made events a pipeline's stages declare to take and to give.

Law: a stage that declares nothing, or ``Any``, takes all of them; one that declares
events of another sort takes none.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Iterable
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from .._engine.graph import Node, StageKind
from ..decorators import StageFunction
from ..events import LogRecord, MetricPoint, Span

KINDS: Final = {"spans": Span, "points": MetricPoint, "logs": LogRecord}
MANY: Final = (Iterable, AsyncIterable)  # of events: lists, generators


def kinds_for(node: Node, wanted: Iterable[str]) -> tuple[str, ...]:
    """The wanted kinds that a source gives and that can go through to a sink."""
    given = given_by(node.stage)
    return tuple(
        word
        for word in wanted
        if word in given and any(arrives(word, on, {node}) for on in node.targets)
    )


def arrives(word: str, node: Node, seen: set[Node]) -> bool:
    """Whether a stage takes this kind, and a sink what becomes of it."""
    if word not in taken_by(node.stage):
        return False
    if node.kind is StageKind.SINK:
        return True
    into = {word}
    if node.kind is not StageKind.SAMPLER and len(given_by(node.stage)) < len(KINDS):
        into = given_by(node.stage)
    if not into:  # events of another sort, which are the pipeline's own affair
        return True
    onward = [target for target in node.targets if target not in seen]
    return any(arrives(each, on, seen | {node}) for each in into for on in onward)


def taken_by(stage: Any) -> set[str]:
    """The kinds that a stage takes."""
    return kinds_in(hints_of(stage)[0])


def given_by(stage: Any) -> set[str]:
    """The kinds that a source, a processor or an accumulator gives."""
    return kinds_in(hints_of(stage)[1])


def hints_of(stage: Any) -> tuple[Any, Any]:
    """The types of the events that a stage takes and gives; ``Any`` where unsaid."""
    if isinstance(stage, StageFunction):
        hints = annotations_of(stage.function)
        gives = hints.pop("return", Any)
        return next(iter(hints.values()), Any), gives
    arguments = get_args(getattr(stage, "__orig_class__", None))
    for kind in type(stage).__mro__:
        for base in getattr(kind, "__orig_bases__", ()):
            arguments = arguments or get_args(base)
    if not arguments:
        return Any, Any
    return arguments[0], arguments[-1]


def annotations_of(function: Any) -> dict[str, Any]:
    """A function's annotations, those that were put off too where they can be read."""
    plain = inspect.unwrap(function)
    try:
        return get_type_hints(plain)
    except Exception:  # noqa: BLE001 - a name of a block under TYPE_CHECKING, or none
        return {}


def kinds_in(hint: Any) -> set[str]:
    """The kinds that a type holds: all where it says nothing, none where another."""
    parts = members(hint)
    if not parts:
        return set(KINDS)
    return {
        word
        for word, kind in KINDS.items()
        if any(issubclass(kind, part) or issubclass(part, kind) for part in parts)
    }


def members(hint: Any) -> tuple[type, ...]:
    """The types of events in a type; none if it may be any."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        parts = [members(each) for each in arguments if each is not NoneType]
        return () if () in parts else tuple(kind for part in parts for kind in part)
    if origin is Annotated:
        return members(arguments[0])
    kind = origin or hint
    if (
        hint is Any
        or not isinstance(kind, type)
        or getattr(kind, "_is_protocol", False)
    ):
        return ()  # a type variable is no type, and a protocol tells no kind
    if issubclass(kind, MANY) and not issubclass(kind, str | bytes | dict):
        return members(arguments[0]) if arguments else ()
    return (kind,)
