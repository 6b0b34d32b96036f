"""Monitored functions: a span, a duration and an outcome for each call.

Law: a call is measured until its work is done, not until a coroutine or generator has
been made. What a function returns, yields or raises passes unchanged, and it stays
what it was to whoever inspects it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import AsyncGeneratorType, CoroutineType, GeneratorType, TracebackType
from typing import Any, Final

from .result import FlextFailure
from .watching import Binding, Watch, now

NOTHING: Final = nullcontext()

Surrounding = AbstractContextManager[Any]
Begun = tuple[Surrounding, Surrounding, Any]


def monitored(function: Any, binding: Binding) -> Any:
    """The function with its calls watched, by its kind."""
    if isinstance(function, classmethod | staticmethod):
        return type(function)(monitored(function.__func__, binding))
    watch = (watch for is_one, watch in KINDS if is_one(function))
    return next(watch, watch_call)(function, binding)


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine; objects with ``async __call__`` too."""
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind, not its presence
    return any(map(inspect.iscoroutinefunction, (function, call)))


def watch_call(function: Any, binding: Binding) -> Any:
    """A plain function: the call, or what it has begun.

    The span is one that outlives its block, as only what is returned tells whether the
    work is done.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        watch = binding.bound()
        if watch is None:
            return function(*args, **kwargs)
        begun = now()
        span = watch.make().prepare(watch.tracer, watch.name)
        try:
            with span:
                result = function(*args, **kwargs)
        except BaseException as error:
            span.end()
            watch.raised(begun, error)
            raise
        special = SPECIAL.get(type(result))
        if special is not None:
            return special(result, watch, span, begun)
        span.end()
        watch.succeeded(now() - begun)
        return result

    return call


def watch_coroutine(function: Any, binding: Binding) -> Any:
    """A coroutine function: until it has been awaited."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        watch = binding.bound()
        if watch is None:
            return await function(*args, **kwargs)
        begun = now()
        try:
            with watch.span() as span:
                result = await function(*args, **kwargs)
                if type(result) is FlextFailure:
                    watch.failed(begun, span, result)
                    return result
        except BaseException as error:
            watch.raised(begun, error)
            raise
        watch.succeeded(now() - begun)
        return result

    return call


def watch_generator(function: Any, binding: Binding) -> Any:
    """A generator function: until it is exhausted or closed."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        watch = binding.bound()
        if watch is None:
            return (yield from function(*args, **kwargs))
        with Lasting(watch, now()):
            return (yield from watch.traced(*args, **kwargs))

    return call


def watch_async_generator(function: Any, binding: Binding) -> Any:
    """An async generator function: until it is exhausted or closed."""

    def begin(*args: Any, **kwargs: Any) -> Begun:
        watch = binding.bound()
        if watch is None:
            return NOTHING, NOTHING, function(*args, **kwargs)
        return Lasting(watch, now()), NOTHING, watch.traced(*args, **kwargs)

    return passed_on(function, begin)


KINDS: Final = (
    (inspect.isasyncgenfunction, watch_async_generator),
    (is_coroutine_function, watch_coroutine),
    (inspect.isgeneratorfunction, watch_generator),
)


class Lasting:
    """A call whose work ends with the block.

    Args:
        watch: what it is measured with.
        begun: when it began.
        span: to be ended, too.
    """

    __slots__ = ("_begun", "_span", "_watch")

    def __init__(self, watch: Watch, begun: float, span: Any = None) -> None:
        self._watch = watch
        self._begun = begun
        self._span = span

    def __enter__(self) -> None:
        """It began before."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._span is not None:
            self._span.end()
        self._watch.ended(self._begun, error)


# What plain functions return that is not the end of their work, or not a good one.


def return_failure(failure: Any, watch: Watch, span: Any, begun: float) -> Any:
    """A failure ends the call."""
    watch.failed(begun, span, failure)
    span.end()
    return failure


def go_on_with_coroutine(coroutine: Any, watch: Watch, span: Any, begun: float) -> Any:
    """A coroutine goes on with the call when it is awaited."""

    async def call() -> Any:
        try:
            with span:
                result = await coroutine
        except BaseException as error:
            span.end()
            watch.raised(begun, error)
            raise
        if type(result) is FlextFailure:
            return return_failure(result, watch, span, begun)
        span.end()
        watch.succeeded(now() - begun)
        return result

    return call()


def go_on_with_generator(generator: Any, watch: Watch, span: Any, begun: float) -> Any:
    """A generator goes on with the call whenever it is asked."""

    def call() -> Generator[Any, Any, Any]:
        step = functools.partial(generator.send, None)
        with Lasting(watch, begun, span):
            while True:
                with span:
                    try:
                        item = step()
                    except StopIteration as stop:
                        return stop.value
                try:
                    step = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    with span:
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to judge
                    step = functools.partial(generator.throw, error)

    return call()


def go_on_with_async_generator(
    generator: Any, watch: Watch, span: Any, begun: float
) -> Any:
    """The same for an async generator."""
    return passed_on(
        generator, lambda: (Lasting(watch, begun, span), span, generator)
    )()


SPECIAL: Final[Mapping[type, Callable[[Any, Watch, Any, float], Any]]] = {
    FlextFailure: return_failure,
    CoroutineType: go_on_with_coroutine,
    GeneratorType: go_on_with_generator,
    AsyncGeneratorType: go_on_with_async_generator,
}


def passed_on(function: Any, begin: Callable[..., Begun]) -> Any:
    """An async generator function that passes on what another generator does.

    Args:
        function: what it looks like.
        begin: gives what surrounds the whole, what surrounds each step, and the other
            generator.
    """

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        lasting, inside, inner = begin(*args, **kwargs)
        step = functools.partial(inner.asend, None)
        with lasting:
            while True:
                with inside:
                    try:
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
