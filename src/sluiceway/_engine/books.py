"""The mutable books of one stage, written by the engine as events pass.

Law: every way in which events can leave a stage has one method here, and that method
tells the claimants too; nothing else ends an event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..batch import Batch
from ..delivery import DeliveryStatus
from ..errors import SupersededError, TransientError, reason_of
from ..latencies import Timings

LOSSES = {
    DeliveryStatus.DROPPED: "dropped",
    DeliveryStatus.ERRORED: "errored",
    DeliveryStatus.REJECTED: "rejected",
}

MOST_REASONS = 16  # for which times are kept apart
OTHER = "_OTHER"


class Books:
    """Counts of one stage. Reading them is for ``ledger`` and ``statistics``."""

    __slots__ = (
        "calls",
        "copied",
        "created",
        "delivered",
        "dropped",
        "errored",
        "failed_calls",
        "filtered",
        "hold",
        "holds",
        "merged",
        "received",
        "rejected",
        "retries",
        "sampled_out",
        "sent",
        "time",
        "wait",
        "waits",
    )

    def __init__(self) -> None:
        self.received = self.created = self.copied = self.sent = 0
        self.filtered = self.sampled_out = self.merged = self.delivered = 0
        self.dropped: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.errored: Counter[str] = Counter()
        self.calls, self.waits, self.holds = Timings(), Timings(), Timings()
        self.time = self.calls.add  # takes the seconds of one call of the stage
        self.wait = self.waits.add  # and those that its batch had waited for it
        self.hold = self.holds.add  # and those that an accumulator held what it lets go
        self.retries = 0
        self.failed_calls: dict[str, Timings] = {}  # not among ``calls``

    def drop(
        self, batch: Batch, reason: str, error: BaseException | None = None
    ) -> None:
        """The whole batch is given up for lack of room or time."""
        self.dropped[reason] += len(batch.events)
        batch.settle(DeliveryStatus.DROPPED, error)

    def fail(self, batch: Batch, error: BaseException) -> None:
        """The whole batch failed: errored if a retry could help, else rejected."""
        batch.settle(*self.count(error, len(batch.events)))

    def end_each(self, batch: Batch, ended: Mapping[int, Exception | None]) -> None:
        """Book the events at these indices; the caller answers for the others.

        Args:
            batch: what they stand in.
            ended: the error of each, None if it has been delivered.
        """
        batch.settle_each(self.count_each(ended))

    def count_each(
        self, ended: Mapping[int, Exception | None]
    ) -> dict[int, tuple[DeliveryStatus, BaseException | None]]:
        """The same; what claimants are to be told is the caller's to tell them."""
        endings: dict[int, tuple[DeliveryStatus, BaseException | None]] = {}
        for index, error in ended.items():
            if error is None:
                self.delivered += 1
                endings[index] = DeliveryStatus.DELIVERED, None
            else:
                endings[index] = self.count(error, 1)
        return endings

    def count(
        self, error: BaseException, count: int
    ) -> tuple[DeliveryStatus, BaseException | None]:
        """Book that events ended with an error; what their claimants are told."""
        if isinstance(error, SupersededError):
            self.merged += count
            return DeliveryStatus.DELIVERED, None
        status = status_of(error)
        counter: Counter[str] = getattr(self, LOSSES[status])
        counter[reason_of(error)] += count
        return status, error

    def time_failure(self, reason: str, seconds: float) -> None:
        """One call, which ended with an error; rare reasons share one word."""
        known = self.failed_calls
        if reason not in known:
            if len(known) >= MOST_REASONS:
                reason = OTHER
            known.setdefault(reason, Timings())
        known[reason].add(seconds)
        known[reason].fold()

    def fold(self) -> None:
        """Sort in the times that have come."""
        self.calls.fold()
        self.waits.fold()
        self.holds.fold()


def status_of(error: BaseException) -> DeliveryStatus:
    """Errored if trying again could help, else rejected."""
    if isinstance(error, TransientError):
        return DeliveryStatus.ERRORED
    return DeliveryStatus.REJECTED


def wrong_indices(failed: Mapping[int, Exception], count: int) -> IndexError | None:
    """The error for indices that name no event of a batch; None if all do.

    Nobody knows then what has failed, so that the whole batch must.
    """
    wrong = [
        repr(index)
        for index in failed
        if not (isinstance(index, int) and 0 <= index < count)
    ]
    if not wrong:
        return None
    return IndexError(
        f"failed indices {', '.join(sorted(wrong))} in a batch of {count}"
    )


def failures_of(failed: Mapping[int, Exception], count: int) -> dict[int, Exception]:
    """The failed events of a sink's batch: all of them if an index names none."""
    wrong = wrong_indices(failed, count)
    if wrong is None:
        return dict(failed)
    return dict.fromkeys(range(count), wrong)
