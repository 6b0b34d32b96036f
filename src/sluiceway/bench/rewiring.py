"""A user's pipeline with a load in place of its sources, and null sinks if asked.

Law: names, queues, batches, retries, workers and the shape of the graph stay as they
are; only what brings events in and what takes them out is another. Nothing is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from attrs import evolve, field, frozen

from .._engine.graph import Graph, Node, StageKind
from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError, nearest
from ..pipeline import Pipeline
from ..settings import number, one_of
from ..stages import Sink, StageContext
from .encoding import encoded_events
from .generator import Extent, LoadSource, Make, Watcher
from .kinds import kinds_for
from .recordings import RecordedEvents, Recording, read_recording
from .schedules import Schedule
from .telemetry import Shape, TelemetryMaker

Sinks = Literal["null", "real"]
POOL: Final = 10_000  # made events that are encoded


@frozen
class Load:
    """What a pipeline is driven with.

    Attributes:
        extent: how long; default 10 s.
        schedule: when events are due; None, the default, is as fast as possible.
        shape: of made events.
        any_kind: False, the default, leaves out the kinds of ``shape.mix`` that a
            source or the stages behind it declare not to take; True sends all of it.
        recording: a file whose events are sent instead; None to make them.
        sources: the names of those that are driven; empty for all.
        sinks: ``"null"``, the default, or ``"real"``.
        write_time: seconds that each write of a null sink takes; default 0.
        warm_up: seconds at the start that are not measured; default 0.5.
    """

    extent: Extent = field(factory=Extent)
    schedule: Schedule | None = None
    shape: Shape = field(factory=Shape)
    any_kind: bool = False
    recording: str | None = None
    sources: tuple[str, ...] = ()
    sinks: Sinks = field(default="null", validator=one_of(Sinks))
    write_time: float = field(default=0.0, validator=number(0))
    warm_up: float = field(default=0.5, validator=number(0))


class NullSink(Sink[Any]):
    """Delivers to nobody, behind the queue, batches and retries of a real sink.

    Args:
        real: the sink whose settings it takes over.
        write_time: seconds that each write takes.
    """

    def __init__(self, real: Sink[Any], write_time: float = 0.0) -> None:
        self.name = real.name
        self.queue = real.queue
        self.batch = real.batch
        self.timeout = real.timeout
        self.retry = real.retry
        self.max_in_flight = real.max_in_flight
        self._write_time = write_time
        self._clock = SYSTEM_CLOCK

    async def open(self, context: StageContext) -> None:
        """Learn the clock."""
        self._clock = context.clock

    async def write(self, events: list[Any]) -> None:
        """Take the events, and as long as it should."""
        del events
        if self._write_time:
            await self._clock.sleep(self._write_time)


@frozen
class Rewired:
    """What was put into a pipeline.

    Attributes:
        driven: the loads, each with the name of the source that it replaces.
        kinds: the kinds of events by the name of a source; empty for a recording.
        silent: the sources that send nothing meanwhile.
        broken: lines of the recording that hold no event.
    """

    driven: tuple[LoadSource, ...]
    kinds: dict[str, tuple[str, ...]]
    silent: tuple[str, ...]
    broken: int = 0


def graph_of(pipeline: Pipeline) -> Graph:
    """The graph of a pipeline that has not been started."""
    return pipeline._graph  # noqa: SLF001 - nobody else may change it


def check_load(pipeline: Pipeline, load: Load) -> None:
    """Refuse a load that a pipeline cannot be driven with; nothing is changed.

    Raises:
        ConfigurationError: a named source is none; the recording holds no events.
    """
    chosen_sources(graph_of(pipeline), load)
    if load.recording is not None:
        read_recording(load.recording)


def rewire(pipeline: Pipeline, load: Load, watcher: Watcher) -> Rewired:
    """Put a load in place of a pipeline's sources, and null sinks if asked.

    Raises:
        ConfigurationError: a named source is none; the recording holds no events.
    """
    graph = graph_of(pipeline)
    sources = graph.of_kind(StageKind.SOURCE)
    kinds = {node.name: kinds_of(node, load) for node in sources}
    chosen = chosen_sources(graph, load)
    recorded = None if load.recording is None else read_recording(load.recording)
    driven: list[LoadSource] = []
    silent: list[LoadSource] = []
    for position, node in enumerate(sources):
        extent, schedule = Extent(seconds=0.0), None
        if node.name in chosen:
            extent = shared(load.extent, chosen.index(node.name), len(chosen))
            schedule = load.schedule.share(len(chosen)) if load.schedule else None
        make = maker(load, kinds[node.name], recorded, position)
        encoded = node.stage.sends_encoded
        if encoded:
            make = again_and_again(make, recorded, extent)
        node.stage = LoadSource(make, extent, schedule, watcher, node.name)
        node.stage.sends_encoded = encoded
        (driven if node.name in chosen else silent).append(node.stage)
    if load.sinks == "null":
        for node in graph.of_kind(StageKind.SINK):
            node.stage = NullSink(node.stage, load.write_time)
    told = {} if recorded else {name: kinds[name] for name in chosen}
    quiet = tuple(str(stage.name) for stage in silent)
    return Rewired(tuple(driven), told, quiet, recorded.broken if recorded else 0)


def shared(extent: Extent, position: int, parts: int) -> Extent:
    """The extent of one of several sources that share the events."""
    if extent.events is None:
        return extent
    count = extent.events * (position + 1) // parts - extent.events * position // parts
    return evolve(extent, events=count) if count else Extent(seconds=0.0)


def chosen_sources(graph: Graph, load: Load) -> Sequence[str]:
    """The names of the sources to drive, in the order of the graph.

    What tells of the pipeline itself is no part of its load, unless it is named.

    Raises:
        ConfigurationError: a name is no source's, or no source has any of these events.
    """
    sources = graph.of_kind(StageKind.SOURCE)
    names = [node.name for node in sources]
    for name in load.sources:
        if name not in names:
            near = nearest(name, names) or f"; expected one of {', '.join(names)}"
            raise ConfigurationError(f"no source is called {name!r}{near}")
    if load.sources:
        return [name for name in names if name in load.sources]
    others = [node for node in sources if not node.stage.tells_of_pipeline]
    chosen = [n.name for n in others if load.recording or kinds_of(n, load)]
    if not chosen:
        raise ConfigurationError(
            f"no source takes {' or '.join(load.shape.mix)}; name one (--source), or "
            "give a recording of its events (--recording)"
        )
    return chosen


def kinds_of(node: Node, load: Load) -> tuple[str, ...]:
    """The kinds of the mix that a source has and the stages behind it take."""
    wanted = tuple(word for word, share in load.shape.mix.items() if share)
    return wanted if load.any_kind else kinds_for(node, wanted)


def again_and_again(make: Make, recorded: Recording | None, extent: Extent) -> Make:
    """Encoded events, the same ones time after time.

    Encoding costs many times what a pipeline does with bytes that it does not look
    into, and would be all that is measured.
    """
    if recorded is not None:
        return RecordedEvents(encoded_events(recorded.events))
    return RecordedEvents(encoded_events(make(min(POOL, extent.events or POOL))))


def maker(
    load: Load, kinds: tuple[str, ...], recorded: Recording | None, position: int
) -> Make:
    """What makes the events of one source; no two make the same."""
    if recorded is not None:
        return RecordedEvents(recorded.events)
    mix = {word: load.shape.mix[word] for word in kinds} or load.shape.mix
    shape = evolve(load.shape, mix=mix, seed=load.shape.seed + position)
    return TelemetryMaker(shape, SYSTEM_CLOCK.time_ns)
