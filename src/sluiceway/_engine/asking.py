"""Asking a source for its own counts, which are a user's to make.

Law: a bug in an answer keeps nobody from reading the books, or others from closing.
"""

from __future__ import annotations

from collections import Counter

from ..calls import FAILURES
from .complaints import Complaints
from .graph import Node, StageKind


def buffered_at(node: Node) -> int:
    """The events that a source has taken in and not handed over, as it says itself."""
    try:
        return int(node.stage.held()) if node.kind is StageKind.SOURCE else 0
    except FAILURES:
        return 0


def refused_at(node: Node) -> Counter[str]:
    """The events that a source has refused, by reason, as it says itself."""
    try:
        told = dict(node.stage.refused())
        return Counter({str(reason): int(count) for reason, count in told.items()})
    except FAILURES:
        return Counter()


def discard_held(node: Node, reason: str, complaints: Complaints) -> int:
    """Make a source give up what it holds, and book that; how many events it was."""
    try:
        count = int(node.stage.discard())
    except FAILURES as error:
        complaints.about(node.name, error)
        return 0
    if count:
        node.books.created += count
        node.books.dropped[reason] += count
    return count
