"""Observable instruments: asked for their values at each collection.

Law: a callback that fails costs its own values and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from logging import getLogger
from typing import Self

from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions, Observation

from ..events import MetricKind, MetricPoint
from .instruments import (
    EVERY_THREAD,
    Description,
    Instrument,
    Moment,
    Number,
    is_finite,
    plain_number,
)

Callback = (
    Callable[[CallbackOptions], Iterable[Observation]]
    | Generator[Iterable[Observation], CallbackOptions, None]
)
Asking = Callable[[CallbackOptions], Iterable[Observation]]


class Observable(Instrument[Number]):
    """What the observable instruments share.

    Args:
        description: name, unit and the like.
        start_time: nanoseconds since the epoch.
    """

    def __init__(self, description: Description, start_time: int) -> None:
        super().__init__(description, start_time)
        self._callbacks: list[Asking] = []

    def ask(self, callbacks: Sequence[Callback] | None) -> Self:
        """Ask these, too, from now on: functions, or generators as in the API."""
        self._callbacks += map(asking, callbacks or ())
        return self

    def points(self, moment: Moment) -> Iterator[MetricPoint]:
        """Ask the callbacks, and give a point for each series that they told."""
        self._table.reset()
        for callback in self._callbacks:
            try:
                for observation in callback(CallbackOptions()):
                    self._observe(observation)
            except Exception:
                name = self.description.name
                getLogger(__name__).exception("a callback of %s failed", name)
        return super().points(moment)

    def _observe(self, observation: Observation) -> None:
        value = observation.value
        if not is_finite(value):
            self._refuse(value, "a finite number")
            return
        cell = self._cell(observation.attributes, EVERY_THREAD)
        if self.description.kind is MetricKind.SUM:
            cell.value += value  # several of the overflow series add up
        else:
            cell.value = value

    def _new_cell(self) -> Number:
        return Number()

    def _value(self, cells: list[Number]) -> float:
        return plain_number(cells[0].value)


class ObservableCounter(Observable, api.ObservableCounter):
    """Tells a sum that only grows, such as CPU time."""


class ObservableUpDownCounter(Observable, api.ObservableUpDownCounter):
    """Tells a sum that may also fall, such as memory in use."""


class ObservableGauge(Observable, api.ObservableGauge):
    """Tells a value, such as a temperature."""


def asking(callback: Callback) -> Asking:
    """A function to call, also for a generator that is sent its options."""
    if isinstance(callback, Generator):
        next(callback)
        return callback.send
    return callback
