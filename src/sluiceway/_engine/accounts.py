"""The books of a graph as frozen snapshots.

Law: reads only. What is held is counted by looking; an inlet's own counts are asked.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..ledger import Ledger, StageLedger
from ..reports import StageStatistics
from .graph import Graph, Node, StageKind

if TYPE_CHECKING:
    from .supervisor import Runtime

LEFT_OUT = ("filtered", "sampled_out", "merged")
LOST = ("dropped", "rejected", "errored")


def ledger_of(graph: Graph, runtime: Runtime | None) -> Ledger:
    """The ledger at this moment."""
    nodes = graph.upstream_first()
    return Ledger({node.name: stage_ledger(node, runtime) for node in nodes})


def stage_ledger(node: Node, runtime: Runtime | None) -> StageLedger:
    """The books of one stage at this moment."""
    books = node.books
    held = 0 if runtime is None else runtime.held(node)
    waiting, dropped = 0, Counter(books.dropped)
    if node.kind is StageKind.SOURCE:
        waiting = node.stage.held()
        dropped.update(node.stage.refused())
    refused = sum(dropped.values()) - sum(books.dropped.values())
    return StageLedger(
        name=node.name,
        kind=node.kind.value,
        received=books.received,
        created=books.created + waiting + refused,
        copied=books.copied,
        sent=books.sent,
        filtered=books.filtered,
        sampled_out=books.sampled_out,
        merged=books.merged,
        delivered=books.delivered,
        dropped=dropped,
        rejected=books.rejected,
        errored=books.errored,
        held=held + waiting,
    )


def statistics_of(graph: Graph, runtime: Runtime | None) -> tuple[StageStatistics, ...]:
    """What each stage does, at this moment."""
    return tuple(stage_statistics(node, runtime) for node in graph.upstream_first())


def stage_statistics(node: Node, runtime: Runtime | None) -> StageStatistics:
    """What one stage does, at this moment."""
    ledger, books = stage_ledger(node, runtime), node.books
    queue = None if runtime is None else runtime.queues.get(node)
    calls = books.calls.snapshot()
    return StageStatistics(
        name=node.name,
        kind=node.kind.value,
        incoming=ledger.received + ledger.created,
        outgoing=ledger.sent + ledger.delivered,
        left_out=ledger.filtered + ledger.sampled_out + ledger.merged,
        lost=ledger.lost,
        held=ledger.held,
        queue_used=None if queue is None else queue.used,
        queue_capacity=None if queue is None else queue.settings.capacity,
        batches=calls.count,
        busy=calls.total,
        calls=calls,
        waits=books.waits.snapshot(),
        failures={r: taken.snapshot() for r, taken in books.failed_calls.items()},
        retries=books.retries,
        in_flight=0 if runtime is None else runtime.in_flight(node),
        left_out_as={word: getattr(ledger, word) for word in LEFT_OUT},
        losses={word: getattr(ledger, word) for word in LOST},
    )
