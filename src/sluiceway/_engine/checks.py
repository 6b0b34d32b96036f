"""What is refused before anything runs: settings of stages, and shapes of graphs.

Law: pure; every refusal names the stage, the setting and what was expected.
"""

from __future__ import annotations

import inspect
from collections import deque
from reprlib import repr  # noqa: A004 - short, and never raises
from typing import TYPE_CHECKING, Any, get_args, get_origin

from ..batching import BatchBy, Batcher
from ..chains import (
    BestEffort,
    Chain,
    Composable,
    FanOut,
    Merge,
    Route,
    stage_name,
)
from ..errors import ConfigurationError, GraphError, nearest
from ..settings import Queue, Retry, is_count, is_seconds
from ..stages import Accumulator, Processor, Sampler, Sink, Source, Stage, Worker

if TYPE_CHECKING:
    from .graph import Graph, Node


COLOURS: tuple[tuple[type[Stage], tuple[str, ...], bool], ...] = (
    (Stage, ("open", "close"), True),
    (Source, ("run", "flush"), True),
    (Source, ("stop", "held", "refused", "discard"), False),
    (Sampler, ("sample",), False),
    (Accumulator, ("add", "tick", "flush", "next_deadline", "held"), False),
)
FLAGS = ("blocking", "mutates", "stateful", "wants_delivery", "tells_of_pipeline")
WORDS = {
    "acknowledge": ("on_output", "on_add"),
    "left_out": ("merged", "sampled_out", "filtered"),
}


def check_stage(stage: Any) -> None:
    """Refuse settings of a stage that cannot mean anything.

    Raises:
        ConfigurationError: names the stage, the setting, its value, the expectation.
    """
    expect(stage, "queue", isinstance(stage.queue, Queue), "a Queue")
    if isinstance(stage, Source) and stage.queue is not Stage.queue:
        raise ConfigurationError(
            f"{label(stage)}.queue is set, but a source has no queue in front of it; "
            "set it on the stage that follows"
        )
    if stage.name is not None:
        expect(stage, "name", is_name(stage.name), "one line of text")
    if isinstance(stage, Worker):
        expect(stage, "workers", is_count(stage.workers), "a whole number from 1")
    if isinstance(stage, Accumulator) and getattr(stage, "workers", 1) != 1:
        raise ConfigurationError(
            f"{label(stage)}.workers is {stage.workers!r}; an accumulator has a state "  # type: ignore[attr-defined]
            "and exactly one worker"
        )
    if isinstance(stage, Sink):
        check_sink(stage)
    for setting in FLAGS:
        yes_or_no = isinstance(getattr(stage, setting, False), bool)
        expect(stage, setting, yes_or_no, "True or False")
    for setting, words in WORDS.items():
        check_word(stage, setting, words)
    check_methods(stage)
    if stage.queue.max_bytes is not None:
        check_size(stage, "queue", stage.queue.size)


def check_word(stage: Any, setting: str, words: tuple[str, ...]) -> None:
    """Refuse another word than the setting knows."""
    word = getattr(stage, setting, words[0])
    known = f"one of {', '.join(map(repr, words))}{nearest(word, words)}"
    expect(stage, setting, word in words, known)


def check_sink(stage: Any) -> None:
    """Refuse a sink's settings that cannot mean anything."""
    width = stage.max_in_flight
    expect(stage, "max_in_flight", is_count(width), "a whole number from 1")
    batch, retry, timeout = stage.batch, stage.retry, stage.timeout
    expect(stage, "batch", batch is None or isinstance(batch, BatchBy), "a BatchBy")
    expect(stage, "retry", retry is None or isinstance(retry, Retry), "a Retry")
    seconds = is_seconds(timeout) and timeout > 0
    expect(stage, "timeout", timeout is None or seconds, "seconds above 0, or None")
    if batch is not None and batch.max_bytes is not None:
        check_size(stage, "batch", batch.size)


def check_methods(stage: Any) -> None:
    """Refuse a method of the wrong colour: async where it must not wait, or not."""
    for kind, names, asynchronous in COLOURS:
        for name in names if isinstance(stage, kind) else ():
            expect_method(stage, name, asynchronous=asynchronous)
    held = getattr(type(stage), "held", None)
    follows = getattr(stage, "acknowledge", "") == "on_output"
    if follows and held is Accumulator.held:
        raise ConfigurationError(
            f"{label(stage)}.acknowledge is 'on_output', which needs its own held()"
        )
    for method in (getattr(stage, name, None) for name in ("write", "sample", "add")):
        if inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method):
            raise ConfigurationError(
                f"{label(stage)}.{method.__name__} must not yield; "
                "calling it would run nothing"
            )
    blocking = getattr(stage, "blocking", False)
    if blocking and inspect.iscoroutinefunction(work_of(stage)):
        raise ConfigurationError(
            f"{label(stage)}.blocking is True and its work is async def; "
            "only a plain def can run on a thread"
        )


def expect_method(stage: Any, name: str, *, asynchronous: bool) -> None:
    """Refuse a method that is declared the other way round, or that data hides."""
    method = getattr(stage, name)
    if not callable(method):
        raise ConfigurationError(
            f"{label(stage)}.{name} is {repr(method)}, which hides the method that the "
            "engine calls; give it another name"
        )
    if inspect.iscoroutinefunction(method) is not asynchronous:
        wanted = "async def" if asynchronous else "a plain def"
        raise ConfigurationError(f"{label(stage)}.{name} must be {wanted}")


def work_of(stage: Any) -> Any:
    """The method of a processor or sink that does its work."""
    return stage.process if isinstance(stage, Processor) else stage.write


def check_size(stage: Any, setting: str, size: Any) -> None:
    """Refuse a bound in bytes when nothing can tell the size of an event."""
    if size is None and not any(hasattr(t, "size") for t in event_types(stage)):
        raise ConfigurationError(no_size(f"{label(stage)}.{setting}"))


def no_size(what: str) -> str:
    """Why a bound in bytes is refused."""
    return (
        f"{what} has max_bytes, but nothing tells the size of an event; give "
        "size=callable, or declare events that have a size() method"
    )


def event_types(stage: Any) -> list[Any]:
    """The event types that a stage declares: ``Sink[Span]``, or an annotation."""
    function = getattr(stage, "function", None)
    if function is not None:
        hints = getattr(inspect.unwrap(function), "__annotations__", {})
        return [part for hint in hints.values() for part in parts_of_type(hint)]
    instance = get_args(getattr(stage, "__orig_class__", None))
    if instance:
        return parts_of_type(instance[0])
    for kind in type(stage).__mro__:
        for base in getattr(kind, "__orig_bases__", ()):
            arguments = get_args(base)
            if arguments and get_origin(base) is not None:
                return parts_of_type(arguments[0])
    return []


def parts_of_type(hint: Any) -> list[Any]:
    """A type and the types it is made of: the members of unions and lists."""
    found = [hint]
    for argument in get_args(hint):
        found += parts_of_type(argument)
    return found


def check_graph(graph: Graph, dead_ends: set[Node]) -> None:
    """Refuse stages that no source reaches, and ways that lead to no sink.

    Raises:
        GraphError: names the stages.
    """
    reached: set[Node] = set()
    ways = [node for node in graph.nodes if isinstance(node.stage, Source)]
    while ways:
        node = ways.pop()
        if node not in reached:
            reached.add(node)
            ways += node.targets
    unreachable = [node.name for node in graph.nodes if node not in reached]
    if unreachable:
        raise GraphError(f"no source leads to {', '.join(unreachable)}")
    endless = [node.name for node in graph.nodes if node in dead_ends and not node.arms]
    if endless:
        raise GraphError(
            f"{', '.join(endless)} leads to no sink; end the chain with one"
        )
    for node in graph.nodes:
        if isinstance(node.stage, Batcher):
            check_batcher(node)
        if isinstance(node.stage, Source) and node.stage.sends_encoded:
            check_encoded(node)


def check_encoded(node: Node) -> None:
    """Refuse stages that would be sent telemetry which they do not decode.

    Args:
        node: a source, or a stage behind one that sends encoded telemetry.

    Raises:
        GraphError: names both stages and what can be done.
    """
    if node.chooses:
        raise GraphError(
            f"{node.name} sends encoded telemetry, and a route looks into events; "
            f"let {node.name} decode it (decode=True), or put Decode() before the route"
        )
    for target in node.targets:
        if not says(target.stage, "takes_encoded"):
            raise GraphError(
                f"{node.name} sends encoded telemetry, which {target.name} does not "
                f"take; let the source decode it (decode=True), put Decode() before "
                f"{target.name}, or set takes_encoded=True on it if it reads such"
            )
        if target.stage.sends_encoded:
            check_encoded(target)


def used_twice(node: Node, way: list[Node]) -> str:
    """Why a stage must not stand in a second place.

    Args:
        node: the stage.
        way: by which its events would come to it again; nothing if they would not.
    """
    if way:
        names = " -> ".join(step.name for step in [*way, way[0]])
        return f"the stages form a cycle: {names}"
    return (
        f"{node.kind.value} {node.name} has a state of its own and is used twice; "
        "make a second one, or merge what comes before it"
    )


def path(start: Node, end: Node) -> list[Node]:
    """A shortest way from ``start`` to ``end``, or an empty list."""
    ways = {start: [start]}
    waiting = deque(ways)
    while waiting:
        node = waiting.popleft()
        if node is end:
            return ways[node]
        for target in node.targets:
            if target not in ways:
                ways[target] = [*ways[node], target]
                waiting.append(target)
    return []


def name_of(part: Composable) -> str:
    """How an error calls a part of a description: by the stages at its ends."""
    if isinstance(part, Stage):
        return part.name or stage_name(part)
    within = parts_within(part)
    ends = within[-1:] if isinstance(part, Chain) else within
    return ", ".join(map(name_of, ends)) or type(part).__name__


def stages_of(part: Composable) -> list[Stage]:
    """The stages of a description, in the order in which it names them."""
    if isinstance(part, Stage):
        return [part]
    return [stage for each in parts_within(part) for stage in stages_of(each)]


def stages_behind(chain: Composable, stage: Stage) -> list[Stage]:
    """The stages of a chain behind the part in which a stage stands."""
    parts = [stages_of(part) for part in parts_within(chain)]
    place = next((i for i, part in enumerate(parts) if stage in part), len(parts))
    return [each for part in parts[place + 1 :] for each in part]


def parts_within(part: Composable) -> list[Composable]:
    """What a part of a description is made of; nothing if it is a stage."""
    if isinstance(part, Chain):
        return [*part.parts]
    if isinstance(part, BestEffort):
        return [part.branch]
    if isinstance(part, Route):
        return [*part.branches.values(), *filter(None, [part.default])]
    return [*part.branches] if isinstance(part, FanOut | Merge) else []


def says(stage: Any, flag: str) -> bool:
    """Whether a stage says so itself: a derived class may undo what its base does."""
    own = {**vars(type(stage)), **getattr(stage, "__dict__", {})}
    return own.get(flag, False) is True


def check_batcher(node: Node) -> None:
    """Refuse a bound in bytes when no stage beside it declares events with a size."""
    settings = node.stage.settings
    beside = [near.stage for near in (*node.origins, *node.targets)]
    if settings.max_bytes is not None and settings.size is None:
        types = [kind for stage in beside for kind in event_types(stage)]
        if not any(hasattr(kind, "size") for kind in types):
            raise ConfigurationError(no_size(node.name))


def expect(stage: Any, setting: str, right: object, expected: str) -> None:
    """Refuse a setting that is not right."""
    if not right:
        raise ConfigurationError(
            f"{label(stage)}.{setting} is {getattr(stage, setting)!r}; "
            f"expected {expected}"
        )


def label(stage: Any) -> str:
    """How an error calls a stage before the graph has named it."""
    return stage.name if is_name(stage.name) else type(stage).__name__


def is_name(name: object) -> bool:
    """Whether a graph can show a name."""
    return isinstance(name, str) and name != "" and name.isprintable()
