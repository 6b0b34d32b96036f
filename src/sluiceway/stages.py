"""What each kind of stage must offer; subclass one to write your own.

Law: the engine owns the loop and the acknowledgement, a stage owns neither. A stage is
given events and answers with events or an exception; it never sees a queue.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from logging import Logger
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from attrs import frozen

from .chains import Composable
from .clock import Clock
from .delivery import Delivery
from .reports import Watched
from .settings import Queue, Retry

if TYPE_CHECKING:
    from .batching import BatchBy
    from .events import Resource

In = TypeVar("In")
Out = TypeVar("Out")
T = TypeVar("T")
Given_contra = TypeVar("Given_contra", contravariant=True)


class Patience(Protocol):
    """How long waiting is worth it: for ever while running, less while draining."""

    async def wait(self, seconds: float) -> bool:
        """Wait; False, at once, when a drain has used its share of the deadline."""
        ...


@frozen
class StageContext:
    """What a stage is told when it opens.

    Attributes:
        name: the stage's name in the graph, unique in its pipeline.
        clock: the only time that a stage should read.
        resource: what the pipeline's telemetry is about, or None.
        logger: a logger for this stage; its lines never feed back into a pipeline.
        patience: waits between retries, cut short by a drain.
        takes_notes: for a source: whether every stage that its events reach takes the
            notes of a finished span in place of a ``Span``.
        pipeline: what the stage is part of, for who tells what it does; or None.
    """

    name: str
    clock: Clock
    resource: Resource | None
    logger: Logger
    patience: Patience
    takes_notes: bool = False
    pipeline: Watched | None = None


class Send(Protocol[Given_contra]):
    """How a source hands events over: ``await`` is the backpressure."""

    def __call__(self, events: Iterable[Given_contra]) -> Awaitable[Delivery]:
        """Hand over events; returns once there is room for them."""
        ...


class Stage(Composable, ABC):
    """Any stage. The attributes are settings: a class or an instance may set them.

    Attributes:
        name: a unique name in the graph; by default made from the class's name.
        usual_name: a name that nobody has chosen: as ``name``, it gets a number where
            another stage has it.
        queue: the bounded queue in front of the stage; a source has none.
        takes_notes: whether the notes of a finished span (``notes.py``) will do in
            place of a ``Span``; a derived class must say so itself.
        takes_encoded: whether telemetry that is not decoded will do, as
            ``OtlpSource(decode=False)`` sends it; a derived class must say so itself.
        sends_encoded: whether it sends such on: what a source makes, and what others
            were given.
    """

    name: str | None = None
    usual_name: str | None = None
    queue: Queue = Queue()
    takes_notes: ClassVar[bool] = False
    takes_encoded: bool = False
    sends_encoded: bool = True
    opened_by: ClassVar[str | None] = None  # the engine's: who has it open

    async def open(self, context: StageContext) -> None:
        """Get ready, once, before the first event; sinks open before sources."""

    async def close(self) -> None:
        """Release what ``open`` took, once, after the last event."""


class Source(Stage, Generic[Out]):
    """Brings events in.

    Attributes:
        wants_delivery: True makes ``send`` return a ``Delivery`` that can be awaited.
        tells_of_pipeline: whether its events tell what this pipeline does. They are in
            the ledger like all others, and left out of the statistics, so that no
            pipeline counts the telling of its counts.
    """

    wants_delivery: bool = False
    tells_of_pipeline: bool = False
    sends_encoded: bool = False

    @abstractmethod
    async def run(self, send: Send[Out]) -> None:
        """Send events until there are no more.

        Returning is the end of input, raising is a failure that stops this source
        only, and being cancelled is being asked to stop.
        """

    def stop(self) -> bool:
        """Take no more in, but let ``run`` hand over what it has and then return.

        Returns:
            True if ``run`` will return by itself; False, the default, makes the
            engine cancel it.
        """
        return False

    async def flush(self) -> None:
        """Return once what was taken in before this call has been handed over."""

    def held(self) -> int:
        """Events taken in and not handed over yet."""
        return 0

    def refused(self) -> Mapping[str, int]:
        """Events that were offered and not taken in, by reason."""
        return {}

    def discard(self) -> int:
        """Give up what is held, because nothing will ask for it; how many it was."""
        return 0

    def after_fork(self) -> None:
        """Start afresh in a forked child: what is held is the parent's to send."""

    def preview(self) -> Sequence[Out]:
        """Events as they will come, as far as that is known before any does.

        ``sluiceway validate`` looks at the names of metrics in them; nothing else asks.
        """
        return ()

    def mark_work(self) -> None:
        """Called in the context of every stage that its events can reach.

        What it sets in a ``ContextVar`` holds for that stage, its tasks and its
        threads, so that work on its events can be told apart from the application's.
        """


class Worker(Stage):
    """What processors and samplers share.

    Attributes:
        workers: batches that are worked on at the same time; above 1 gives up order.
        stateful: True refuses one object in two places of a graph.
        mutates: whether it changes events in place, so that a fan-out must copy.
    """

    workers: int = 1
    stateful: bool = True
    mutates: bool = True
    # Whether the list that it is given need not be copied: it only reads it.
    _spares_list: ClassVar[bool] = False


class Processor(Worker, Generic[In, Out]):
    """Changes, drops or adds events.

    Attributes:
        blocking: True runs a ``def process`` that blocks on a thread of the engine.
    """

    blocking: bool = False

    @abstractmethod
    def process(self, events: list[In]) -> list[Out] | Awaitable[list[Out]]:
        """The events that go on; ``def`` or ``async def``.

        Fewer events than given are booked as filtered, more as created. Raise
        ``PartialError(failed, kept)`` to fail some; any other exception rejects the
        batch, or errors it if it is a ``TransientError``.
        """


class Sampler(Worker, Generic[T]):
    """Keeps a part of the events by a rule; what it leaves out is sampled out."""

    mutates: bool = False

    @abstractmethod
    def sample(self, events: list[T], now: float) -> list[T]:
        """The events to keep, in order; never blocks and never waits.

        Args:
            events: the events to choose from.
            now: seconds on the pipeline's monotonic clock.
        """


class Processed(list[T]):
    """What a processor may return instead of a plain list, to keep exact books.

    Without it the engine books the difference in length. ``events - filtered - failed +
    created`` must be the length, or the books will not balance.

    Args:
        events: the events that go on.
        filtered: how many events it left out on purpose.
        created: how many events it added.
        failed: the error of each event that failed, by its index in the input.
        origins: the index in the input of what each of ``events`` was made of, so that
            who waits for it learns its fate; by default events are followed by
            identity, or one for one where none is left out.
    """

    def __init__(
        self,
        events: Iterable[T],
        *,
        filtered: int = 0,
        created: int = 0,
        failed: Mapping[int, Exception] | None = None,
        origins: Sequence[int] | None = None,
    ) -> None:
        super().__init__(events)
        self.origins = origins
        self.filtered = filtered
        self.created = created
        self.failed = failed or {}


class Batches(list[list[T]]):
    """Several batches that an accumulator releases at once; a plain list is one."""


class Accumulator(Stage, Generic[In, Out]):
    """Holds events and releases them, or others made of them, by count or by time.

    A plain state machine that is told the time, so that a test needs no event loop.

    Attributes:
        acknowledge: ``"on_output"`` promises to release exactly what came in, in
            order, and the acknowledgement follows the events; ``"on_add"`` takes
            over responsibility for what it is given.
        left_out: how the ledger calls events that were taken in, are not held and
            did not come out: ``"merged"`` into others, or ``"sampled_out"``.
        mutates: whether it changes events in place, so that a fan-out must copy.
    """

    acknowledge: ClassVar[Literal["on_output", "on_add"]] = "on_add"
    left_out: ClassVar[Literal["merged", "sampled_out", "filtered"]] = "merged"
    mutates: bool = False

    @abstractmethod
    def add(self, events: list[In], now: float) -> list[Out] | Batches[Out]:
        """Take events in; what is released by it: one batch, or several ``Batches``.

        With ``"on_add"``, ``PartialError(failed, kept)`` refuses some of them: ``kept``
        is what is released. Any other exception refuses the batch.
        """

    def tick(self, now: float) -> list[Out] | Batches[Out]:  # noqa: ARG002 - for subclasses
        """What is released because ``next_deadline`` has come."""
        return []

    def flush(self, now: float) -> list[Out] | Batches[Out]:  # noqa: ARG002 - for subclasses
        """All that can be released: the input ended or a flush was asked."""
        return []

    def next_deadline(self) -> float | None:
        """When ``tick`` wants to be called, on the clock of ``now``; None for never."""
        return None

    def held(self) -> int:
        """Events taken in that will still be released or left out."""
        return 0


class Sink(Stage, Generic[In]):
    """Sends events out. Returning means delivered.

    Attributes:
        batch: gathers events behind the queue before each write; None writes the
            batches as they come.
        timeout: seconds for one attempt; None for no bound.
        retry: tries again after a ``TransientError``; None for one attempt.
        max_in_flight: writes at the same time; above 1 gives up order.
        blocking: True runs a ``def write`` that blocks on a thread of the engine.
    """

    batch: BatchBy | None = None
    timeout: float | None = None
    retry: Retry | None = None
    max_in_flight: int = 1
    blocking: bool = False

    @abstractmethod
    def write(self, events: list[In]) -> Any:
        """Deliver the events, ``async def`` (or ``def``, see ``blocking``).

        Raise ``TransientError`` when trying again can help (errored),
        ``PermanentError`` when it cannot (rejected), ``PartialError`` when only some
        failed. Any other exception is a bug of the sink and rejects the events.
        """
