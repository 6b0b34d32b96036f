"""The options of ``bench`` and ``tune`` that say what a pipeline is driven with."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from . import quantities

if TYPE_CHECKING:
    from ..bench.rewiring import Load
    from ..bench.schedules import Schedule
    from ..pipeline import Pipeline

OPTIONS: Final = {
    "Shape.": "--",
    "Steady.rate": "--rate",
    "Ramp.rate": "--rate",
    "Ramp.seconds": "--ramp",
    "Bursts.every": "--bursts",
}


def add_load_options(parser: ArgumentParser) -> None:
    """What the load is, when it comes, and where it goes."""
    pace = parser.add_argument_group("how fast")
    pace.add_argument(
        "--rate",
        type=quantities.rate,
        metavar="N",
        help="events per second, such as 5000 or 20k (default: as fast as possible)",
    )
    pace.add_argument(
        "--ramp",
        type=quantities.seconds_above_zero,
        metavar="SECONDS",
        help="rise from 0 to --rate in this time",
    )
    pace.add_argument(
        "--bursts",
        type=quantities.bursts,
        metavar="N@SECONDS",
        help="N events at once, again and again: 10000@5 is 10,000 every 5 s",
    )
    pace.add_argument(
        "--batch",
        type=quantities.count,
        default=100,
        metavar="N",
        help="events that a source hands over at once at most (default 100)",
    )
    add_event_options(parser)
    add_place_options(parser)


def add_event_options(parser: ArgumentParser) -> None:
    """What the events look like."""
    events = parser.add_argument_group("which events")
    add = events.add_argument
    add(
        "--mix",
        type=quantities.shares,
        metavar="SHARES",
        help="of spans, points and logs (default spans=60,points=20,logs=20, of which "
        "each source gets what it and the stages behind it declare to take)",
    )
    add(
        "--attributes",
        type=quantities.whole,
        default=8,
        metavar="N",
        help="attributes of each event (default 8)",
    )
    add(
        "--cardinality",
        type=quantities.count,
        default=1000,
        metavar="N",
        help="different values of one of them (default 1000)",
    )
    add(
        "--text",
        type=quantities.length,
        default=120,
        metavar="BYTES",
        help="of a log's body, and of one attribute of spans (default 120)",
    )
    add_origin_options(events)


def add_origin_options(events: _ArgumentGroup) -> None:
    """By which chance events are made, or from where they are read."""
    add = events.add_argument
    add(
        "--seed",
        type=quantities.whole,
        default=1,
        metavar="N",
        help="the same seed gives the same events (default 1)",
    )
    add(
        "--recording",
        metavar="FILE",
        help="send the events of this file again and again instead: JSON Lines as "
        "JsonLinesSink writes them, or the body of one OTLP request, or one in JSON on "
        "each line; compressed by gzip or not",
    )


def add_place_options(parser: ArgumentParser) -> None:
    """Where the load comes in and goes out."""
    places = parser.add_argument_group("where")
    places.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME",
        help="drive this source, the others send nothing; may be given several times "
        "(default: all that have such events, in equal parts, but for "
        "PipelineMetricsSource)",
    )
    places.add_argument(
        "--sinks",
        type=quantities.one_of("null", "real"),
        default="null",
        metavar="null|real",
        help="null (default) delivers to nobody, behind the same queues, batches and "
        "retries; real sends made events to where your sinks send",
    )
    places.add_argument(
        "--sink-time",
        type=quantities.seconds,
        default=0.0,
        metavar="SECONDS",
        help="that each write of a null sink takes, such as 20ms (default 0)",
    )


def add_set_option(parser: ArgumentParser) -> None:
    """Settings that are tried without changing the file."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.SETTING=N",
        help="try another value for a setting, such as collector.batch.max_events=4000;"
        " may be given several times",
    )


def set_all(pipeline: Pipeline, words: Sequence[str]) -> None:
    """Change the settings of a pipeline as ``--set`` says.

    Raises:
        ConfigurationError: one cannot be set.
    """
    from ..bench.knobs import turn  # noqa: PLC0415 - loads what makes events

    for word in words:
        path, value = (part.strip() for part in word.partition("=")[::2])
        record = f"{path.rpartition('.')[0]}."
        with named_as_typed({"Queue.": record, "BatchBy.": record}):
            turn(pipeline, path, value)


@contextmanager
def named_as_typed(names: Mapping[str, str]) -> Iterator[None]:
    """Errors about a record's field name what the user has typed.

    Args:
        names: what stands for the beginning of an error.

    Raises:
        ConfigurationError: as in the block.
    """
    try:
        yield
    except ConfigurationError as error:
        told = str(error)
        for field, typed in names.items():
            if told.startswith(field):
                told = typed + told.removeprefix(field)
                raise ConfigurationError(told) from error
        raise


def load_of(
    arguments: Namespace, *, seconds: float | None, events: int | None, warm_up: float
) -> Load:
    """The load that the options describe.

    Raises:
        ConfigurationError: they contradict each other, or mean nothing.
    """
    from ..bench.generator import Extent  # noqa: PLC0415 - loads what makes events
    from ..bench.rewiring import Load  # noqa: PLC0415
    from ..bench.telemetry import Shape  # noqa: PLC0415

    if arguments.sink_time and arguments.sinks != "null":
        raise ConfigurationError("--sink-time is of null sinks; leave out --sinks real")
    more: dict[str, Any] = {} if arguments.mix is None else {"mix": arguments.mix}
    with named_as_typed(OPTIONS):
        schedule = schedule_of(arguments)
        shape = Shape(
            attributes=arguments.attributes,
            cardinality=arguments.cardinality,
            text=arguments.text,
            seed=arguments.seed,
            **more,
        )
    return Load(
        extent=Extent(seconds=seconds, events=events, batch=arguments.batch),
        schedule=schedule,
        shape=shape,
        any_kind=arguments.mix is not None,
        recording=arguments.recording,
        sources=tuple(arguments.source),
        sinks=arguments.sinks,
        write_time=arguments.sink_time,
        warm_up=warm_up,
    )


def schedule_of(arguments: Namespace) -> Schedule | None:
    """When events are due, None for as fast as possible.

    Raises:
        ConfigurationError: the options contradict each other.
    """
    from ..bench.schedules import Bursts, Ramp, Steady  # noqa: PLC0415 - as above

    if arguments.bursts is not None:
        if arguments.rate is not None or arguments.ramp is not None:
            raise ConfigurationError(
                "--bursts says how many events come; leave out --rate and --ramp"
            )
        return Bursts(*arguments.bursts)
    if arguments.ramp is not None:
        if arguments.rate is None:
            raise ConfigurationError("--ramp needs the --rate that it rises to")
        return Ramp(arguments.rate, arguments.ramp)
    return None if arguments.rate is None else Steady(arguments.rate)


def words_for(load: Load) -> str:
    """How fast the load is, in words."""
    from ..bench.schedules import Bursts, Ramp, Steady  # noqa: PLC0415 - as above

    plan = load.schedule
    if isinstance(plan, Steady):
        return f"{plan.rate:,.0f} events/s"
    if isinstance(plan, Ramp):
        return f"rising to {plan.rate:,.0f} events/s in {plan.seconds:g} s"
    if isinstance(plan, Bursts):
        return f"{plan.size:,} events every {plan.every:g} s"
    return "as fast as possible"


def words_of(arguments: Namespace) -> list[str]:
    """The words that give these load options again."""
    words: list[str] = []
    for name in ("batch", "attributes", "cardinality", "text", "seed", "sinks"):
        words += [f"--{name}={getattr(arguments, name)}"]
    for name in ("rate", "ramp", "recording"):
        value = getattr(arguments, name)
        words += [] if value is None else [f"--{name}={value}"]
    if arguments.bursts is not None:
        words.append("--bursts={}@{}".format(*arguments.bursts))
    if arguments.mix is not None:
        words.append("--mix=" + ",".join(f"{k}={n}" for k, n in arguments.mix.items()))
    words += [f"--source={name}" for name in arguments.source]
    return [*words, f"--sink-time={arguments.sink_time}"]
