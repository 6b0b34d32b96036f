"""What the sinks that post to one address share.

Law: the time-out bounds one request, so that what was sent before it is not sent again;
an event that fails takes no other with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..batching import BatchBy
from ..clock import SYSTEM_CLOCK
from ..errors import DeliveryError, PermanentError, TransientError
from ..formats.complaints import Complain
from ..settings import Queue, Retry
from ..stages import Sink, StageContext
from .endpoint import Endpoint, EndpointStatistics, checked_flag, checked_timeout
from .http import Destination

BATCH: Final = BatchBy(max_events=20, flush_interval=0.2)
QUEUE: Final = Queue()
RETRY: Final = Retry()
TIMEOUT: Final = 15.0  # seconds for one request
UNANSWERED: Final = frozenset({"connection", "timeout", "tls", "not_http"})


class HookSink(Sink[Any]):
    """A sink that posts to one address; what it posts is its subclass's business.

    Args:
        to: the address.
        complain: looks for a failure in the body of a success; None does not read it.
        refuse_private: connect to addresses of the public internet only.
        name: the stage's name.
        queue: the queue in front.
        batch: how events are gathered.
        retry: after transient errors.
        timeout: seconds for one request; None for no bound.
        max_in_flight: writes at the same time.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    timeout = None  # the endpoint has one for each request

    def __init__(
        self,
        to: Destination,
        *,
        complain: Complain | None,
        refuse_private: bool,
        name: str | None,
        queue: Queue,
        batch: BatchBy | None,
        retry: Retry | None,
        timeout: float | None,
        max_in_flight: int,
    ) -> None:
        kind = type(self).__name__
        self.name = name
        self.queue = queue
        self.batch = batch
        self.retry = retry
        self.max_in_flight = max_in_flight
        self._endpoint = Endpoint(
            to,
            timeout=checked_timeout(f"{kind}.timeout", timeout),
            refuse_private=checked_flag(f"{kind}.refuse_private", refuse_private),
            complain=complain,
        )
        self._clock = SYSTEM_CLOCK

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self._endpoint.to.shown} {self._endpoint.state}>"

    def statistics(self) -> EndpointStatistics:
        """A snapshot of what was answered."""
        return self._endpoint.statistics()

    async def open(self, context: StageContext) -> None:
        """Get a connection pool; nothing is connected yet."""
        self._clock = context.clock
        await self._endpoint.open(context)

    async def close(self) -> None:
        """Let the connections go."""
        await self._endpoint.close()


async def one_by_one(
    events: list[Any], send: Callable[[Any], Awaitable[None]]
) -> dict[int, Exception]:
    """Send each event; the errors of those that failed, by index.

    Who gives no answer is not asked for the other events either: these get its error.
    """
    failed: dict[int, Exception] = {}
    for index, event in enumerate(events):
        try:
            await send(event)
        except DeliveryError as error:
            if isinstance(error, TransientError) and error.reason in UNANSWERED:
                return failed | dict.fromkeys(range(index, len(events)), error)
            failed[index] = error
    return failed


def built(build: Callable[[Any], bytes], event: Any, reason: str) -> bytes:
    """What is posted for an event.

    Args:
        build: makes the body.
        event: what of.
        reason: the ledger's word if that cannot be done.

    Raises:
        PermanentError: it cannot.
    """
    try:
        return build(event)
    except Exception as error:  # whatever a user's object or function does
        kind = type(event).__name__
        raise PermanentError(
            f"a {kind} cannot be sent: {type(error).__name__}: {error}", reason=reason
        ) from error
