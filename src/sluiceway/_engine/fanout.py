"""Outlet: hands a stage's batches on to the stages after it.

Law: an event belongs to one stage at a time. Of n branches one gets the batch and
n - 1 get copies; copies of events are made only where a branch changes events in place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from ..batch import Batch, copy_event
from ..delivery import DeliveryStatus
from .books import Books
from .complaints import Complaints
from .graph import Arm, Edge, Fork, Node, edges_of, reached_from
from .hands import EMPTY, Hand
from .marks import Mark
from .queue import BoundedQueue
from .untold import Untold

Parcel = tuple[Edge, Batch]


class Outlet:
    """Where one stage's batches go.

    Args:
        node: the stage whose events are handed on.
        queues: the queue in front of each node that has one.
        complaints: where events that cannot be routed are logged.
    """

    def __init__(
        self, node: Node, queues: dict[Node, BoundedQueue], complaints: Complaints
    ) -> None:
        self._complaints = complaints
        self._node = node
        self._books: Books = node.books
        self._untold = Untold()
        self._arms = node.arms
        self._queues = queues
        edges = list(edges_of(node.arms))
        self._targets = [queues[edge.target] for edge in edges]
        for queue in self._targets:
            queue.producers += 1
        self._mutating = {id(edge): mutates_below(edge.target) for edge in edges}
        direct = len(edges) == 1 and node.arms == edges and not edges[0].best_effort
        self._direct: BoundedQueue | None = self._targets[0] if direct else None
        # Hands a batch on, which the caller books as sent; False if ``send`` must.
        self.put_nowait: Callable[[Batch], bool] = (
            self._direct.put_nowait if self._direct is not None else cannot
        )

    def for_own(self) -> Outlet:
        """The same for batches by which the pipeline tells of itself."""
        twin = copy(self)
        twin._books = self._node.own  # noqa: SLF001 - it is of this class
        twin.put_nowait = cannot  # a queue's shortest way is for the others
        return twin

    async def send(self, hand: Hand, batch: Batch) -> None:
        """Hand ``batch`` on; it leaves the hand piece by piece as it is taken."""
        if self._direct is not None:
            await self._direct.put(batch)
            self._books.sent += len(batch.events)
            hand.batches = EMPTY
            self._direct.untold.tell()
            return
        parcels = self._parcels(self._arms, batch)
        waiting = deque(parcel for _, parcel in parcels)
        hand.batches = waiting
        self._untold.tell()
        for edge, parcel in parcels:
            queue = self._queues[edge.target]
            if parcel.events:
                await queue.put(parcel, shed=edge.best_effort)
                self._books.sent += len(parcel.events)
            waiting.popleft()
            queue.untold.tell()
        hand.batches = EMPTY

    def _parcels(self, arms: Sequence[Arm], batch: Batch) -> list[Parcel]:
        """What each edge gets, copies booked."""
        parcels: list[Parcel] = []
        for arm, part in zip(arms, self._share(arms, batch), strict=True):
            if isinstance(arm, Edge):
                parcels.append((arm, part))
            else:
                for way, picked in self._sort(arm, part):
                    parcels += self._parcels(way, picked)
        return parcels

    def _share(self, arms: Sequence[Arm], batch: Batch) -> list[Batch]:
        """The batch for one arm and copies for the others."""
        if len(arms) == 1:
            return [self._unclaimed(arms[0], batch)]
        changing = [self._changes(arm) for arm in arms]
        all_change = all(changing)
        shares: list[Batch] = []
        last = len(arms) - 1
        for index, (arm, changes) in enumerate(zip(arms, changing, strict=True)):
            needs_own = changes and not (all_change and index == last)
            shares.append(self._copy(arm, batch, own=needs_own, last=index == last))
        return shares

    def _copy(self, arm: Arm, batch: Batch, *, own: bool, last: bool) -> Batch:
        """One arm's share; events that cannot be copied are rejected for that arm."""
        share = self._unclaimed(arm, batch) if last else self._book_copy(arm, batch)
        if not own:
            share.events = list(batch.events)
            return share
        copies: list[Any] = []
        failed: dict[int, Exception] = {}
        for index, event in enumerate(batch.events):
            try:
                copies.append(copy_event(event))
            except Exception as error:  # noqa: BLE001 - a user's copy() costs one event
                failed[index] = error
        if failed:
            self._refuse(share, failed)
            others = [i for i in range(len(share.events)) if i not in failed]
            share = share.pick(others)
        share.events = copies
        return share

    def _refuse(self, batch: Batch, failed: dict[int, Exception]) -> None:
        """Reject some events of a batch, and say so."""
        first = next(iter(failed.values()))
        self._complaints.about(self._node.name, first, len(failed))
        self._untold.add(batch.settle_each, self._books.count_each(failed))

    def _book_copy(self, arm: Arm, batch: Batch) -> Batch:
        self._books.copied += len(batch.events)
        if arm.best_effort:
            return batch.unclaimed()
        return batch.copy()

    def _unclaimed(self, arm: Arm, batch: Batch) -> Batch:
        """A best-effort branch does not answer to the source."""
        if arm.best_effort and batch.claims is not None:
            released = batch.unclaimed()
            self._untold.add(batch.settle, DeliveryStatus.DELIVERED)
            return released
        return batch

    def _changes(self, arm: Arm) -> bool:
        return any(self._mutating[id(edge)] for edge in edges_of([arm]))

    def _sort(self, fork: Fork, batch: Batch) -> list[tuple[list[Arm], Batch]]:
        """The events by the way that each selects; those without one are rejected."""
        places: dict[str | None, list[int]] = {}
        failed: dict[int, Exception] = {}
        for index, event in enumerate(batch.events):
            try:
                places.setdefault(way_of(fork, fork.select(event)), []).append(index)
            except Exception as error:  # noqa: BLE001 - a user's bug costs one event
                failed[index] = error
        if failed:
            self._refuse(batch, failed)
        return [
            ((fork.default or []) if key is None else fork.ways[key], batch.pick(at))
            for key, at in places.items()
        ]

    def pass_mark(self, mark: Mark) -> None:
        """Send a flush on to every stage after this one."""
        mark.split(len(self._targets))
        for queue in self._targets:
            queue.put_mark(mark)

    def close(self) -> None:
        """There will be no more batches from this stage."""
        for queue in self._targets:
            queue.producer_finished()


def cannot(_: Batch) -> bool:
    """What an outlet with several ways answers who will not wait."""
    return False


class UnroutedError(LookupError):
    """``route`` selected a branch that does not exist."""

    reason = "unrouted"


def way_of(fork: Fork, key: str) -> str | None:
    """The key of a way that exists, None for the default one."""
    if key in fork.ways:
        return key
    if fork.default is None:
        raise UnroutedError(key)
    return None


def mutates_below(node: Node) -> bool:
    """Whether this stage, or one that its events reach, changes events in place."""
    return any(getattr(each.stage, "mutates", False) for each in reached_from(node))
