"""Steps: the processors and samplers that one worker calls in a row.

Law: a step takes the batch from the hand and leaves in it what goes on; everything
else it books. Whether a step waits is known before the first event.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import Any

from ..batch import Batch, carry_claims
from ..calls import unasked
from ..delivery import DELIVERED
from ..errors import PartialError
from ..functions import is_async
from ..stages import Processed
from .books import Books, wrong_indices
from .complaints import Complaints
from .graph import Node, StageKind
from .hands import Hand
from .threads import BlockingCall

Work = Callable[..., Any]
TOO_MANY = "the sampler returned more events than it was given"


class Step:
    """One processor or sampler, ready to be called.

    Args:
        node: the stage.
        complaints: where a stage's errors are logged, rarely.
    """

    def __init__(self, node: Node, complaints: Complaints) -> None:
        self.node = node
        self.books: Books = node.books
        self._complaints = complaints
        self._samples = node.kind is StageKind.SAMPLER
        self._call = call_of(node)
        self._spares_list = node.stage._spares_list  # noqa: SLF001 - ours
        self.waits = is_async(self._call)

    def for_own(self) -> Step:
        """The same for batches by which the pipeline tells of itself."""
        twin = copy(self)
        twin.books = self.node.own
        return twin

    def run(self, batch: Batch, now: float) -> int:
        """Apply a stage that does not wait; the batch keeps what goes on.

        Args:
            batch: at least one event.
            now: on the pipeline's clock; samplers are told it.

        Returns:
            How many events go on.
        """
        events, spares_list = batch.events, self._spares_list
        given = events if spares_list else list(events)
        try:
            result = self._call(given, now) if self._samples else self._call(given)
        except (asyncio.CancelledError, SystemExit) as error:
            return self._fail(batch, unasked(error))
        except Exception as error:  # noqa: BLE001 - a user's bug must not end a worker
            return self._fail(batch, error)
        claims = batch.claims
        if type(result) is not list or isinstance(claims, list):
            return self._take(batch, result)
        count = len(result)
        fewer = len(events) - count
        if fewer < 0:
            return self._take(batch, result)
        if fewer:
            if self._samples:
                self.books.sampled_out += fewer
            else:
                self.books.filtered += fewer
        batch.events = result if spares_list else list(result)
        if fewer and claims is not None:
            claims.settle(DELIVERED, fewer)
        return count

    async def run_waiting(self, batch: Batch, hand: Hand) -> None:
        """Apply a stage that waits; the batch keeps what goes on."""
        try:
            result = await self._call(list(batch.events))
        except (asyncio.CancelledError, SystemExit) as error:
            self._fail(batch, unasked(error))
        except Exception as error:  # noqa: BLE001 - a user's bug must not end a worker
            hand.check()
            self._fail(batch, error)
        else:
            hand.check()
            self._take(batch, result)

    def close(self) -> None:
        """End the threads of a blocking stage."""
        if isinstance(self._call, BlockingCall):
            self._call.close()

    def _take(self, batch: Batch, result: Any) -> int:
        """Book what a stage answered; how many events go on."""
        if not isinstance(result, list):
            try:
                result = as_list(result)
            except Exception as error:  # noqa: BLE001 - a user's bug costs one batch
                return self._fail(batch, error)
        if isinstance(result, Processed):
            return self._take_processed(batch, result)
        if self._samples and len(result) > len(batch.events):
            return self._fail(batch, TypeError(TOO_MANY))
        self._book_difference(len(batch.events) - len(result))
        return self._replace(batch, list(result), {})

    def _take_processed(self, batch: Batch, result: Processed[Any]) -> int:
        wrong = wrong_indices(result.failed, len(batch.events))
        if wrong is not None:
            return self._fail(batch, wrong)
        self.books.filtered += result.filtered
        self.books.created += result.created
        origins = valid_origins(result, len(batch.events))
        return self._replace(batch, list(result), result.failed, origins)

    def _book_difference(self, fewer: int) -> None:
        if fewer < 0:
            self.books.created -= fewer
        elif self._samples:
            self.books.sampled_out += fewer
        else:
            self.books.filtered += fewer

    def _replace(
        self,
        batch: Batch,
        events: list[Any],
        failed: Any,
        origins: Sequence[int] | None = None,
    ) -> int:
        """Put the results into the batch; its claims follow the events.

        Who hears of an end may look at the books: by then the batch has been changed.
        """
        before = type(batch)(batch.events, batch.claims)
        batch.events = events
        self._fail_some(before, failed)
        if before.claims is not None:
            batch.claims = carry_claims(
                before.claims, before.events, events, failed, origins
            )
        return len(events)

    def _fail(self, batch: Batch, error: Exception) -> int:
        """Book a failed call: some events if it names them, else the batch."""
        if isinstance(error, PartialError) and error.kept is not None:
            wrong = wrong_indices(error.failed, len(batch.events))
            if wrong is None:
                fewer = len(batch.events) - len(error.failed) - len(error.kept)
                self._book_difference(fewer)
                return self._replace(batch, list(error.kept), error.failed)
            error = wrong
        self._complain(error, len(batch.events))
        failed = type(batch)(batch.events, batch.claims)
        batch.events, batch.claims = [], None
        self.books.fail(failed, error)
        return 0

    def _fail_some(self, batch: Batch, failed: Mapping[int, Exception]) -> None:
        if failed:
            self._complain(next(iter(failed.values())), len(failed))
            self.books.end_each(batch, failed)

    def _complain(self, error: Exception, count: int) -> None:
        self._complaints.about(self.node.name, error, count)


def call_of(node: Node) -> Work:
    """What to call with a list of events, and with the time if it is a sampler."""
    stage = node.stage
    work: Work = stage.sample if node.kind is StageKind.SAMPLER else stage.process
    blocking = node.kind is StageKind.PROCESSOR and stage.blocking
    return BlockingCall(work, stage.workers) if blocking else work


def valid_origins(result: Processed[Any], count: int) -> Sequence[int] | None:
    """The origins that a stage told, if they can be those of its events."""
    told = result.origins
    if told is None or len(told) != len(result):
        return None
    if not all(type(index) is int and 0 <= index < count for index in told):
        return None
    return told


def as_list(result: Any) -> list[Any]:
    """The list of events that an answer stands for.

    Raises:
        TypeError: it is none.
        Exception: what a generator raised on its way.
    """
    if result is None:
        raise TypeError("returned None; a stage returns the list of events to keep")
    if isinstance(result, Awaitable):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError("returned an awaitable; declare the method async def")
    if isinstance(result, str | bytes | dict) or not hasattr(result, "__iter__"):
        raise TypeError(f"returned {type(result).__name__}; expected a list of events")
    return list(result)
