"""Observable instruments: asked for their values at each collection.

Law: a callback that fails, in whatever way, costs its own values and nobody else's. A
series that is not observed is not reported.
Source: OpenTelemetry specification, ``metrics/sdk.md``, "Observations inside
asynchronous callbacks".
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from logging import getLogger
from typing import Self

from attrs import define, field
from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions, Observation

from ..events import MetricPoint
from ..sources.asking import is_for_the_program
from .instruments import Instrument
from .kinds import Description
from .numbers import measured
from .observed import Observed, ObservedStream
from .streams import Moment
from .values import plain_attributes

Callback = (
    Callable[[CallbackOptions], Iterable[Observation]]
    | Generator[Iterable[Observation], CallbackOptions, None]
)
Asking = Callable[[CallbackOptions], Iterable[Observation]]


@define
class Answers:
    """What the callbacks of an instrument have told.

    Attributes:
        observed: numbers and the attributes, made plain, they were told with.
        complete: whether every callback has told all it had.
    """

    observed: list[Observed] = field(factory=list)
    complete: bool = True


class Observable(Instrument):
    """What the observable instruments share.

    Args:
        description: name, unit and the like.
        streams: what its observations become.
    """

    def __init__(
        self, description: Description, streams: Sequence[ObservedStream]
    ) -> None:
        super().__init__(description, streams, quick=False)
        self._observed_streams = streams
        self._callbacks: list[Asking] = []
        self._failing: set[int] = set()

    def ask(self, callbacks: Sequence[Callback] | None) -> Self:
        """Ask these, too, from now on: functions, or generators as in the API."""
        self._callbacks += map(asking, callbacks or ())
        return self

    @property
    def is_asked(self) -> bool:
        """Whether there is any callback whose answer somebody wants."""
        return bool(self._callbacks and self._observed_streams)

    def answers(self, options: CallbackOptions | None = None) -> Answers:
        """Ask the callbacks, one after the other."""
        answers = Answers()
        for index, callback in enumerate(self._callbacks):
            try:
                for observation in callback(options or CallbackOptions()) or ():
                    self._take(observation, answers)
                self._failing.discard(index)
            except BaseException as error:
                if is_for_the_program(error):
                    raise
                answers.complete = False
                if index not in self._failing:  # the first failure in a row
                    name = self.description.name
                    getLogger(__name__).exception("a callback of %s failed", name)
                self._failing.add(index)
        return answers

    def _take(self, observation: Observation, answers: Answers) -> None:
        number = measured(observation.value)
        if number is None:
            self.refuse(observation.value, "a finite number")
        else:
            attributes = plain_attributes(observation.attributes)
            answers.observed.append((number, attributes))

    def points(
        self, moment: Moment, answers: Answers | None = None
    ) -> Iterator[MetricPoint]:
        """A point for each series that the callbacks tell, or have told."""
        if not self.is_asked:
            return
        told = self.answers() if answers is None else answers
        for stream in self._observed_streams:
            yield from stream.observe(told.observed, moment, complete=told.complete)


class ObservableCounter(Observable, api.ObservableCounter):
    """Tells a sum that only grows, such as CPU time."""


class ObservableUpDownCounter(Observable, api.ObservableUpDownCounter):
    """Tells a sum that may also fall, such as memory in use."""


class ObservableGauge(Observable, api.ObservableGauge):
    """Tells a value, such as a temperature."""


def asking(callback: Callback) -> Asking:
    """A function to call, also for a generator that is sent its options."""
    return Sender(callback).ask if isinstance(callback, Generator) else callback


class Sender:
    """Asks a generator, which must be brought to its first ``yield`` once."""

    def __init__(
        self, generator: Generator[Iterable[Observation], CallbackOptions, None]
    ) -> None:
        self._generator = generator
        self._begun = False

    def ask(self, options: CallbackOptions) -> Iterable[Observation]:
        """What it yields for these options."""
        if not self._begun:
            self._begun = True
            next(self._generator)
        return self._generator.send(options)
