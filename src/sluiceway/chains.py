"""How stages are put together: ``a >> b``, ``a >> [b, c]``, ``merge``, ``route``.

Law: these are descriptions, cheap and immutable; nothing here runs, opens or checks.
``Pipeline`` turns them into a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from attrs import frozen

from .errors import ConfigurationError
from .functions import is_plain

if TYPE_CHECKING:
    from .stages import Stage

Part = Union["Composable", Sequence[Any]]


class Composable:
    """What can stand on either side of ``>>``."""

    def __rshift__(self, other: Part) -> Chain:
        return Chain((*parts_of(self), *parts_of(other)))

    if not TYPE_CHECKING:  # for type checkers it is wrong as it stands

        def __rrshift__(self, other: object) -> None:
            """Say what is wrong with what begins a chain and is no stage.

            Raises:
                ConfigurationError: always.
            """
            if isinstance(other, list | tuple):
                raise ConfigurationError(
                    f"{other!r} begins no chain; expected merge(a, b) >> c"
                )
            raise ConfigurationError(not_a_stage(other))


@frozen
class Chain(Composable):
    """Parts one after the other; ``>>`` makes a new, longer one."""

    parts: tuple[Composable, ...]


@frozen
class FanOut(Composable):
    """Every event goes to each branch."""

    branches: tuple[Composable, ...]


@frozen
class Merge(Composable):
    """The events of every branch go on together."""

    branches: tuple[Composable, ...]


@frozen
class Route(Composable):
    """Each event goes to the one branch that ``select`` names."""

    select: Callable[[Any], str]
    branches: Mapping[str, Composable]
    default: Composable | None = None


@frozen
class BestEffort(Composable):
    """A branch that sheds instead of blocking its siblings."""

    branch: Composable


def parts_of(part: Part) -> tuple[Composable, ...]:
    """The parts that ``part`` adds to a chain; a list is a fan-out."""
    if isinstance(part, Chain):
        return part.parts
    if isinstance(part, Composable):
        return (part,)
    if isinstance(part, list | tuple):
        return (FanOut(branches_of(part)),)
    raise ConfigurationError(not_a_stage(part))


def branches_of(branches: Iterable[Part]) -> tuple[Composable, ...]:
    """The branches of a fan-out, merge or route, checked; a list fans out further."""
    found = tuple(map(branch_of, branches))
    if not found:
        raise ConfigurationError(
            "a fan-out, merge or route needs at least one branch, got none"
        )
    return found


def branch_of(branch: Part) -> Composable:
    """One branch, checked; a list fans out."""
    if isinstance(branch, Composable):
        return branch
    if isinstance(branch, list | tuple):
        return FanOut(branches_of(branch))
    raise ConfigurationError(not_a_stage(branch))


def not_a_stage(part: object) -> str:
    """The error's text for something that is no stage."""
    held = getattr(part, "__dict__", {}).items()
    stages = [n for n, each in held if isinstance(each, Composable) and n[:1] != "_"]
    hint = f"; did you mean its {' or '.join(sorted(stages))}?" if stages else ""
    if isinstance(part, type):
        hint = f"; did you mean {part.__name__}(...)?"
    elif callable(part):
        name = getattr(part, "__name__", "it")
        hint = f"; decorate {name} with @source, @processor, @sampler or @sink"
    return f"{part!r} is not a stage{hint}"


def merge(*branches: Part) -> Merge:
    """Fan-in: ``merge(a, b) >> c`` sends what ``a`` and ``b`` give to ``c``."""
    return Merge(branches_of(branches))


def route(
    select: Callable[[Any], str],
    branches: Mapping[str, Part],
    *,
    default: Part | None = None,
) -> Route:
    """Send each event to the branch whose name ``select(event)`` returns.

    Args:
        select: a plain function of one event.
        branches: the branches by name.
        default: where events of unknown name go; without it they are
            ``rejected{unrouted}``.

    Raises:
        ConfigurationError: no branches, or one that is not a stage.
    """
    if not is_plain(select) or not isinstance(branches, Mapping):
        raise ConfigurationError(
            f"route({select!r}, {branches!r}): expected a plain function of one event "
            "and a dict of branches by name"
        )
    placed = dict(zip(branches, branches_of(branches.values()), strict=True))
    return Route(select, placed, None if default is None else branch_of(default))


def best_effort(branch: Part) -> BestEffort:
    """A branch of a fan-out that sheds events instead of blocking its siblings.

    When the queue in front of it is full it drops the newest events, or the oldest
    if that is its setting; what becomes of its events does not reach the source.
    """
    return BestEffort(branch_of(branch))


def stage_name(stage: Stage) -> str:
    """The name that a stage gets when it has none: its class's name in snake case."""
    words = type(stage).__name__
    parts = [("_" + c.lower()) if c.isupper() else c for c in words]
    return "".join(parts).lstrip("_")
