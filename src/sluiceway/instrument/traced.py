"""Decorated functions: a span for each call, whatever kind of function it is.

Law: the span lasts until the work is done, not until a coroutine or generator has been
made; and while a generator rests at a ``yield`` its span is not current for its caller.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType, TracebackType
from typing import Any

from ..functions import is_async
from .context import Activation
from .span import CurrentSpan, LiveSpan, OpenSpan

Another = Callable[[type[Any]], Any]


def traced(function: Any, another: Another) -> Any:
    """``function`` with a span round each call.

    Args:
        function: ``def``, ``async def``, generator or async generator function.
        another: makes a span of the class that it is given.
    """
    if inspect.isasyncgenfunction(function):
        return trace_async_generator(function, another)
    if is_async(function):
        return trace_coroutine(function, another)
    if inspect.isgeneratorfunction(function):
        return trace_generator(function, another)
    return trace_call(function, another)


def trace_call(function: Any, another: Another) -> Any:
    """A plain function: the span is the call, or what it has begun.

    A wrapper of a coroutine function is a plain function too; only what it returns
    tells that the work is still to be done.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        span = another(OpenSpan)
        trace = None
        try:
            with span:
                result = function(*args, **kwargs)
            trace = LASTING.get(type(result))
        finally:
            if trace is None:
                span.end()
        return result if trace is None else trace(lambda: result, lambda _: span)()

    return call


def trace_coroutine(function: Any, another: Another) -> Any:
    """A coroutine function: the span lasts until it has been awaited."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with another(CurrentSpan):
            return await function(*args, **kwargs)

    return call


def trace_begun(function: Any, another: Another) -> Any:
    """A coroutine that is there already: the span goes on until it has been awaited."""

    async def call() -> Any:
        with Lasting(another) as span, Activation(span):
            return await function()

    return call


class Lasting:
    """A span that runs, is not current, and ends with the block.

    Args:
        another: makes the span, or gives one that has begun.
    """

    def __init__(self, another: Another) -> None:
        self._span: LiveSpan = another(LiveSpan)
        if not self._span.has_started:
            self._span.start()

    def __enter__(self) -> LiveSpan:
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        LiveSpan.__exit__(self._span, kind, error, trace)


def trace_generator(function: Any, another: Another) -> Any:
    """A generator function: the span lasts until it is exhausted or closed."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with Lasting(another) as span:
            inside = Activation(span)
            inner = function(*args, **kwargs)
            step = functools.partial(inner.send, None)
            while True:
                try:
                    with inside:
                        item = step()
                except StopIteration as stop:
                    return stop.value
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    with inside:
                        inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to judge
                    step = functools.partial(inner.throw, error)

    return call


def trace_async_generator(function: Any, another: Another) -> Any:
    """An async generator function: the span lasts until it is exhausted or closed."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with Lasting(another) as span:
            inside = Activation(span)
            inner = function(*args, **kwargs)
            step = functools.partial(inner.asend, None)
            while True:
                try:
                    with inside:
                        item = await step()
                except StopAsyncIteration:
                    return
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    with inside:
                        await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to judge
                    step = functools.partial(inner.athrow, error)

    return call


LASTING: Mapping[type, Callable[[Any, Another], Any]] = {
    CoroutineType: trace_begun,
    GeneratorType: trace_generator,
    AsyncGeneratorType: trace_async_generator,
}
