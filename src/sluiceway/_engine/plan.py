"""Segments: which stages share a worker, where queues stand, and who sees spans.

Law: pure. A queue stands after sources, before accumulators, before each sink, at
fan-outs and fan-ins, where ``workers`` changes and where a stage asks for a queue of
its own; everything between is plain calls.
"""

from __future__ import annotations

from attrs import define

from ..batching import Batcher
from ..stages import Stage
from .graph import Edge, Graph, Node, StageKind, reached_from

FUSIBLE = (StageKind.PROCESSOR, StageKind.SAMPLER)


@define(eq=False)
class Segment:
    """Stages that one worker, or several alike, call in a row.

    Attributes:
        head: the stage behind the segment's queue.
        others: processors and samplers that are called after it.
        workers: how many workers the segment has.
    """

    head: Node
    others: list[Node]
    workers: int

    @property
    def last(self) -> Node:
        """The stage whose events leave the segment."""
        return self.others[-1] if self.others else self.head


def plan_segments(graph: Graph) -> list[Segment]:
    """The segments of a graph; each node but the sources is in exactly one."""
    fused = {follower for n in graph.nodes if (follower := next_in_row(n)) is not None}
    return [
        segment_from(node)
        for node in graph.nodes
        if node.kind is not StageKind.SOURCE and node not in fused
    ]


def segment_from(head: Node) -> Segment:
    """The segment that begins with ``head``."""
    others: list[Node] = []
    follower = next_in_row(head)
    while follower is not None:
        others.append(follower)
        follower = next_in_row(follower)
    return Segment(head, others, workers_of(head))


def next_in_row(node: Node) -> Node | None:
    """The stage that is called right after ``node``, without a queue, if any."""
    if node.kind is StageKind.SOURCE or len(node.arms) != 1:
        return None
    arm = node.arms[0]
    if not isinstance(arm, Edge) or arm.best_effort:
        return None
    target = arm.target
    alone = len(target.origins) == 1 and target.kind in FUSIBLE
    own_queue = target.stage.queue is not Stage.queue
    if not alone or own_queue or workers_of(target) != workers_of(node):
        return None
    return target


def sends_notes(source: Node) -> bool:
    """Whether all that a source's events reach takes notes in place of spans.

    A fork looks into events, and so does who measures their bytes.
    """
    _, *others = reached = reached_from(source)
    return all(map(takes_notes, others)) and all(
        isinstance(arm, Edge) for node in reached for arm in node.arms
    )


def takes_notes(node: Node) -> bool:
    """Whether one stage does; a derived class does not inherit what it may undo."""
    stage = node.stage
    batch = stage.settings if isinstance(stage, Batcher) else getattr(stage, "batch", 0)
    measured = stage.queue.max_bytes or getattr(batch, "max_bytes", None)
    return measured is None and vars(type(stage)).get("takes_notes", False) is True


def workers_of(node: Node) -> int:
    """How many workers a stage wants."""
    return int(getattr(node.stage, "workers", 1))
