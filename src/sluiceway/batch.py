"""Batch: the unit that moves through a pipeline, and who waits for which part of it.

Law: events and claims travel together. A claim is a Delivery and a count of
consecutive events; the counts add up to the number of events. Nobody waiting is the
normal case, has no claims at all and costs nothing. No I/O, no clock.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from .delivery import DELIVERED, Delivery, DeliveryStatus, Outcome

Ranges = list[tuple[Delivery | None, int]]
Claims = Delivery | Ranges | None
SHAREABLE = (str, bytes, int, float, bool, complex, type(None), frozenset)


class Batch(msgspec.Struct, eq=False):
    """A list of events, and the claims of those who wait for them.

    Args:
        events: the events, owned by the batch from now on.
        claims: the one Delivery that waits for all of them, or ``(delivery, count)``
            for consecutive ranges, or None if nobody waits.

    Attributes:
        size: bytes that it takes up in the queue that it stands in, 0 if not measured.
        since: when it was put into that queue, on the pipeline's clock.
    """

    events: list[Any]
    claims: Claims = None
    size: int = 0
    since: float = 0.0

    def __len__(self) -> int:
        return len(self.events)

    def __repr__(self) -> str:
        claimed = "" if self.claims is None else " claimed"
        return f"<Batch of {len(self.events)}{claimed}>"

    def ranges(self) -> Ranges:
        """Who waits for which consecutive events, None for nobody."""
        if isinstance(self.claims, list):
            return self.claims
        return [(self.claims, len(self.events))]

    def settle(
        self, status: DeliveryStatus, error: BaseException | None = None
    ) -> None:
        """Tell every claimant that all of its events here ended with ``status``."""
        claims = self.claims
        if isinstance(claims, list):
            for delivery, count in claims:
                if delivery is not None:
                    delivery.settle(status, count, error)
        elif claims is not None:
            claims.settle(status, len(self.events), error)

    def settle_each(
        self, endings: Mapping[int, tuple[DeliveryStatus, BaseException | None]]
    ) -> None:
        """Settle the events at these indices; the others stay claimed and pending."""
        if self.claims is None:
            return
        owners = owners_of(self.ranges())
        for index, (status, error) in endings.items():
            delivery = owners[index]
            if delivery is not None:
                delivery.settle(status, 1, error)

    def split(self, at: int) -> tuple[Batch, Batch]:
        """The first ``at`` events and the rest, each with its claims."""
        events, same = self.events, type(self)
        if self.claims is None:
            return same(events[:at]), same(events[at:])
        first, rest = split_ranges(self.ranges(), at)
        return same(events[:at], first), same(events[at:], rest)

    def pick(self, indices: list[int]) -> Batch:
        """The events at these indices, in this order, with their claims."""
        events = self.events
        if len(indices) == len(events):
            return self
        picked = [events[index] for index in indices]
        if self.claims is None:
            return type(self)(picked)
        owners = owners_of(self.ranges())
        return type(self)(picked, runs_of([owners[index] for index in indices]))

    def copy(self) -> Batch:
        """Another batch of the same events, whose claims grow by it."""
        if self.claims is None:
            return type(self)(self.events)
        ranges = self.ranges()
        for delivery, count in ranges:
            if delivery is not None:
                delivery.grow(count)
        return type(self)(self.events, ranges)

    def unclaimed(self) -> Batch:
        """Another batch of the same events, for which nobody waits."""
        return type(self)(self.events)


class OwnBatch(Batch):
    """What a pipeline tells of itself: booked apart, and joined with nothing else."""

    def mixed(self) -> Batch:
        """The same events and claims as a batch like any other."""
        return Batch(self.events, self.claims)


def is_own(batch: Batch) -> bool:
    """Whether a pipeline tells of itself by it."""
    return type(batch) is not Batch


def copy_event(event: Any) -> Any:
    """An independent copy of ``event``: its own ``copy()``, or a deep copy.

    Plain values that cannot change are shared; dicts and lists are copied deeply,
    since their own ``copy`` would share what they hold.
    """
    if isinstance(event, SHAREABLE):
        return event
    if not isinstance(event, dict | list | set) and hasattr(event, "copy"):
        return event.copy()
    return copy.deepcopy(event)


def split_ranges(ranges: Ranges, at: int) -> tuple[Ranges, Ranges]:
    """The claims of the first ``at`` events, and those of the rest."""
    first: Ranges = []
    rest: Ranges = []
    for delivery, count in ranges:
        head = max(0, min(count, at))
        if head:
            first.append((delivery, head))
        if count > head:
            rest.append((delivery, count - head))
        at -= count
    return first, rest


def owners_of(ranges: Ranges) -> list[Delivery | None]:
    """The claimant of each event, by index."""
    return [delivery for delivery, count in ranges for _ in range(count)]


def carry_claims(
    claims: Delivery | Ranges,
    before: list[Any],
    after: list[Any],
    failed: Collection[int] = (),
    origins: Sequence[int] | None = None,
) -> Claims:
    """The claims on ``after``, which a stage made out of ``before``.

    Claimants learn of what was left out (as delivered, since a stage chose it) and of
    what was added. Failed indices must be settled already.

    Args:
        claims: on the events before.
        before: what the stage was given.
        after: what it made of them.
        failed: the indices of events that failed.
        origins: the index before of each event after, where the stage tells.
    """
    if isinstance(claims, Delivery):
        change_pending(claims, len(after) - len(before) + len(failed))
        return claims
    owners = owners_of(claims)
    standing = [index for index in range(len(before)) if index not in failed]
    found: Sequence[int | None] = (
        origins_of(before, after, standing) if origins is None else origins
    )
    kept = [None if origin is None else owners[origin] for origin in found]
    new = [index for index, origin in enumerate(found) if origin is None]
    known = {*found}
    gone = Counter(owners[index] for index in standing if index not in known)
    del gone[None]
    if new and len(gone) > 1:
        joint = joint_delivery(gone, len(new))
        rebalance([owners[index] for index in standing if index in known], kept)
        for index in new:
            kept[index] = joint
        return runs_of(kept)
    for index in new:
        before_it = kept[index - 1] if index else owners[0]
        kept[index] = next(iter(gone), before_it)
    rebalance([owners[index] for index in standing], kept)
    return runs_of(kept)


def origins_of(
    before: list[Any], after: list[Any], standing: list[int]
) -> Sequence[int | None]:
    """The index before of each event after; None where nobody can tell.

    As many events as went in are taken for them, one for one, unless a known object
    stands elsewhere. Otherwise events are followed by identity.
    """
    places: dict[int, deque[int]] = defaultdict(deque)
    for index, event in enumerate(before):
        places[id(event)].append(index)
    found = [
        known.popleft() if (known := places.get(id(event))) else None for event in after
    ]
    if len(after) == len(standing) and all(
        origin is None or origin == index
        for origin, index in zip(found, standing, strict=True)
    ):
        return standing
    return found


def joint_delivery(claimants: Mapping[Any, int], count: int) -> Delivery:
    """Who waits for new events that are in place of several claimants' events.

    Nobody can tell whose they are. All get the one outcome, so that none is told of a
    delivery that was none.

    Args:
        claimants: and how many events of each are gone.
        count: how many events are new.
    """
    joint = Delivery(count)

    def share(outcome: Outcome) -> None:
        for delivery, share_of_it in claimants.items():
            delivery.settle(outcome.status, share_of_it, outcome.error)

    joint.add_callback(share)
    return joint


def rebalance(before: list[Delivery | None], after: list[Delivery | None]) -> None:
    """Settle or grow each delivery by how many events it has gained or lost."""
    change = Counter(after)
    change.subtract(before)
    del change[None]
    for delivery, difference in change.items():
        if delivery is not None:
            change_pending(delivery, difference)


def change_pending(delivery: Delivery, difference: int) -> None:
    """Tell a claimant that it has so many events more, or fewer by a stage's choice."""
    if difference > 0:
        delivery.grow(difference)
    elif difference < 0:
        delivery.settle(DELIVERED, -difference)


def runs_of(owners: list[Delivery | None]) -> Ranges:
    """Consecutive equal owners as ``(delivery, count)``."""
    ranges: Ranges = []
    for delivery in owners:
        if ranges and ranges[-1][0] is delivery:
            ranges[-1] = (delivery, ranges[-1][1] + 1)
        else:
            ranges.append((delivery, 1))
    return ranges
