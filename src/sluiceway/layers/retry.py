"""RetryLayer: try again what failed and may succeed later, and only that.

Law: an event is sent again only after a transient error of its own. The layer waits
through ``patience``, which a drain ends; it never waits past the overall deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..calls import unasked
from ..clock import Clock
from ..errors import PartialError, TransientError
from ..settings import Retry, uniform_chance
from ..stages import Patience
from . import Write

Ended = Mapping[int, Exception | None]


def tell_nobody(error: Exception, seconds: float) -> None:
    """What a layer does whose waits interest nobody."""


def note_nowhere(ended: Ended) -> None:
    """What a write does whose tries interest nobody."""


class RetryLayer:
    """Repeats a write after transient errors, with exponential waits and full jitter.

    Args:
        inner: one attempt.
        settings: waits and the overall deadline.
        clock: measures the deadline.
        patience: waits, until a drain says that it is no longer worth it.
        chance: a uniform random number in [0, 1) at each call; for tests.
        tell: called with the error and the seconds before each wait.
    """

    def __init__(
        self,
        inner: Write,
        settings: Retry,
        clock: Clock,
        patience: Patience,
        *,
        chance: Callable[[], float] = uniform_chance,
        tell: Callable[[Exception, float], object] = tell_nobody,
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._clock = clock
        self._patience = patience
        self._tell = tell
        self._chance = chance

    async def __call__(
        self, events: list[Any], note: Callable[[Ended], object] = note_nowhere
    ) -> None:
        """Write the events, those that failed again and again.

        Args:
            events: what to write.
            note: told, before each wait, by index what no further try will change: the
                final error, or None for what has arrived.

        Raises:
            TransientError: all events failed to the end.
            PermanentError: the receiver will never take them.
            PartialError: some failed, each with its own last error.
        """
        last_start = self._clock.now() + self._settings.deadline
        pending: Sequence[int] = range(len(events))
        given = [*events]
        failed: dict[int, Exception] = {}
        attempt = 0
        while True:
            error = await self._attempt(given)
            if error is None:
                break
            retryable, lost = sort_failures(error, pending)
            failed.update(lost)
            if not retryable:
                break
            note({i: failed.get(i) for i in range(len(events)) if i not in retryable})
            if not await self._wait(attempt, retryable, last_start):
                failed.update(retryable)
                break
            pending = list(retryable)
            given = [events[index] for index in pending]
            attempt += 1
        raise_failures(failed, len(events))

    async def _attempt(self, events: list[Any]) -> Exception | None:
        try:
            await self._inner(events)
        except (asyncio.CancelledError, SystemExit) as error:
            return unasked(error)
        except Exception as error:  # noqa: BLE001 - sorted by sort_failures
            return error
        return None

    async def _wait(
        self, attempt: int, failed: dict[int, Exception], last_start: float
    ) -> bool:
        """Wait before the next attempt; False if there is to be none."""
        now_ns = self._clock.time_ns()
        asked = max(retry_after_of(error, now_ns) for error in failed.values())
        wait = self._settings.wait_before(attempt, asked, self._chance())
        if self._clock.now() + wait > last_start:
            return False
        self._tell(next(iter(failed.values())), wait)
        return await self._patience.wait(wait)


def sort_failures(
    error: Exception, pending: Sequence[int]
) -> tuple[dict[int, Exception], dict[int, Exception]]:
    """The failures that are worth another attempt, and the final ones, by index."""
    if isinstance(error, PartialError) and names_events(error, len(pending)):
        failures = {pending[index]: each for index, each in error.failed.items()}
    else:
        failures = dict.fromkeys(pending, error)
    retryable: dict[int, Exception] = {
        i: e for i, e in failures.items() if isinstance(e, TransientError)
    }
    return retryable, {i: e for i, e in failures.items() if i not in retryable}


def names_events(error: PartialError, count: int) -> bool:
    """Whether every failed index stands in a batch of ``count`` events."""
    return all(isinstance(i, int) and 0 <= i < count for i in error.failed)


def retry_after_of(error: Exception, now_ns: int) -> float:
    """Seconds that the receiver asked to wait; 0 if it did not, or said nothing clear.

    Args:
        error: its ``retry_after`` is a number, or the text of a ``Retry-After`` header.
        now_ns: nanoseconds since the epoch, for a text that is a date.
    """
    asked = getattr(error, "retry_after", None)
    try:
        if isinstance(asked, str):
            asked = seconds_in(asked, now_ns)
        return max(0.0, float(asked or 0.0))
    except Exception:  # noqa: BLE001 - a sink's own error may carry anything
        return 0.0


def seconds_in(header: str, now_ns: int) -> float | None:
    """What the text of a header asks for; its reader is loaded for the first one."""
    from ..formats.retry_after import seconds_asked  # noqa: PLC0415 - costs an import

    return seconds_asked(header, now_ns)


def raise_failures(failed: dict[int, Exception], count: int) -> None:
    """Raise what stands for all failures: nothing, the one error, or each its own."""
    if not failed:
        return
    errors = list(failed.values())
    if len(failed) == count and all(error is errors[0] for error in errors):
        raise errors[0]
    raise PartialError(failed)
