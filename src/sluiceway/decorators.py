"""``@source``, ``@processor``, ``@sampler``, ``@sink``: a function becomes a stage.

Law: whether a function is sync or async is decided here, once, never per event. One
failing event is booked alone; its neighbours go on. Calling a decorated function calls
the function, so that it can be tested without a pipeline.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing
from typing import Any, TypedDict, TypeVar, Unpack, overload

from .batching import BatchBy
from .calls import (
    FAILURES,
    ONE_EVENT,
    Function,
    are_events,
    change_each,
    keep_each,
    own_failure,
    sort_results,
)
from .errors import ConfigurationError, PartialError, nearest
from .functions import is_async
from .settings import Queue, Retry
from .stages import Processor, Sampler, Send, Sink, Source, Stage

# what only a class can say, or the engine
NOT_FOR_FUNCTIONS = {"opened_by", "takes_notes", "usual_name"}

StageType = TypeVar("StageType", bound=Stage)


class StageSettings(TypedDict, total=False):
    """What every decorator takes by keyword; ``Stage`` and its kinds say what it is."""

    name: str | None
    takes_encoded: bool
    sends_encoded: bool


class SourceSettings(StageSettings, total=False):
    """What ``@source`` takes."""

    wants_delivery: bool
    tells_of_pipeline: bool


class SamplerSettings(StageSettings, total=False):
    """What ``@sampler`` takes."""

    queue: Queue
    workers: int
    mutates: bool
    stateful: bool


class ProcessorSettings(SamplerSettings, total=False):
    """What ``@processor`` takes."""

    blocking: bool


class SinkSettings(StageSettings, total=False):
    """What ``@sink`` takes."""

    queue: Queue
    batch: BatchBy | None
    timeout: float | None
    retry: Retry | None
    max_in_flight: int
    blocking: bool


class StageFunction:
    """What the four kinds of decorated functions share.

    Args:
        function: the decorated function; calling the stage calls it.
        settings: what the decorator was given by keyword.
    """

    def __init__(self, function: Function, settings: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        apply_settings(self, settings)
        if getattr(self, "name", None) is None:
            self.name: str | None = getattr(function, "__name__", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as if it were not decorated."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class FunctionSource(StageFunction, Source[Any]):
    """An async generator function (or any function that gives an iterable)."""

    def __call__(self, *args: Any, **kwargs: Any) -> FunctionSource:
        """A source of the same settings whose function is given these arguments."""
        names = ("name", "wants_delivery", "sends_encoded")
        settings = {name: getattr(self, name) for name in names}
        bound = functools.partial(self.function, *args, **kwargs)
        functools.update_wrapper(bound, self.function)
        return FunctionSource(bound, settings)

    async def run(self, send: Send[Any]) -> None:
        """Send what the function yields: single events, or lists of events."""
        produced = self.function()
        if isinstance(produced, Awaitable):
            produced = await produced
        if isinstance(produced, AsyncGenerator):
            async with aclosing(produced):
                await send_all(produced, send)
        elif isinstance(produced, AsyncIterable):
            await send_all(produced, send)
        elif isinstance(produced, Iterable) and not isinstance(produced, ONE_EVENT):
            for item in produced:
                await send(item if isinstance(item, list) else [item])
        else:
            raise TypeError(
                f"source {self.name} returned {produced!r}; "
                "yield its events, or return an iterable of them"
            )


async def send_all(produced: AsyncIterable[Any], send: Send[Any]) -> None:
    """Send what an async iterable gives: single events, or lists of events."""
    async for item in produced:
        await send(item if isinstance(item, list) else [item])


class FunctionProcessor(StageFunction, Processor[Any, Any]):
    """A plain function of one event that returns it, another one, or a list."""

    stateful = False
    _spares_list = True

    def process(self, events: list[Any]) -> list[Any]:
        """The results for each event; a failed event is booked alone."""
        return change_each(self.function, events, self.name)


class AsyncFunctionProcessor(StageFunction, Processor[Any, Any]):
    """An async function of one event, awaited for one event after the other."""

    stateful = False
    _spares_list = True

    async def process(self, events: list[Any]) -> list[Any]:
        """The results for each event; a failed event is booked alone."""
        results: list[Any] = []
        failed: dict[int, Exception] = {}
        for index, event in enumerate(events):
            try:
                results.append(await self.function(event))
            except FAILURES as error:
                failed[index] = own_failure(error)
        if failed or not are_events(results):
            return sort_results(events, results, failed, self.name)
        return results


class FunctionSampler(StageFunction, Sampler[Any]):
    """A plain function of one event that says whether to keep it."""

    stateful = False
    _spares_list = True

    def sample(self, events: list[Any], now: float) -> list[Any]:  # noqa: ARG002
        """The events for which the function returned something true."""
        kept, failed = keep_each(self.function, events)
        if failed:
            raise PartialError(failed, kept)
        return kept


class FunctionSink(StageFunction, Sink[Any]):
    """A plain function of a list of events."""

    def write(self, events: list[Any]) -> Any:
        """Call the function with the list."""
        return self.function(events)


class AsyncFunctionSink(StageFunction, Sink[Any]):
    """An async function of a list of events."""

    async def write(self, events: list[Any]) -> None:
        """Await the function with the list."""
        await self.function(events)


def apply_settings(stage: Any, settings: dict[str, Any]) -> None:
    """Set what a decorator was given by keyword, and refuse unknown names."""
    known = sorted(settings_of(type(stage)))
    for name, value in settings.items():
        if name not in known:
            raise ConfigurationError(
                f"{name}={value!r} is no setting of {type(stage).__name__}; "
                f"expected one of {', '.join(known)}{nearest(name, known)}"
            )
        setattr(stage, name, value)


def settings_of(kind: type) -> set[str]:
    """The names of the settings that a kind of stage takes."""
    names: set[str] = set()
    for base in kind.__mro__:
        if issubclass(base, Stage):
            names |= inspect.get_annotations(base).keys()
    names -= NOT_FOR_FUNCTIONS
    if issubclass(kind, Source):
        names.discard("queue")
    return {name for name in names if not name.startswith("_")}


def decorator(
    function: Function | None,
    settings: dict[str, Any],
    choose: Callable[[Function], type[Any]],
) -> Any:
    """``@kind`` and ``@kind(setting=...)`` by the same code."""
    if function is None:
        return functools.partial(decorator, settings=settings, choose=choose)
    if not callable(function):
        raise ConfigurationError(f"{function!r} is not a function")
    return choose(function)(function, settings)


def refuse_generator(function: Function, kind: str) -> None:
    """Refuse a function that would do nothing when it is called."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        name = getattr(function, "__name__", repr(function))
        raise ConfigurationError(
            f"{kind} {name} must not yield; calling it runs nothing"
        )


@overload
def source(function: Function, /) -> FunctionSource: ...
@overload
def source(
    **settings: Unpack[SourceSettings],
) -> Callable[[Function], FunctionSource]: ...
def source(function: Function | None = None, /, **settings: Any) -> Any:
    """Make a source of an async generator function of events or lists of events.

    Args:
        function: takes no arguments, or those that the source is then called with:
            ``@source async def read(path): ...`` gives ``read("x.log") >> ...``.
        settings: ``name``, ``wants_delivery``.
    """
    return decorator(function, settings, lambda _: FunctionSource)


@overload
def processor(function: Function, /) -> FunctionProcessor | AsyncFunctionProcessor: ...
@overload
def processor(
    **settings: Unpack[ProcessorSettings],
) -> Callable[[Function], FunctionProcessor | AsyncFunctionProcessor]: ...
def processor(function: Function | None = None, /, **settings: Any) -> Any:
    """Make a processor of a function of one event, ``def`` or ``async def``.

    It returns the event, changed or not, another one, or a list; ``[]`` filters the
    event. ``None`` is an error, since a forgotten ``return`` must not empty a pipeline.

    Args:
        function: takes one event.
        settings: ``name``, ``queue``, ``workers``, ``blocking``, ``mutates``,
            ``stateful``.
    """

    def choose(function: Function) -> type[Any]:
        return AsyncFunctionProcessor if is_async(function) else FunctionProcessor

    return decorator(function, settings, choose)


@overload
def sampler(function: Function, /) -> FunctionSampler: ...
@overload
def sampler(
    **settings: Unpack[SamplerSettings],
) -> Callable[[Function], FunctionSampler]: ...
def sampler(function: Function | None = None, /, **settings: Any) -> Any:
    """Make a sampler of a plain function of one event that returns a bool.

    Args:
        function: takes one event; never ``async``, since sampling never waits.
        settings: ``name``, ``queue``, ``workers``, ``mutates``, ``stateful``.

    Raises:
        ConfigurationError: the function is ``async``.
    """

    def choose(function: Function) -> type[Any]:
        refuse_generator(function, "sampler")
        if is_async(function):
            raise ConfigurationError(
                f"sampler {function.__name__} is async; a sampler never waits, "
                "use an async processor that returns [] instead"
            )
        return FunctionSampler

    return decorator(function, settings, choose)


@overload
def sink(function: Function, /) -> FunctionSink | AsyncFunctionSink: ...
@overload
def sink(
    **settings: Unpack[SinkSettings],
) -> Callable[[Function], FunctionSink | AsyncFunctionSink]: ...
def sink(function: Function | None = None, /, **settings: Any) -> Any:
    """Make a sink of a function of a list of events, ``def`` or ``async def``.

    Args:
        function: takes a list of events; returning means delivered.
        settings: ``name``, ``queue``, ``batch``, ``timeout``, ``retry``,
            ``max_in_flight``, ``blocking``.
    """

    def choose(function: Function) -> type[Any]:
        refuse_generator(function, "sink")
        return AsyncFunctionSink if is_async(function) else FunctionSink

    return decorator(function, settings, choose)
