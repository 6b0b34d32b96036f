"""The books of a graph as frozen snapshots.

Law: reads only, but for times, which are sorted in. What is held is counted by looking;
an inlet's own counts are asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..ledger import Ledger, StageLedger
from ..reports import StageStatistics
from .asking import buffered_at, refused_at
from .graph import Graph, Node, StageKind

if TYPE_CHECKING:
    from .queue import BoundedQueue
    from .supervisor import Runtime

LEFT_OUT = ("filtered", "sampled_out", "merged")
COUNTS = ("received", "created", "copied", "sent", "delivered", *LEFT_OUT)
LOST = ("dropped", "rejected", "errored")


def ledger_of(graph: Graph, runtime: Runtime | None) -> Ledger:
    """The ledger at this moment."""
    nodes = graph.upstream_first()
    return Ledger({node.name: stage_ledger(node, runtime) for node in nodes})


def stage_ledger(
    node: Node, runtime: Runtime | None, *, with_own: bool = True
) -> StageLedger:
    """The books of one stage at this moment.

    Args:
        node: the stage.
        runtime: the pipeline's run, if it has begun.
        with_own: whether to count what the pipeline tells of itself where others come.
    """
    apart = not node.only_own
    parts = [node.books, node.own] if apart and with_own else [node.books]
    counts = {word: sum(getattr(part, word) for part in parts) for word in COUNTS}
    losses: Any = {word: added(getattr(part, word) for part in parts) for word in LOST}
    counts["held"] = 0 if runtime is None else runtime.held(node)
    if apart and not with_own and runtime is not None:
        counts["held"] -= runtime.held_own(node)
    if node.kind is StageKind.SOURCE:
        waiting, refused = buffered_at(node), refused_at(node)
        counts["created"] += waiting + sum(refused.values())
        counts["held"] += waiting
        losses["dropped"].update(refused)
    return StageLedger(name=node.name, kind=node.kind.value, **counts, **losses)


def added(counters: Iterable[Counter[str]]) -> Counter[str]:
    """The sum of counters."""
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def statistics_of(graph: Graph, runtime: Runtime | None) -> tuple[StageStatistics, ...]:
    """What each stage does, at this moment."""
    return tuple(stage_statistics(node, runtime) for node in graph.upstream_first())


def stage_statistics(node: Node, runtime: Runtime | None) -> StageStatistics:
    """What one stage does, at this moment, its pipeline's own metrics left out."""
    ledger = stage_ledger(node, runtime, with_own=False)
    books, calls = node.books, node.books.calls.snapshot()
    failures = {r: taken.snapshot() for r, taken in books.failed_calls.items()}
    for failed in failures.values():
        calls = calls.joined(failed)
    queue = None if runtime is None else runtime.queues.get(node)
    return StageStatistics(
        name=node.name,
        kind=node.kind.value,
        type=type_of(node.stage),
        own=node.only_own,
        incoming=ledger.received + ledger.created,
        outgoing=ledger.sent + ledger.delivered,
        left_out=ledger.filtered + ledger.sampled_out + ledger.merged,
        lost=ledger.lost,
        held=ledger.held,
        queue_used=None if queue is None else queue_used(node, queue),
        queue_capacity=None if queue is None else queue.settings.capacity,
        batches=calls.count,
        busy=calls.total,
        calls=calls,
        waits=books.waits.snapshot(),
        holds=books.holds.snapshot() if keeps_order(node) else None,
        failures=failures,
        retries=books.retries,
        in_flight=0 if runtime is None else runtime.in_flight(node),
        left_out_as={word: getattr(ledger, word) for word in LEFT_OUT},
        losses={word: getattr(ledger, word) for word in LOST},
    )


def keeps_order(node: Node) -> bool:
    """Whether it is known which of the events that came in a stage lets go."""
    gathers = node.kind is StageKind.ACCUMULATOR
    return gathers and bool(node.stage.acknowledge == "on_output")


def queue_used(node: Node, queue: BoundedQueue) -> int:
    """The room that is taken up in the queue in front of a stage."""
    return queue.used if node.only_own else queue.used - queue.used_own


def type_of(stage: object) -> str:
    """What kind of stage it is: its class, by its full name."""
    kind = type(stage)
    return f"{kind.__module__}.{kind.__qualname__}"
