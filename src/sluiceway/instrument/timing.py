"""Timings: how long a block or a function takes, recorded in a histogram.

Law: a function's time lasts until its work is done, not until a coroutine or generator
has been made; what is raised passes unchanged, and its time is recorded too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from types import AsyncGeneratorType, CoroutineType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..clock import Clock
from ..functions import is_async
from .series import Attributes

if TYPE_CHECKING:
    from .instruments import Histogram

Another = Callable[[], AbstractContextManager[Any]]
P = ParamSpec("P")
R = TypeVar("R")

SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "min": 1 / 60, "h": 1 / 3600}


class Timing:
    """A context manager and decorator; made by ``Histogram.time``.

    Args:
        histogram: where times are recorded, in its unit; seconds if it has no other.
        attributes: of all measurements.
        clock: tells the time.
    """

    __slots__ = ("_attributes", "_begun", "_histogram", "_now", "_unit")

    def __init__(
        self, histogram: Histogram, attributes: Attributes, clock: Clock
    ) -> None:
        self._histogram = histogram
        self._attributes = attributes
        self._now = clock.now
        self._unit = SECOND.get(histogram.description.unit, 1.0)
        self._begun: list[float] = []

    def __enter__(self) -> None:
        self._begun.append(self._now())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        time = (self._now() - self._begun.pop()) * self._unit
        self._histogram.record(time, self._attributes)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, with its time recorded at each call.

        Args:
            function: ``def``, ``async def``, generator or async generator function.
        """
        call: Callable[P, R] = timed(function, self._another)
        return call

    def _another(self) -> Timing:
        """Calls overlap: each has a timing of its own."""
        return self._histogram.time(self._attributes)


def timed(function: Any, another: Callable[[], Timing]) -> Any:
    """The function inside a timing, by its kind."""
    if inspect.isasyncgenfunction(function):
        return time_async_generator(function, another)
    if is_async(function):
        return time_coroutine(function, another)
    if inspect.isgeneratorfunction(function):
        return time_generator(function, another)

    return time_call(function, another)


def time_call(function: Any, another: Callable[[], Timing]) -> Any:
    """A plain function: the time of the call, or of what it has begun."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as begun:
            begun.enter_context(another())
            result = function(*args, **kwargs)
            time = LASTING.get(type(result))
            if time is None:
                return result
            rest = begun.pop_all()
        return time(lambda: result, lambda: rest)()

    return call


def time_coroutine(function: Any, another: Another) -> Any:
    """A coroutine function: the time until it has been awaited."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with another():
            return await function(*args, **kwargs)

    return call


def time_generator(function: Any, another: Another) -> Any:
    """A generator function: the time until it is exhausted or closed."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with another():
            return (yield from function(*args, **kwargs))

    return call


def time_async_generator(function: Any, another: Another) -> Any:
    """An async generator function: the time until it is exhausted or closed."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with another():
            inner = function(*args, **kwargs)
            step = functools.partial(inner.asend, None)
            while True:
                try:
                    item = await step()
                except StopAsyncIteration:
                    return
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to judge
                    step = functools.partial(inner.athrow, error)

    return call


LASTING: Mapping[type, Callable[[Any, Another], Any]] = {
    CoroutineType: time_coroutine,
    GeneratorType: time_generator,
    AsyncGeneratorType: time_async_generator,
}
