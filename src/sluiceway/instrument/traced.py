"""Decorated functions: a span for each call, whatever kind of function it is.

Law: the span lasts until the work is done, not until a coroutine or generator has been
made; and while a generator rests at a ``yield`` its span is not current for its caller.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .context import Activation
from .span import CurrentSpan, LiveSpan

Another = Callable[[type[Any]], Any]


def traced(function: Any, another: Another) -> Any:
    """``function`` with a span round each call.

    Args:
        function: ``def``, ``async def``, generator or async generator function.
        another: makes a span of the class that it is given.
    """
    if inspect.isasyncgenfunction(function):
        return trace_async_generator(function, another)
    if is_coroutine_function(function):
        return trace_coroutine(function, another)
    if inspect.isgeneratorfunction(function):
        return trace_generator(function, another)
    return trace_call(function, another)


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine; objects with ``async __call__`` too."""
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind, not its presence
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def trace_call(function: Any, another: Another) -> Any:
    """A plain function: the span is the call."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with another(CurrentSpan):
            return function(*args, **kwargs)

    return call


def trace_coroutine(function: Any, another: Another) -> Any:
    """A coroutine function: the span lasts until it has been awaited."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with another(CurrentSpan):
            return await function(*args, **kwargs)

    return call


def started(another: Another) -> LiveSpan:
    """A span that runs and is not current."""
    span: LiveSpan = another(LiveSpan)
    span.start()
    return span


def trace_generator(function: Any, another: Another) -> Any:
    """A generator function: the span lasts until it is exhausted or closed."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with started(another) as span:
            inner = function(*args, **kwargs)
            step = functools.partial(inner.send, None)
            while True:
                try:
                    with Activation(span):
                        item = step()
                except StopIteration as stop:
                    return stop.value
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    with Activation(span):
                        inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to judge
                    step = functools.partial(inner.throw, error)

    return call


def trace_async_generator(function: Any, another: Another) -> Any:
    """An async generator function: the span lasts until it is exhausted or closed."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with started(another) as span:
            inner = function(*args, **kwargs)
            step = functools.partial(inner.asend, None)
            while True:
                try:
                    with Activation(span):
                        item = await step()
                except StopAsyncIteration:
                    return
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    with Activation(span):
                        await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to judge
                    step = functools.partial(inner.athrow, error)

    return call
