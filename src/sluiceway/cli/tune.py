"""``sluiceway tune``: better settings for a pipeline, and how sure that is."""

from __future__ import annotations

import math
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import ConfigurationError, counted
from . import quantities
from .bench import STDOUT, check_writable, write_file
from .bench_text import size_text, table, time_text
from .load_options import add_load_options, load_of, words_of
from .targets import add_target, find_target

if TYPE_CHECKING:
    from ..bench.halving import Decision, Plan, Shown
    from ..bench.knobs import Changes
    from ..bench.tuning import Say, Tuning
    from ..pipeline import Pipeline

EPILOG = """\
Searches max_events and flush_interval of batches, capacity of queues, workers and
max_in_flight, at the stages that have them, and batches for a sink that has none.
Candidates run as `sluiceway bench` in processes of their own, in short rounds, in
random order, the present settings in every round; only ratios within a round count, so
that a busy machine does not decide. Those that break a bound are dropped, the better
half goes on, and the last one is compared with the present settings in fresh rounds.
Nothing is written; you get a TOML patch.

examples:
  sluiceway tune gateway.toml --max-latency 250ms --sink-time 20ms
  sluiceway tune gateway.toml --sinks real --goal cpu --rate 20k --budget 5m
  sluiceway tune shop.telemetry:pipeline --max-memory 200MiB

exit codes:
  0    a recommendation, or no difference
  1    no settings keep the bounds, or the pipeline does not run
  2    the command line or the file is wrong, or the budget is too short
  130  interrupted (Ctrl-C, SIGTERM); what was found up to then is told
"""
UNITS = {"throughput": "events/s", "cpu": "events per CPU second"}
FAILED = 1
INTERRUPTED = 130
CUT_SHORT = "interrupted before the comparison was finished; nothing is recommended"


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EPILOG
    add_target(parser)
    add = parser.add_argument
    add(
        "--max-latency",
        type=quantities.seconds_above_zero,
        metavar="SECONDS",
        help="what the 99th percentile of end-to-end latency may be, such as 250ms",
    )
    add(
        "--max-memory",
        type=quantities.size,
        metavar="SIZE",
        help="what the process may take at its peak, such as 200MiB",
    )
    add_search_options(parser)
    add_load_options(parser)


def add_search_options(parser: ArgumentParser) -> None:
    """What to look for, for how long, and what to leave behind."""
    add = parser.add_argument
    add(
        "--goal",
        type=quantities.one_of("throughput", "latency", "cpu"),
        metavar="throughput|latency|cpu",
        help="what to make better (default throughput; with a rate, cpu per event)",
    )
    add(
        "--budget",
        type=quantities.seconds_above_zero,
        default=120.0,
        metavar="SECONDS",
        help="how long the search may take (default 120s)",
    )
    add(
        "--trial",
        type=quantities.seconds_above_zero,
        default=1.5,
        metavar="SECONDS",
        help="how long each trial is driven (default 1.5)",
    )
    add(
        "--report",
        metavar="FILE",
        help="write a page with plots (HTML) to this file, - is stdout; takes some "
        "trials more",
    )


def run(arguments: Namespace) -> int:
    """Search, and tell what was found."""
    from ..bench.trials import TrialError  # noqa: PLC0415 - loads what makes events

    with interrupts() as interrupted:
        try:
            return search(arguments, interrupted)
        except TrialError as error:
            print(f"sluiceway tune: {error}", file=sys.stderr, flush=True)
            return FAILED


@contextmanager
def interrupts() -> Iterator[Event]:
    """An event for Ctrl-C and SIGTERM, which must not leave a trial without its end."""
    pressed = Event()
    before = {
        each: signal.signal(each, lambda *_: pressed.set())
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield pressed
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def search(arguments: Namespace, pressed: Event) -> int:
    """Search until it is decided or interrupted, and tell what was found."""
    out = sys.stderr if arguments.report == STDOUT else sys.stdout
    tuning, pipeline = tuning_of(arguments, pressed, out)
    plan = tuning.prepare()
    interrupted = False
    try:
        print(introduction(arguments.target, tuning, plan), file=out, flush=True)
        decision = tuning.search()
    except KeyboardInterrupt:
        interrupted, decision = True, tuning.halving.decision()
    told, lines, patch = list(rows(tuning, decision)), [CUT_SHORT], ""
    if not interrupted:
        lines = list(advice(tuning, decision))
        lines += [tuning.untried] if not decision.recommended and tuning.untried else []
        patch = patch_of(tuning, decision, pipeline)
    said = ["", *table(iter(told)), "", *lines, *(["", patch] if patch else [])]
    try:
        print(*said, sep="\n", file=out, flush=True)
    finally:  # whoever reads may have gone, as `head` does
        if arguments.report is not None:
            if tuning.curves_wanted and not interrupted:
                draw_curves(tuning, decision)
            write_report(arguments.report, tuning, decision, (told, lines, patch))
    return INTERRUPTED if pressed.is_set() else code_of(decision)


def code_of(decision: Decision) -> int:
    """The exit code of a search that came to its end."""
    return FAILED if decision.best is None and decision.control_breaks else 0


def introduction(word: str, tuning: Tuning, plan: Plan) -> str:
    """What is about to be searched, and how long that takes."""
    names = sorted({knob.path.partition(".")[0] for knob in tuning.knobs})
    return (
        f"{word}: {len(tuning.knobs)} settings of {', '.join(names)}, "
        f"{counted(plan.candidates, 'candidate')}, "
        f"{plan.trials} trials of "
        f"{tuning.seconds_each:.1f} s"
    )


def tuning_of(
    arguments: Namespace, pressed: Event, out: TextIO
) -> tuple[Tuning, Pipeline]:
    """The search that the options describe, and the pipeline as it is.

    Raises:
        ConfigurationError: something is wrong with them.
    """
    from ..bench.halving import Bounds  # noqa: PLC0415 - loads what makes events
    from ..bench.knobs import knobs_of  # noqa: PLC0415
    from ..bench.meter import new_histogram  # noqa: PLC0415
    from ..bench.rewiring import check_load  # noqa: PLC0415
    from ..bench.trials import Trials  # noqa: PLC0415
    from ..bench.tuning import Tuning  # noqa: PLC0415

    new_histogram()  # a missing library is told before anything else is
    check_writable(arguments.report)
    load = load_of(arguments, seconds=arguments.trial, events=None, warm_up=0.0)
    pipeline = find_target(arguments.target).pipeline
    check_load(pipeline, load)
    goal: Any = arguments.goal or ("throughput" if load.schedule is None else "cpu")
    if goal == "throughput" and load.schedule is not None:
        raise ConfigurationError(
            "--goal is throughput, which a rate or bursts decide; leave them out, or "
            "choose cpu or latency"
        )
    trials = Trials(
        arguments.target,
        words_of(arguments),
        seconds=arguments.trial,
        warm_up=arguments.trial / 5,
        goal=goal,
        interrupted=pressed.is_set,
    )
    tuning = Tuning(
        trials,
        knobs_of(pipeline, from_file=":" not in arguments.target),
        Bounds(arguments.max_latency, arguments.max_memory),
        arguments.budget,
        arguments.seed,
        curves_wanted=arguments.report is not None and load.schedule is None,
        say=trials_told(out, goal) if out.isatty() else None,
    )
    return tuning, pipeline


def trials_told(out: TextIO, goal: str) -> Say:
    """What prints a line for each trial: what it has reached, and at what cost."""
    from ..bench.tuning import words_for  # noqa: PLC0415 - loads what makes events

    def say(number: int, of: int, changes: Changes, shown: Shown) -> None:
        score = f"{shown.score:,.0f} {UNITS[goal]}  " if goal in UNITS else ""
        told = shown.trouble or (
            f"{score}p99 {time_text(shown.latency)}  {size_text(shown.memory)}"
        )
        line = f"{number:4}/{of}  {told}  {words_for(changes)}"
        print(line, file=out, flush=True)

    return say


def rows(tuning: Tuning, decision: Decision) -> Iterator[list[str]]:
    """A row for each candidate, the best first, and one of headings."""
    from ..bench.comparing import median  # noqa: PLC0415 - loads what makes events
    from ..bench.tuning import words_for  # noqa: PLC0415

    halving = tuning.halving
    yield ["settings", "trials", "ratio", "events/s", "p99", "memory", ""]
    tried = [index for index in halving.shown if halving.shown[index]]
    merit = {index: median(halving.ratios.get(index, [])) for index in tried}
    first = {0: 2, decision.best: 1}
    tried.sort(key=lambda i: (first.get(i, 0), merit[i]), reverse=True)
    for index in tried:
        shown = halving.shown[index]
        fate = halving.dropped.get(index, "best" if index == decision.best else "")
        breaks = f"breaks {decision.control_breaks}" if decision.control_breaks else ""
        yield [
            words_for(tuning.settings[index]),
            str(len(shown)),
            f"{merit[index]:.2f}" if index else "",
            f"{tuning.median_of(index, 'throughput'):,.0f}",
            time_text(median([trial.latency for trial in shown])),
            size_text(int(median([trial.memory or 0 for trial in shown])) or None),
            fate if index else breaks,
        ]


def advice(tuning: Tuning, decision: Decision) -> Iterator[str]:
    """What to do, and how sure that is."""
    goal = {"cpu": "events per CPU second", "latency": "speed (1 / p99)"}
    what = goal.get(tuning.trials.goal, "throughput")
    if decision.best is None:
        breaks = decision.control_breaks
        yield "no candidate keeps the bounds" + (
            f", and the present settings break the one of {breaks}"
            if breaks
            else "; stay with the present settings, which do"
        )
        return
    interval = decision.interval
    high = "infinity" if math.isinf(interval.high) else f"{interval.high:.2f}"
    sure = (
        f"{interval.ratio:.2f} times the {what} of the present settings (between "
        f"{interval.low:.2f} and {high} with {interval.confidence:.1%} confidence, "
        f"{interval.pairs} fresh pairs)"
    )
    if not decision.recommended:
        verdict = (
            "the present settings are better"
            if interval.high < 1
            else ("no difference")
        )
        yield f"{verdict}: the best candidate has {sure}"
        return
    if decision.control_breaks:
        yield f"the present settings break the bound of {decision.control_breaks}"
    yield f"recommended: {sure}"


def patch_of(tuning: Tuning, decision: Decision, pipeline: Pipeline) -> str:
    """The recommended settings as TOML; empty where nothing is to be changed."""
    from ..bench.knobs import as_toml  # noqa: PLC0415 - loads what makes events

    return as_toml(pipeline, tuning.settings[decision.recommended])


def draw_curves(tuning: Tuning, decision: Decision) -> None:
    """Put the present and the best settings under rising loads, until interrupted."""
    from .bench_page import settings_to_draw  # noqa: PLC0415 - only if asked

    with suppress(KeyboardInterrupt):
        tuning.draw_curves(settings_to_draw(decision))


def write_report(
    path: str,
    tuning: Tuning,
    decision: Decision,
    told: tuple[list[list[str]], list[str], str],
) -> None:
    """Write the page.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    from .bench_page import tune_page  # noqa: PLC0415 - only if asked

    write_file(path, tune_page(tuning, decision, *told))
