"""``sluiceway bench``: how fast a pipeline is, how late, and where the time goes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, SluicewayError
from . import quantities
from .load_options import add_load_options, add_set_option, load_of, set_all, words_for
from .logs import log_to_stderr
from .targets import Target, add_target, find_target

if TYPE_CHECKING:
    from ..bench.driving import Drive
    from ..bench.results import Result
    from ..bench.rewiring import Load

EPILOG = """\
The pipeline's sources are replaced by a generator, its sinks by null sinks unless
--sinks real; all else is yours: stages, queues, batches, workers, retries. Latency
counts from when an event should have been sent, so that a pipeline that falls behind
shows it; best_effort branches are not waited for. Needs sluiceway[bench].

examples:
  sluiceway bench gateway.toml                      how much can it take?
  sluiceway bench gateway.toml --rate 20k           how late are events at this rate?
  sluiceway bench gateway.toml --sink-time 30ms     with sinks that take their time
  sluiceway bench shop.telemetry:pipeline --bursts 50k@10 --duration 60s

exit codes:
  0    drained, and the books balance; Ctrl-C ends early and still reports
  1    a stage could not be opened or has failed, or the books do not balance
  2    the command line or the file is wrong; nothing was opened
  3    cut off by the pipeline's drain_timeout or a second signal
  4    with --fail-on-loss: events were lost, or could not be sent at the wanted rate
"""
DURATION = 10.0
FAILED = 1
CUT_OFF = 3
LOST = 4
STDOUT = "-"


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EPILOG
    add_target(parser)
    add = parser.add_argument
    add(
        "--duration",
        type=quantities.seconds_above_zero,
        metavar="SECONDS",
        help="how long the load lasts, such as 60s or 5m (default 10s)",
    )
    add(
        "--events",
        type=quantities.count,
        metavar="N",
        help="end after so many events; without --duration as long as that takes",
    )
    add(
        "--warm-up",
        type=quantities.seconds,
        default=0.5,
        metavar="SECONDS",
        help="what comes first is not in throughput and latency (default 0.5)",
    )
    add(
        "--drain",
        type=quantities.seconds,
        metavar="SECONDS",
        help="for what is on its way when the load has ended (default: the pipeline's "
        "drain_timeout)",
    )
    add_file_options(parser)
    add("--quiet", action="store_true", help="print no progress and no table")
    add(
        "--fail-on-loss",
        action="store_true",
        help="exit with 4 if events were lost or could not be sent",
    )
    add_set_option(parser)
    add_load_options(parser)


def add_file_options(parser: ArgumentParser) -> None:
    """Where the figures go beside the screen."""
    add = parser.add_argument
    add("--json", metavar="FILE", help="write all figures to this file; - is stdout")
    add(
        "--report",
        metavar="FILE",
        help="write a page with plots (HTML) to this file; - is stdout",
    )


def run(arguments: Namespace) -> int:
    """Drive the pipeline and tell what it has shown."""
    load = asked_load(arguments)
    files = arguments.json, arguments.report
    check_files(*files)
    shows = not arguments.quiet and STDOUT not in files
    with stdout_kept_clean() if STDOUT in files else nullcontext():
        target = find_target(arguments.target)
        result, lines = measured(arguments, target, load, shows=shows)
    if result is None:
        return FAILED
    tell(arguments, result, target, lines, shows=shows)
    return code_of(result, strict=arguments.fail_on_loss)


def stdout_kept_clean() -> AbstractContextManager[Any]:
    """What the user's code and sinks print must not stand among the figures."""
    return redirect_stdout(sys.stderr)


def asked_load(arguments: Namespace) -> Load:
    """The load that the options describe.

    Raises:
        ConfigurationError: they contradict each other, or mean nothing.
    """
    seconds = arguments.duration
    if seconds is None and arguments.events is None:
        seconds = DURATION
    if seconds is not None and seconds <= arguments.warm_up:
        raise ConfigurationError(
            f"--duration is {seconds:g} s; expected more than --warm-up, "
            f"which is {arguments.warm_up:g} s"
        )
    return load_of(
        arguments,
        seconds=seconds,
        events=arguments.events,
        warm_up=arguments.warm_up if seconds is not None else 0.0,
    )


def measured(
    arguments: Namespace, target: Target, load: Load, *, shows: bool
) -> tuple[Result | None, list[str]]:
    """What the pipeline has shown, None if it could not start, and what was done."""
    from ..bench.driving import Drive  # noqa: PLC0415 - loads what makes events

    set_all(target.pipeline, arguments.set)
    log_to_stderr("warning", target.hide)
    tell_progress = say_progress if is_watched(shows) else None
    drive = Drive(target.pipeline, load, tell_progress, arguments.drain)
    lines = introduction(arguments.target, load, drive)
    if shows:
        # in one piece, unbuffered too: who reads it may leave after the first line
        print("\n".join([*lines, "", ""]), end="", flush=True)
    return result_of(drive, target), lines


def is_watched(shows: bool) -> bool:
    """Whether somebody sees a line each second."""
    return shows and sys.stdout.isatty()


def say_progress(progress: object) -> None:
    """A line each second."""
    from .bench_text import progress_text  # noqa: PLC0415 - only while it is watched

    print(progress_text(progress), flush=True)  # type: ignore[arg-type]


def introduction(word: str, load: Load, drive: Drive) -> list[str]:
    """What is about to be driven, with what and into what."""
    rewired, extent = drive.rewired, load.extent
    lasts = [] if extent.seconds is None else [f"{extent.seconds:g} s"]
    lasts += [] if extent.events is None else [f"{extent.events:,} events"]
    lines = [f"{word}: {words_for(load)}, {' or '.join(lasts)}"]
    for source in rewired.driven:
        made = ", ".join(rewired.kinds.get(source.name or "", ()))
        what = f"made {made}" if made else f"the events of {load.recording}"
        what += ", encoded" if source.sends_encoded else ""
        lines.append(f"  {source.name} is replaced by {what}")
    if rewired.broken:
        lines.append(
            f"  {rewired.broken:,} of its lines hold no event and are left out"
        )
    lines += [f"  {name} sends nothing" for name in rewired.silent]
    takes = f", {load.write_time * 1000:g} ms a write" if load.write_time else ""
    null = f"null, with the queues, batches and retries of yours{takes}"
    lines.append(f"  sinks are {null if load.sinks == 'null' else 'real'}")
    return lines


def result_of(drive: Drive, target: Target) -> Result | None:
    """Run; None, and it is said why, if a stage cannot be opened."""
    try:
        return asyncio.run(drive.run())
    except Exception as error:  # noqa: BLE001 - whatever a stage's open raises
        known = isinstance(error, SluicewayError)
        told = str(error) if known else f"{type(error).__name__}: {error}"
        told = target.redact(f"sluiceway bench: cannot start: {told}")
        print(told, file=sys.stderr, flush=True)
        return None


def tell(
    arguments: Namespace,
    result: Result,
    target: Target,
    lines: list[str],
    *,
    shows: bool,
) -> None:
    """Write the figures, then print them: whoever reads may have gone, as `head` does.

    Raises:
        ConfigurationError: the file cannot be written; the figures are printed.
    """
    from .bench_text import result_lines  # noqa: PLC0415 - after the run

    try:
        write_files(arguments, result, target, lines)
    finally:
        if shows:
            print(target.hide("\n".join(result_lines(result))), flush=True)


def write_files(
    arguments: Namespace, result: Result, target: Target, lines: list[str]
) -> None:
    """Write the files that are asked for.

    Raises:
        ConfigurationError: one cannot be written.
    """
    if arguments.report is not None:
        from .bench_page import bench_page  # noqa: PLC0415 - only if asked

        title = f"{arguments.target} under load"
        text = target.hide(bench_page(title, lines, result))
        write_file(arguments.report, text)
    if arguments.json is not None:
        write_file(arguments.json, json.dumps(result.as_data(), indent=2) + "\n")


def check_files(figures: str | None, report: str | None) -> None:
    """Refuse files that cannot be written, before anything is measured.

    Raises:
        ConfigurationError: one cannot be written, or both are stdout.
    """
    if figures == report == STDOUT:
        raise ConfigurationError("--json and --report are both -; expected one of them")
    check_writable(figures)
    check_writable(report)


def check_writable(path: str | None) -> None:
    """Refuse a file of figures that cannot be written.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if path is None or path == STDOUT:
        return
    place = Path(path)
    why = errno.EISDIR if place.is_dir() else 0
    if not place.parent.is_dir():
        why = errno.ENOENT
    elif not os.access(place if place.exists() else place.parent, os.W_OK):
        why = errno.EACCES
    if why:
        raise unwritable(path, OSError(why, os.strerror(why)))


def unwritable(path: str, error: OSError) -> ConfigurationError:
    """The error for a file that cannot be written."""
    return ConfigurationError(f"{path}: cannot be written ({error.strerror})")


def write_file(path: str, text: str) -> None:
    """Write a file of figures, or stdout where it is called ``-``.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if path == STDOUT:
        print(text, end="", flush=True)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def code_of(result: Result, *, strict: bool) -> int:
    """The exit code."""
    if result.failures or not result.balanced:
        return FAILED
    if not result.drained:
        return CUT_OFF
    return LOST if strict and (result.lost or result.unsent) else 0
