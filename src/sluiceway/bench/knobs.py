"""The settings of a pipeline that its speed hangs on, and other values for them.

Law: only what a stage has is turned, but for one thing: a sink that gathers no batches
and could is tried with some. Nothing is opened.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

from attrs import asdict, evolve, fields, frozen

from .._engine.checks import check_stage, work_of
from .._engine.graph import Graph, Node, StageKind
from ..batching import BatchBy, Batcher
from ..decorators import StageFunction
from ..errors import ConfigurationError, nearest
from ..pipeline import Pipeline
from .rewiring import graph_of

Value = int | float
Changes = Mapping[str, Value]  # "collector.batch.max_events" -> 4000

FACTORS: Final = (0.25, 0.5, 2, 4)
SHORTEST_FLUSH: Final = 0.01  # seconds
LEAST_ROOM: Final = 64  # events
AT_ONCE: Final = (1, 2, 4, 8, 16)
WIDTHS: Final = ("workers", "max_in_flight")
NO_BATCH: Final = 0  # the size of the batches that a sink does not gather
ADDED: Final = BatchBy(flush_interval=0.2)
ADDED_SIZES: Final = (100, 500, 2000)
BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@frozen
class Knob:
    """One setting of one stage.

    Attributes:
        path: such as ``"collector.batch.max_events"``.
        present: its value now; 0 for the batches of a sink that gathers none.
        others: the values to try.
    """

    path: str
    present: Value
    others: tuple[Value, ...]


def knobs_of(pipeline: Pipeline, *, from_file: bool) -> list[Knob]:
    """The settings to search.

    Args:
        pipeline: not started.
        from_file: whether only what a file can set will do.
    """
    graph = graph_of(pipeline)
    return [
        Knob(path, present, others)
        for node in graph.nodes
        for path, present in settings_of(node, from_file=from_file)
        if (others := others_of(path, present))
    ]


def settings_of(node: Node, *, from_file: bool) -> Iterator[tuple[str, Value]]:
    """The paths and values of one stage's settings."""
    stage, name = node.stage, node.name
    if isinstance(stage, Batcher):
        yield f"{name}.max_events", stage.settings.max_events
        yield f"{name}.flush_interval", stage.settings.flush_interval
        return
    for word in ("batch", "queue", *WIDTHS):
        value = getattr(stage, word, None)
        settable = not from_file or takes(stage, word)
        if word == "batch" and value is None and could_batch(node):
            yield f"{name}.batch.max_events", NO_BATCH
        if value is None or not settable or not turns(node, word):
            continue
        if word == "batch":
            yield f"{name}.batch.max_events", value.max_events
            yield f"{name}.batch.flush_interval", value.flush_interval
        elif word == "queue":
            yield f"{name}.queue.capacity", value.capacity
        else:
            yield f"{name}.{word}", value


def could_batch(node: Node) -> bool:
    """Whether a stage gathers no batches, is given none, and could."""
    given = any(isinstance(origin.stage, Batcher) for origin in node.origins)
    return node.kind is StageKind.SINK and not given and takes(node.stage, "batch")


def takes(stage: Any, word: str) -> bool:
    """Whether a stage can be given a setting as it is made."""
    if isinstance(stage, StageFunction):
        return True
    return word in inspect.signature(type(stage)).parameters


def turns(node: Node, word: str) -> bool:
    """Whether a setting of a stage can matter, and changes nothing else."""
    if node.kind is StageKind.SINK:
        return word != "workers"
    if node.kind is StageKind.SOURCE:
        return False
    if word == "workers":  # sync ones take turns on the event loop
        stage = node.stage
        processes = node.kind is StageKind.PROCESSOR
        return processes and (
            stage.blocking or inspect.iscoroutinefunction(work_of(stage))
        )
    behind_source = all(o.kind is StageKind.SOURCE for o in node.origins)
    return word == "queue" and (node.kind is StageKind.ACCUMULATOR or behind_source)


def others_of(path: str, present: Value) -> tuple[Value, ...]:
    """Other values for a setting, around the present one."""
    word = path.rpartition(".")[2]
    if word in WIDTHS:
        return tuple(n for n in AT_ONCE if n != present and n <= present * 8)
    found = [present * factor for factor in FACTORS]
    if word == "flush_interval":
        return tuple(s for s in found if s >= SHORTEST_FLUSH)
    if present == NO_BATCH:
        return ADDED_SIZES
    least = LEAST_ROOM if word == "capacity" else 1
    return tuple(sorted({int(n) for n in found if n >= least} - {int(present)}))


def candidates(knobs: Sequence[Knob], chance: Random) -> Iterator[Changes]:
    """Different changes, without end or until there are no more: one, then several.

    Each second one turns a single knob, so that what helps is known by itself.
    """
    singles = [{knob.path: value} for knob in knobs for value in knob.others]
    chance.shuffle(singles)
    seen: list[Changes] = []
    misses = 0
    while knobs and misses < 100 * len(knobs):
        if singles and len(seen) % 2 == 0:
            changes = singles.pop()
        else:
            turned = chance.sample(knobs, chance.randint(1, len(knobs)))
            changes = {knob.path: chance.choice(knob.others) for knob in turned}
        if changes in seen or not fits(changes, knobs):
            misses += 1
            continue
        seen.append(changes)
        yield changes


def fits(changes: Changes, knobs: Sequence[Knob]) -> bool:
    """Whether no batch is larger than the queue that it is gathered behind."""
    values = {knob.path: knob.present for knob in knobs} | dict(changes)
    for path, value in values.items():
        stage, _, setting = path.partition(".")
        room = values.get(f"{stage}.queue.capacity")
        if setting == "batch.max_events" and room is not None and value > room:
            return False
    return True


def turn(pipeline: Pipeline, path: str, text: str) -> None:
    """Change one setting of a pipeline that has not been started.

    Args:
        pipeline: the pipeline.
        path: such as ``"collector.batch.max_events"``.
        text: the value, as in TOML.

    Raises:
        ConfigurationError: no such stage or setting, or the value means nothing.
    """
    graph = graph_of(pipeline)
    name = stage_in(graph, path)
    node = next(node for node in graph.nodes if node.name == name)
    known = dict(settings_of(node, from_file=False))
    if path not in known:
        near = nearest(path, known) or f"; expected one of {', '.join(known) or 'none'}"
        raise ConfigurationError(f"{path} is no setting that can be set here{near}")
    set_value(node.stage, path.removeprefix(f"{name}."), value_of(path, text))


def stage_in(graph: Graph, path: str) -> str:
    """The name of the stage that a path begins with.

    Raises:
        ConfigurationError: there is none.
    """
    names = [node.name for node in graph.nodes]
    found = [name for name in names if path.startswith(f"{name}.")]
    if not found:
        word = path.partition(".")[0]
        if word in names:
            raise ConfigurationError(
                f"{path}: expected a setting of the stage, such as "
                f"{word}.queue.capacity"
            )
        near = nearest(word, names) or f"; expected one of {', '.join(names)}"
        raise ConfigurationError(f"{path}: no stage is called {word!r}{near}")
    return max(found, key=len)


def value_of(path: str, text: str) -> Value:
    """The number in a text.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ConfigurationError(f"{path} is {text!r}; expected a number")
    return found


def set_value(stage: Any, setting: str, value: Value) -> None:
    """Give a stage another value for a setting.

    Raises:
        ConfigurationError: the value means nothing.
    """
    word, _, field_name = setting.partition(".")
    if isinstance(stage, Batcher):
        changed: Any = {word: value}
        stage.settings = evolve(stage.settings, **changed)
        return
    if field_name:
        setattr(stage, word, evolve(record_of(stage, word), **{field_name: value}))
    else:
        setattr(stage, word, value)
    check_stage(stage)


def record_of(stage: Any, word: str) -> Any:
    """A stage's queue or batches; those that are tried where it gathers none."""
    return ADDED if getattr(stage, word) is None else getattr(stage, word)


def as_toml(pipeline: Pipeline, changes: Changes) -> str:
    """Changes as a patch of a file: for each stage the settings that change, whole.

    A table of a file that names one field leaves the others at their defaults, so that
    the fields that do not change are said too, if they are no defaults.
    """
    graph = graph_of(pipeline)
    tables: dict[str, dict[str, str]] = {}
    for path, value in changes.items():
        name = stage_in(graph, path)
        stage = next(node.stage for node in graph.nodes if node.name == name)
        word, _, field_name = path.removeprefix(f"{name}.").partition(".")
        lines = tables.setdefault(name, {})
        if not field_name:
            lines[word] = number_text(value)
        elif word not in lines:
            prefix = f"{name}.{word}."
            changed = {
                p.removeprefix(prefix): v
                for p, v in changes.items()
                if p.startswith(prefix)
            }
            lines[word] = inline(record_of(stage, word), changed)
    return "\n\n".join(
        "\n".join([f"[stages.{key(name)}]", *(f"{w} = {t}" for w, t in lines.items())])
        for name, lines in tables.items()
    )


def key(name: str) -> str:
    """A name as TOML."""
    return name if BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def inline(record: Any, changed: Mapping[str, Value]) -> str:
    """A settings record as an inline table."""
    defaults = {each.name: each.default for each in fields(type(record))}
    said = {
        name: changed.get(name, value)
        for name, value in asdict(record, recurse=False).items()
        if name in changed or (value != defaults[name] and not callable(value))
    }
    parts = [f"{name} = {number_text(value)}" for name, value in said.items()]
    return f"{{ {', '.join(parts)} }}"


def number_text(value: Any) -> str:
    """A number or a word as TOML."""
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
