"""From chains to a graph of nodes, checked.

Law: pure description. Building a graph opens nothing, starts nothing and reads no
clock; a graph that was built is runnable.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import define, field

from ..batch import Batch
from ..batching import BatchBy, Batcher
from ..chains import (
    BestEffort,
    Chain,
    Composable,
    FanOut,
    Merge,
    Route,
    not_a_stage,
    stage_name,
)
from ..errors import ConfigurationError, GraphError
from ..stages import Accumulator, Processor, Sampler, Sink, Source, Stage
from .books import Books
from .checks import check_graph, check_stage, name_of, path, stages_behind, used_twice


class StageKind(enum.Enum):
    """What a node does with events."""

    SOURCE = "source"
    PROCESSOR = "processor"
    SAMPLER = "sampler"
    ACCUMULATOR = "accumulator"
    SINK = "sink"


KINDS: tuple[tuple[type[Stage], StageKind], ...] = (
    (Source, StageKind.SOURCE),
    (Processor, StageKind.PROCESSOR),
    (Sampler, StageKind.SAMPLER),
    (Accumulator, StageKind.ACCUMULATOR),
    (Sink, StageKind.SINK),
)


@define(eq=False)
class Node:
    """One stage in the graph, its books and where its events go.

    Attributes:
        own: the books of the events by which the pipeline tells of itself; ``books``
            again where no others can come.
    """

    name: str
    kind: StageKind
    stage: Any
    books: Books = field(factory=Books, repr=False)
    own: Books = field(factory=Books, repr=False)
    arms: list[Arm] = field(factory=list, repr=False)
    origins: list[Node] = field(factory=list, repr=False)

    @property
    def exclusive(self) -> bool:
        """Whether the stage object has a state that no other node may share."""
        ends = (StageKind.SOURCE, StageKind.SINK)
        return self.kind in ends or bool(getattr(self.stage, "stateful", True))

    @property
    def only_own(self) -> bool:
        """Whether only events by which the pipeline tells of itself can come here."""
        return self.own is self.books

    @property
    def mixes(self) -> bool:
        """Whether nobody can tell what its events are made of."""
        on_add = getattr(self.stage, "acknowledge", None) == "on_add"
        return on_add and not self.only_own

    def books_of(self, batch: Batch) -> Books:
        """Where a batch is booked."""
        return self.books if type(batch) is Batch else self.own

    def renew(self) -> None:
        """Begin with empty books."""
        only_own = self.only_own
        self.books = Books()
        self.own = self.books if only_own else Books()

    @property
    def targets(self) -> list[Node]:
        """The nodes that this one can send to, each once."""
        return list(dict.fromkeys(edge.target for edge in edges_of(self.arms)))

    @property
    def chooses(self) -> bool:
        """Whether its events are looked at to choose their way."""
        return any(isinstance(arm, Fork) for arm in self.arms)


@define(eq=False)
class Edge:
    """A way from one node to another."""

    target: Node
    best_effort: bool = False


@define(eq=False)
class Fork:
    """A choice of ways: each event takes the arms under the key that it selects."""

    select: Callable[[Any], str]
    ways: dict[str, list[Arm]]
    default: list[Arm] | None = None
    best_effort: bool = False


Arm = Edge | Fork


@define(eq=False)
class Graph:
    """The nodes of a pipeline, in the order in which they were described."""

    nodes: list[Node] = field(factory=list)

    def of_kind(self, kind: StageKind) -> list[Node]:
        """The nodes of one kind."""
        return [node for node in self.nodes if node.kind is kind]

    def sources(self, reaching: Any = object) -> list[Node]:
        """The sources from which a stage of such a class, or classes, is reached."""
        return [
            node
            for node in self.of_kind(StageKind.SOURCE)
            if any(isinstance(n.stage, reaching) for n in reached_from(node))
        ]

    def upstream_first(self) -> list[Node]:
        """The sources, then each node after those that send to it, as described."""
        order = dict.fromkeys(self.of_kind(StageKind.SOURCE))
        waiting = [node for node in self.nodes if node not in order]
        while waiting:
            ready = next(n for n in waiting if all(o in order for o in n.origins))
            order[ready] = None
            waiting.remove(ready)
        return list(order)

    def downstream_first(self) -> list[Node]:
        """The nodes so that each stands before those that send to it."""
        return self.upstream_first()[::-1]


def reached_from(node: Node) -> list[Node]:
    """The node, and every one that its events can reach, each once."""
    return walk(node, lambda each: each.targets)


def that_reach(node: Node) -> list[Node]:
    """The node, and every one whose events can reach it, each once."""
    return walk(node, lambda each: each.origins)


def walk(node: Node, neighbours: Callable[[Node], list[Node]]) -> list[Node]:
    """The node, its neighbours, theirs and so on, each once."""
    found = {node: None}
    waiting = [node]
    while waiting:
        for neighbour in neighbours(waiting.pop()):
            if neighbour not in found:
                found[neighbour] = None
                waiting.append(neighbour)
    return list(found)


def edges_of(arms: Sequence[Arm]) -> Iterator[Edge]:
    """All edges of some arms, those behind forks included."""
    for arm in arms:
        if isinstance(arm, Edge):
            yield arm
        else:
            for way in arm.ways.values():
                yield from edges_of(way)
            yield from edges_of(arm.default or [])


@define
class Tail:
    """An open end that the next part of a chain attaches to."""

    node: Node
    arms: list[Arm]
    best_effort: bool = False

    def on(self, way: list[Arm]) -> Tail:
        """The open end of one way of a fork that stands here."""
        return Tail(self.node, way, self.best_effort)


def build_graph(chains: Sequence[Composable]) -> Graph:
    """The checked graph that ``chains`` describe.

    Raises:
        GraphError: the stages do not form a pipeline; it names them.
        ConfigurationError: something is not a stage, or a setting is wrong.
    """
    builder = Builder()
    if not chains:
        raise GraphError("a pipeline needs at least one chain, such as source >> sink")
    for chain in chains:
        if not isinstance(chain, Composable):
            raise ConfigurationError(not_a_stage(chain))
        builder.chain = chain
        builder.dead_ends += builder.place(chain, [])
    check_graph(builder.graph, {tail.node for tail in builder.dead_ends})
    for node in builder.graph.nodes:
        sources = [n.stage for n in that_reach(node) if n.kind is StageKind.SOURCE]
        if all(source.tells_of_pipeline for source in sources):
            node.own = node.books
    return builder.graph


class Builder:
    """Walks the description and makes nodes and edges of it."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.dead_ends: list[Tail] = []
        self._shared: dict[int, Node] = {}
        self.chain: Composable = Chain(())  # that is being placed

    def place(self, part: Composable, tails: list[Tail]) -> list[Tail]:
        """Attach ``part`` to the open ends; the open ends that it leaves."""
        if isinstance(part, Chain):
            for position, link in enumerate(part.parts):
                if position and not tails:
                    before = part.parts[position - 1]
                    ends = name_of(before)
                    kind = "are sinks" if ", " in ends else "is a sink"
                    raise GraphError(
                        f"{ends} {kind}, nothing can stand after it; "
                        f"{name_of(link)} does"
                    )
                tails = self.place(link, tails)
            return tails
        if isinstance(part, FanOut | BestEffort):
            return self._place_branches(part, tails)
        if isinstance(part, Merge):
            return self._place_merge(part, tails)
        if isinstance(part, Route):
            return self._place_route(part, tails)
        return self._place_stage(part, tails)

    def _place_branches(
        self, part: FanOut | BestEffort, tails: list[Tail]
    ) -> list[Tail]:
        if isinstance(part, BestEffort):
            if not tails:
                raise GraphError("best_effort(...) needs a stage in front of it")
            marked = [Tail(tail.node, tail.arms, best_effort=True) for tail in tails]
            return self.place(part.branch, marked)
        return [end for branch in part.branches for end in self.place(branch, tails)]

    def _place_merge(self, part: Merge, tails: list[Tail]) -> list[Tail]:
        if tails:
            raise GraphError(
                f"merge(...) begins a chain, it cannot follow {tails[0].node.name}; "
                "use a list to fan out"
            )
        ends: list[Tail] = []
        for branch in part.branches:
            opened = self.place(branch, [])
            if not opened:
                raise GraphError(f"merge(...) holds {name_of(branch)}, which is a sink")
            ends += opened
        return ends

    def _place_route(self, part: Route, tails: list[Tail]) -> list[Tail]:
        if not tails:
            raise GraphError("route(...) needs a stage in front of it")
        forks = [fork_of(part, tail) for tail in tails]
        for tail, fork in zip(tails, forks, strict=True):
            tail.arms.append(fork)
        ends: list[Tail] = []
        for key, branch in part.branches.items():
            ways = [fork.ways[key] for fork in forks]
            ends += self.place(branch, list(map(Tail.on, tails, ways)))
        if part.default is not None:
            ways = [fork.default for fork in forks if fork.default is not None]
            ends += self.place(part.default, list(map(Tail.on, tails, ways)))
        return ends

    def _place_stage(self, part: Composable, tails: list[Tail]) -> list[Tail]:
        node = self._node_of(part, tails)
        if node.kind is StageKind.SOURCE and tails:
            raise GraphError(
                f"source {node.name} stands in the middle, after "
                f"{tails[0].node.name}; a source begins a chain"
            )
        for tail in tails:
            tail.arms.append(Edge(node, tail.best_effort))
            node.origins.append(tail.node)
        return [] if node.kind is StageKind.SINK else [Tail(node, node.arms)]

    def _node_of(self, part: Composable, tails: list[Tail]) -> Node:
        stage: Any = Batcher(part) if isinstance(part, BatchBy) else part
        kind = kind_of(stage)
        known = self._shared.get(id(stage))
        if known is not None:
            if kind in (StageKind.SOURCE, StageKind.SINK):
                return known
            raise GraphError(used_twice(known, self._way_round(known, tails)))
        check_stage(stage)
        node = Node(self._name_for(stage, part), kind, stage)
        if node.exclusive:
            self._shared[id(stage)] = node
        self.graph.nodes.append(node)
        return node

    def _way_round(self, node: Node, tails: list[Tail]) -> list[Node]:
        """By which its events would come to it again; nothing if they would not."""
        known = map(self._shared.get, map(id, stages_behind(self.chain, node.stage)))
        ways = [path(node, tail.node) for tail in tails]
        ways += [path(each, node) for each in known if each is not None]
        return next(filter(None, ways), [])

    def _name_for(self, stage: Stage, part: Composable) -> str:
        name = stage.name or ("batch_by" if part is not stage else stage_name(stage))
        twin = next((node for node in self.graph.nodes if node.name == name), None)
        if twin is None or not named_by_user(stage):
            return self._unique(name)
        if named_by_user(twin.stage):
            raise GraphError(names_alike(name, twin.stage, stage))
        twin.name = self._unique(name)
        return name

    def _unique(self, name: str) -> str:
        taken = {node.name for node in self.graph.nodes}
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        return unique


def names_alike(name: str, one: Stage, other: Stage) -> str:
    """Why two stages must not be called the same."""
    if one is other:
        return (
            f"{one!r} stands in two places under the one name {name!r}; leave the name "
            "to the engine, or make a second stage with another one"
        )
    return f"two stages are called {name!r}: {one!r} and {other!r}"


def fork_of(route: Route, tail: Tail) -> Fork:
    """A fork whose ways lead nowhere yet."""
    default: list[Arm] | None = None if route.default is None else []
    ways: dict[str, list[Arm]] = {key: [] for key in route.branches}
    return Fork(route.select, ways, default, tail.best_effort)


def kind_of(stage: object) -> StageKind:
    """The kind of a stage, by its class."""
    for base, kind in KINDS:
        if isinstance(stage, base):
            return kind
    raise ConfigurationError(
        f"{stage!r} is no source, processor, sampler, accumulator or sink"
    )


def named_by_user(stage: Any) -> bool:
    """Whether a stage's name was chosen, not taken from a class or a function."""
    function = getattr(stage, "function", None)
    unchosen = None, stage.usual_name, getattr(function, "__name__", None)
    return stage.name not in unchosen
