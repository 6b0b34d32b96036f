"""The types of stages that a file can name: the batteries, other packages', one's own.

Law: a type is imported when a file names it, or when all are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from ..batching import BatchBy, Batcher
from ..chains import not_a_stage
from ..decorators import FunctionSource, StageFunction
from ..errors import ConfigurationError, nearest
from ..settings import Count, Queue, Retry, Seconds
from ..stages import Accumulator, Sink, Source, Stage, Worker
from .hints import form_of, settings_of, summary_of
from .records import Record, Setting
from .references import broken, load_object

GROUP: Final = "sluiceway.stages"
BATTERIES: Final = (
    "sources",
    "processors",
    "samplers",
    "alerting",
    "health",
    "sinks",
)
FOR_PROGRAMS: Final = frozenset({"Inlet"})  # nobody could call it in a file

OF_ALL: Final = {"queue": Setting(form_of(Queue), description="the queue in front")}
OF_WORKERS: Final = {
    "workers": Setting(
        form_of(Count), description="batches at a time; above 1 gives up order"
    )
}
OF_SINKS: Final = {
    "batch": Setting(form_of(BatchBy | None), description="gathers events"),
    "timeout": Setting(form_of(Seconds | None), description="seconds for one attempt"),
    "retry": Setting(form_of(Retry | None), description="after transient errors"),
    "max_in_flight": Setting(form_of(Count), description="writes at the same time"),
}


class StageType:
    """A type of stage: its settings, and how one is made of them.

    Args:
        word: what a file calls it.
        target: a class of stages, ``BatchBy``, a decorated function or a stage.

    Attributes:
        record: its settings.
        plural: whether it has no state, so that each mention in a chain is a stage of
            its own.

    Raises:
        ConfigurationError: the target is nothing of the kind.
    """

    def __init__(self, word: str, target: Any) -> None:
        kind, settings, make = read_target(target)
        engine = {**engine_settings(kind, target)}
        engine = {key: engine[key] for key in engine.keys() - settings.keys()}
        self.plural = issubclass(kind, Worker) and kind.stateful is False
        self.record = Record(
            word,
            {key: s for key, s in {**settings, **engine}.items() if key != "name"},
            lambda **given: made_with(make, engine, given),
            summary_of(target),
        )


def read_target(
    target: Any,
) -> tuple[type[Stage], Mapping[str, Setting], Callable[..., Stage]]:
    """The class of a target's stages, its own settings, and what makes a stage.

    Raises:
        ConfigurationError: it makes no stages.
    """
    if target is BatchBy:
        return Batcher, settings_of(BatchBy), lambda **given: Batcher(BatchBy(**given))
    if is_stage_class(target):
        return target, settings_of(target), target
    if isinstance(target, FunctionSource):
        arguments = settings_of(target.function)
        return FunctionSource, arguments, lambda **given: copy(target(**given))
    if isinstance(target, StageFunction) and isinstance(target, Stage):
        return type(target), {}, lambda: copy(target)
    if isinstance(target, Stage):
        return type(target), {}, lambda: target
    raise ConfigurationError(not_a_stage(target))


def engine_settings(kind: type[Stage], target: Any) -> dict[str, Setting]:
    """What the engine reads off any stage of a kind; a class may take it by itself.

    A battery of the sinks leaves out on purpose what it does not take; a function and a
    class of the user's cannot know it.
    """
    if issubclass(kind, Source):
        return {}
    settings = dict(OF_ALL)
    if issubclass(kind, Worker) and not issubclass(kind, Accumulator):
        settings |= OF_WORKERS
    own = isinstance(target, StageFunction) or not kind.__module__.startswith(PACKAGE)
    if issubclass(kind, Sink) and own:
        settings |= OF_SINKS
    return settings


PACKAGE: Final = f"{__name__.partition('.')[0]}."


def made_with(
    make: Callable[..., Stage], engine: Mapping[str, Setting], given: dict[str, Any]
) -> Stage:
    """A stage, with those of the given settings put on it that the engine reads."""
    stage = make(**{key: v for key, v in given.items() if key not in engine})
    for key in engine.keys() & given.keys():
        setattr(stage, key, given[key])
    return stage


def find_type(word: str) -> StageType:
    """The type that a file means.

    Args:
        word: a battery's name, an entry point's, or ``module:name``.

    Raises:
        ConfigurationError: there is no such type, or it cannot be had.
    """
    if ":" in word:
        return StageType(word, load_object(word))
    package, points = battery_of(word), offered(word)
    if len(points) + (package is not None) > 1:
        offers = [f"{p.value} of {distribution(p)}" for p in points]
        own = [f"sluiceway.{package}"] if package else []
        raise ConfigurationError(
            f"type {word!r} is offered by {' and '.join([*own, *offers])}; "
            "write module:name instead"
        )
    if points:
        return StageType(word, loaded(points[0]))
    if package is None or word in FOR_PROGRAMS:
        raise ConfigurationError(no_type(word))
    target = battery(package, word)
    if not is_stage_class(target):  # but what stages work with, such as Rule
        raise ConfigurationError(no_type(word))
    return StageType(word, target)


def is_stage_class(target: Any) -> bool:
    """Whether a battery's name is that of a stage."""
    return target is BatchBy or (isinstance(target, type) and issubclass(target, Stage))


def battery_of(word: str) -> str | None:
    """The package whose battery it is: ``"sinks"``; None if it is none."""
    if word == "BatchBy":
        return "batching"
    return next((p for p in BATTERIES if word in names_in(p)), None)


def names_in(package: str) -> Mapping[str, str]:
    """The names of a package of batteries, and nothing loaded."""
    modules: Mapping[str, str] = import_module(f"..{package}", __package__).MODULES
    return modules


def battery(package: str, name: str) -> Any:
    """A battery, or a sentence about what is missing for it."""
    try:
        return getattr(import_module(f"..{package}", __package__), name)
    except ImportError as error:
        raise ConfigurationError(broken(f"sluiceway.{package}", error)) from error


def offered(word: str | None = None) -> list[EntryPoint]:
    """The entry points of other packages: those of one name, or all."""
    points = entry_points(group=GROUP)
    return [point for point in points if word in (None, point.name)]


def distribution(point: EntryPoint) -> str:
    """The package that has the entry point."""
    return point.dist.name if point.dist is not None else "an unknown package"


def loaded(point: EntryPoint) -> Any:
    """What an entry point offers.

    Raises:
        ConfigurationError: it cannot be imported.
    """
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # whatever another package does there
        raise ConfigurationError(
            f"type {point.name!r} of {distribution(point)}: "
            f"{broken(point.module, error)}"
        ) from error


def no_type(word: str) -> str:
    """Why a type is refused."""
    if word in FOR_PROGRAMS:
        return f"{word!r} is for programs, which call it; a file can only name a source"
    names = [name for name, _ in all_types() if name != word]
    flat = {name.replace("_", "").lower(): name for name in names}
    same = flat.get(word.replace("_", "").lower())
    hint = f"; did you mean {same!r}?" if same else nearest(word, names)
    listed = f"; expected module:name or one of {', '.join(names)}"
    return f"no stage is of type {word!r}{hint or listed}"


def all_types() -> Iterator[tuple[str, StageType]]:
    """All types that can be had here, by name; what cannot be loaded is left out."""
    words = {name for package in BATTERIES for name in names_in(package)} | {"BatchBy"}
    words |= {point.name for point in offered()}
    for word in sorted(words - FOR_PROGRAMS):
        package = battery_of(word)
        try:
            if package is None or is_stage_class(battery(package, word)):
                yield word, find_type(word)
        except ConfigurationError:  # its library is missing, or it is broken
            continue
