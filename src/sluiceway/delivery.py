"""What became of a batch, told exactly once to whoever sent it.

Law: a Delivery counts the events it still waits for; every event that ends is settled
with one status; at zero it resolves. It knows nothing of stages, queues or clocks.
"""

from __future__ import annotations

import asyncio
import enum
import warnings
from collections.abc import Callable, Generator
from logging import getLogger

import msgspec


class DeliveryStatus(enum.IntEnum):
    """How an event, or the worst part of a batch, ended; higher is worse."""

    DELIVERED = 0
    DROPPED = 1
    ERRORED = 2
    REJECTED = 3


DELIVERED = DeliveryStatus.DELIVERED  # looking it up costs as much as settling


class Outcome(msgspec.Struct, frozen=True):
    """What became of a batch.

    Attributes:
        status: the worst status of any part.
        delivered: events that reached a sink, or that a stage left out on purpose
            (filtered, sampled out, merged into others).
        dropped: events given up for lack of room or time.
        errored: events whose delivery failed and might succeed later.
        rejected: events that a stage or receiver will never take.
        error: the first error, where there was one.
    """

    status: DeliveryStatus
    delivered: int = 0
    dropped: int = 0
    errored: int = 0
    rejected: int = 0
    error: BaseException | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether every event arrived or was left out on purpose."""
        return self.status is DELIVERED


class Loss:
    """What did not arrive, kept only by deliveries that have lost something."""

    __slots__ = ("counts", "error")

    def __init__(self) -> None:
        self.counts = dict.fromkeys(DeliveryStatus, 0)
        self.error: BaseException | None = None


class Delivery:
    """A promise of one ``Outcome`` for a batch of events: await it, or add a callback.

    Args:
        pending: the number of events that it answers for; 0 resolves at once.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_delivered",
        "_loss",
        "_outcome",
        "_pending",
    )

    def __init__(self, pending: int) -> None:
        self._pending = pending
        self._delivered = 0
        self._loss: Loss | None = None
        self._outcome: Outcome | None = None
        self._callbacks: list[Callable[[Outcome], object]] | None = None
        if pending == 0:
            self._resolve()

    @property
    def outcome(self) -> Outcome | None:
        """The outcome once resolved, None before."""
        return self._outcome

    @property
    def pending(self) -> int:
        """Events that have not ended yet."""
        return self._pending

    def grow(self, count: int) -> None:
        """Answer for ``count`` more events: copies, or events made out of one."""
        self._pending += count

    def settle(
        self, status: DeliveryStatus, count: int, error: BaseException | None = None
    ) -> None:
        """Book ``count`` events as ended with ``status``; the last one resolves."""
        left = self._pending - count
        if left < 0:
            raise RuntimeError(f"{count} events settled, {self._pending} were pending")
        self._pending = left
        if status is DELIVERED:
            self._delivered += count
        elif count:
            self._lose(status, count, error)
        if left == 0 and self._outcome is None:
            self._resolve()

    def _lose(
        self, status: DeliveryStatus, count: int, error: BaseException | None
    ) -> None:
        if self._loss is None:
            self._loss = Loss()
        self._loss.counts[status] += count
        self._loss.error = self._loss.error or error

    def add_callback(self, callback: Callable[[Outcome], object]) -> None:
        """Call ``callback(outcome)`` once resolved; at once if it is already.

        What it raises is logged, and harms nobody else.
        """
        if self._outcome is not None:
            tell(callback, self._outcome)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def _resolve(self) -> None:
        if self._loss is None:
            outcome = Outcome(DELIVERED, self._delivered)
        else:
            outcome = outcome_of(self._delivered, self._loss)
        self._outcome = outcome
        if self._callbacks is not None:
            callbacks, self._callbacks = self._callbacks, None
            for callback in callbacks:
                tell(callback, outcome)

    def __await__(self) -> Generator[object, None, Outcome]:
        if self._outcome is None:
            future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

            def wake(outcome: Outcome) -> None:
                if not future.done():
                    future.set_result(outcome)

            self.add_callback(wake)
            return (yield from future)
        return self._outcome

    def __repr__(self) -> str:
        if self._outcome is None:
            return f"<Delivery pending={self._pending}>"
        return f"<Delivery {self._outcome.status.name}>"

    def __del__(self) -> None:
        if self._pending:
            warnings.warn(f"{self!r} was never resolved", ResourceWarning, stacklevel=2)


def tell(callback: Callable[[Outcome], object], outcome: Outcome) -> None:
    """Call back; who settles has others to tell, and a pipeline to run."""
    try:
        callback(outcome)
    except (Exception, asyncio.CancelledError, SystemExit):
        getLogger(__name__).exception("a delivery's callback failed")


def outcome_of(delivered: int, loss: Loss) -> Outcome:
    """The outcome of a batch that has lost something: its worst part decides."""
    return Outcome(
        max(status for status, count in loss.counts.items() if count),
        delivered,
        loss.counts[DeliveryStatus.DROPPED],
        loss.counts[DeliveryStatus.ERRORED],
        loss.counts[DeliveryStatus.REJECTED],
        loss.error,
    )
